import EndToEndSupport
import Foundation
import Testing

/// The chart's `annotationGuard`, by the API server's own CEL.
extension NewerAPIServerTests {
  private var guarded: [String: Any] {
    ["annotationGuard": ["enabled": true, "users": ["gitops"], "groups": ["platform"]] as [String: Any]]
  }

  private func namespace(_ annotations: Any?) -> [String: Any] {
    var metadata: [String: Any] = ["name": "shop"]
    metadata["annotations"] = annotations as? [String: String]
    return ["apiVersion": "v1", "kind": "Namespace", "metadata": metadata]
  }

  @Test func `the guard of the annotations judges as in the cases of check-chart, by each way to write a namespace`()
    async throws
  {
    let host = try await NewerAPIServer.current().host(values: guarded)
    let file = try read("\(EndToEnd.root)/charts/checks/guard-cases.json")
    let table = try JSONSerialization.jsonObject(with: Data(file.utf8)) as? [String: Any]
    let cases = try #require(table?["cases"] as? [[String: Any]])
    let named = try #require(table?["annotations"] as? [String: [String: String]])
    #expect(cases.count > 20)
    for subresource in ["", "status", "finalize"] {
      let requests = cases.map { entry in
        func annotations(_ which: String) -> Any? { (entry[which] as? String).map { named[$0] as Any } ?? entry[which] }
        return AdmissionRequest(
          operation: entry["old"] == nil ? "CREATE" : "UPDATE", object: namespace(annotations("new")),
          oldObject: entry["old"] == nil ? nil : namespace(annotations("old")), subresource: subresource,
          user: entry["user"] as? String ?? "gitops", groups: entry["groups"] as? [String] ?? [])
      }
      for (entry, answer) in zip(cases, try await host.ask(requests)) {
        let title = "\(entry["title"] ?? "") \(subresource)"
        if let refusal = entry["refusal"] as? String {
          #expect(!answer.isAllowed && answer.message.contains(refusal), "\(title): \(answer)")
        } else {
          #expect(answer.isAllowed, "\(title): \(answer)")
        }
      }
    }
  }

  @Test func `a guard without users and groups refuses mistakes alone, and deletions never`() async throws {
    let newer = try NewerAPIServer.current()
    let own = "pinseal.dev/pin"
    let open = try await newer.host(values: ["annotationGuard": ["enabled": true]]).ask([
      AdmissionRequest(object: namespace([own: "digest"]), user: "eve"),
      AdmissionRequest(object: namespace([own: "tag"]), user: "eve"),
    ])
    #expect(open[0].isAllowed && !open[1].isAllowed, "\(open)")
    #expect(open[1].message.contains("denied request: \(own) may be tag-and-digest, digest, none"), "\(open[1])")
    let deleted = try await newer.host(values: guarded).ask(
      AdmissionRequest(operation: "DELETE", oldObject: namespace([own: "tag"]), user: "eve"))
    #expect(deleted.isAllowed, "\(deleted)")
  }

  @Test func `annotations as large as a namespace may have are within what the guard's CEL may cost`() async throws {
    let host = try await NewerAPIServer.current().host(values: guarded)
    // Names and values together, by the API server's own limit.
    let limit = 262_144 - 1000
    let key = "-----BEGIN PUBLIC KEY-----\n" + String(repeating: "x", count: limit)
    let others = Dictionary(uniqueKeysWithValues: (0..<5000).map { ("a\($0)", String(repeating: "x", count: 40)) })
    let cases: [(what: String, old: [String: String], new: [String: String])] = [
      ("a key", [:], ["pinseal.dev/public-key": key]),
      ("white space", [:], ["pinseal.dev/pin": "digest" + String(repeating: " ", count: limit)]),
      ("others' annotations", others, others.merging(["pinseal.dev/pin": "digest"]) { $1 }),
    ]
    let answers = try await host.ask(
      cases.map {
        AdmissionRequest(operation: "UPDATE", object: namespace($0.new), oldObject: namespace($0.old), user: "gitops")
      })
    for (entry, answer) in zip(cases, answers) {
      #expect(answer.isAllowed, "\(entry.what): \(answer.description.prefix(500))")
    }
  }

  @Test func `the API server finds nothing to warn about in the guard's types`() async throws {
    let newer = try NewerAPIServer.current()
    let schemas = try await command(
      Tool.chartPython.path(),
      [
        "-c",
        "import kubernetes_validate as k, pathlib; print(pathlib.Path(k.__file__).parent / 'kubernetes-json-schema/v1.37.0-local/_definitions.json', end='')",
      ]
    ).checked().output
    #expect(try await newer.host(values: guarded).typeWarnings(schemas: schemas) == "")
    // And it would find something.
    for (right, wrong) in [("object.metadata.anno", "object.metadata.ano"), ("userInfo.username", "userInfo.name")] {
      let warnings = try await newer.host(
        values: guarded, edit: { $0.replacingOccurrences(of: right, with: wrong) }
      ).typeWarnings(schemas: schemas)
      #expect(warnings.contains("undefined field"), "\(warnings)")
    }
  }
}
