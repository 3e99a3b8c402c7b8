import JSON
import Policy
import Primitives
import Testing

@testable import Admission

/// Every member of a real review removed, retyped and doubled, one at a time: never a crash, and never an image let in
/// that is neither verified nor one that was there before.
@Suite struct MutationTests {
  static let replacements = ["null", "true", "7", #""x""#, "[]", "{}"]

  @Test(
    arguments: [
      "02-create-apply", "03-update-apply-image", "12-update-rollout-restart", "16-update-image-while-terminating",
    ],
    [Endpoint.mutate, .validate])
  func `CVE-2026-41485: no mutation of a review lets an unverified image in`(_ name: String, _ endpoint: Endpoint)
    async throws
  {
    let original = try Tree(try Reviews.body(name))
    let good = "127.0.0.1:5000/lab/two:v1"
    let verifier = FakeVerifier([good: .verified(digest: FakeVerifier.digest)], isCached: true)
    let policy = try VerificationPolicy.test()
    let doubled: @Sendable (Tree) -> [Tree] = { [$0, $0] }
    var count = 0
    for path in original.paths where !Self.isInsideManagedFields(path) {
      var variants = [original.changing(path) { _ in [] }, original.changing(path, doubled)]
      variants += Self.replacements.map { original.setting(path, to: .text($0)) }
      for variant in variants {
        count += 1
        let answer = try await ask(variant.bytes, endpoint, policy: policy, verifier: verifier)
        #expect([200, 400].contains(answer.answer.status))
        guard answer.isAllowed else { continue }
        let final = try finalImages(variant, answer)
        let old = try images(variant[.at("request.oldObject")])
        let isTerminating =
          if case .text(let text)? = variant[.at("request.oldObject.metadata.deletionTimestamp")] {
            text.hasPrefix("\"")
          } else {
            false
          }
        for (place, image) in final where !isTerminating {
          let isGood = image == good || image == good + "@" + FakeVerifier.digest
          #expect(isGood || old[place] == image, "\(path) let \(image) in")
        }
      }
    }
    #expect(count > 400)
  }

  /// Nobody reads what is in there, and it is most of a review.
  private static func isInsideManagedFields(_ path: [Tree.Step]) -> Bool {
    path.dropLast().contains { if case .name("managedFields") = $0 { true } else { false } }
  }

  /// The images of the object as it would be stored.
  private func finalImages(_ variant: Tree, _ answer: Answer) throws -> [String: String] {
    guard let object = variant[.at("request.object")] else { return [:] }
    guard let patch = answer.patch else { return try images(object) }
    return try images(try Tree(try JSONPatch.apply(patch, to: try JSONDocument(object.bytes).root)))
  }

  private func images(_ object: Tree?) throws -> [String: String] {
    var images: [String: String] = [:]
    for list in ["initContainers", "containers", "ephemeralContainers"] {
      guard case .array(let containers)? = object?[.at("spec.template.spec." + list)] else { continue }
      for container in containers {
        guard case .text(let image)? = container[.at("image")], image.hasPrefix("\"") else { continue }
        images[list + "/" + (container[.at("name")]?.text ?? "")] = String(image.dropFirst().dropLast())
      }
    }
    return images
  }
}
