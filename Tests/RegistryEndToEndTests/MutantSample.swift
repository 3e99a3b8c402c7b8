import Crypto
import EmbeddedRegistry
import EndToEndSupport
import Foundation
import OCI

/// A signature that real cosign or skopeo made, as it lay in a registry, and what it is verified with.
struct MutantSample: Sendable {
  /// Where a proof is looked for.
  enum Log: String, Sendable {
    case none, rekor1, rekor2
  }

  /// The signed image: the same for all samples.
  static let image =
    #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":233,"digest":"sha256:81deb12bdefbbe2c58762a005bbb53bcacb81745481c9948e35ca49798a6a97f"},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":143,"digest":"sha256:a38ca397148fb60f38d48d2bd8a76b4b20316f1fc050954b621e53e77bd7ed1e"}]}"#
  static let imageDigest = "sha256:d30e50f9c29fd703790210feeb3d4c43905496d9252989c99c53044c10661b30"

  static let all = [
    MutantSample(name: "m_cosign25-p256", isBundle: false, log: .none),
    MutantSample(name: "dr_x_c25-rekor1", isBundle: false, log: .rekor1),
    MutantSample(name: "m_cosign31-p256", isBundle: true, log: .none),
    MutantSample(name: "dr_x_c31-rekor1", isBundle: true, log: .rekor1),
    MutantSample(name: "dr_x_c31-rekor2", isBundle: true, log: .rekor2),
  ]

  /// The folder of the sample.
  let name: String
  let isBundle: Bool
  let log: Log

  private static let folder = "\(EndToEnd.root)/Tests/SigstoreTests/Artifacts"
  static let keyFile = "\(folder)/keys/p256.pub"

  /// The trusted root with the log that made the proof.
  var trustedRootFile: String? { log == .none ? nil : "\(Self.folder)/\(log.rawValue)/tr.json" }

  /// The signature's manifest, and the blob of its one layer: payload or bundle.
  func read() throws -> (manifest: Tree, blob: Data) {
    let folder = "\(Self.folder)/\(name)"
    let files = try FileManager.default.contentsOfDirectory(atPath: folder)
    guard let manifest = files.first(where: { $0.hasSuffix(".manifest.json") }),
      let blob = files.first(where: { !$0.hasSuffix(".json") }),
      let content = FileManager.default.contents(atPath: "\(folder)/\(manifest)"),
      let payload = FileManager.default.contents(atPath: "\(folder)/\(blob)")
    else { throw EndToEndFailure("\(folder) holds no signature") }
    return (try Tree(content), payload)
  }
}

/// A signature with one thing changed.
struct Mutant: Sendable {
  let sample: MutantSample
  let name: String
  let manifest: Tree
  let blob: Data

  var description: String { "\(sample.name): \(name)" }

  /// Puts image and signature into a repository of their own; gives the image's name there.
  func place(in registry: EmbeddedRegistry, address: String, number: Int) throws -> String {
    let repository = "mutants/m\(number)"
    try registry.put(
      manifest: Array(MutantSample.image.utf8), mediaType: "application/vnd.oci.image.manifest.v1+json",
      repository: repository, tag: "v1")
    try registry.put(blob: Array(blob), repository: repository)
    try registry.put(blob: Array("{}".utf8), repository: repository)
    let bytes = Array(manifest.text.utf8)
    if sample.isBundle {
      try registry.attachReferrer(
        bytes, listedAs: "application/vnd.oci.empty.v1+json", repository: repository,
        subject: try Digest(parsing: MutantSample.imageDigest))
    } else {
      let tag = MutantSample.imageDigest.replacingOccurrences(of: ":", with: "-") + ".sig"
      try registry.put(
        manifest: bytes, mediaType: "application/vnd.oci.image.manifest.v1+json", repository: repository, tag: tag)
    }
    return "\(address)/\(repository)@\(MutantSample.imageDigest)"
  }
}

extension MutantSample {
  private static let signature = "dev.cosignproject.cosign/signature"
  private static let logAnnotation = "dev.sigstore.cosign/bundle"

  /// The sample itself and all its mutants, in a fixed order.
  func mutants() throws -> (unchanged: Mutant, mutants: [Mutant]) {
    let (manifest, blob) = try read()
    let annotations = ["layers", "0", "annotations"]
    func mutant(_ name: String, _ manifest: Tree, _ blob: Data) -> Mutant {
      // The layer's descriptor follows its blob, so that it is not the digest that is found wrong.
      let described = manifest.setting(["layers", "0", "digest"], to: .quoted("sha256:" + sha256(blob)))
        .setting(["layers", "0", "size"], to: .scalar("\(blob.count)"))
      return Mutant(sample: self, name: name, manifest: described, blob: blob)
    }
    func withAnnotation(_ name: String, _ change: String, _ text: Tree?) -> Mutant {
      mutant("annotation \(change)", manifest.setting(annotations + [name], to: text), blob)
    }

    var result: [Mutant] = []
    for (name, tree) in try Tree(blob).changes() {
      result.append(mutant("\(isBundle ? "bundle" : "payload") \(name)", manifest, Data(tree.text.utf8)))
    }
    result.append(mutant("blob with text after it", manifest, blob + Data("x".utf8)))
    result.append(mutant("blob with spaces around it", manifest, Data(" ".utf8) + blob + Data("\n".utf8)))
    result.append(mutant("blob of nothing", manifest, Data()))

    if isBundle {
      result += try nestedMutants(of: blob).map { mutant("bundle \($0.name)", manifest, Data($0.tree.text.utf8)) }
    } else {
      guard let signature = manifest[annotations + [Self.signature]] else { return (mutant("", manifest, blob), []) }
      for (name, tree) in signature.changes() where tree.string != nil {
        result.append(withAnnotation(Self.signature, "signature\(name)", tree))
      }
      result.append(withAnnotation(Self.signature, "signature removed", nil))
      if let log = manifest[annotations + [Self.logAnnotation]]?.string {
        result.append(withAnnotation(Self.logAnnotation, "log removed", nil))
        result.append(withAnnotation(Self.logAnnotation, "log empty", .quoted("")))
        for (name, tree) in try Tree(Data(log.utf8)).changes() {
          result.append(withAnnotation(Self.logAnnotation, "log \(name)", .quoted(tree.text)))
        }
        for (name, tree) in try entryMutants(of: log) {
          result.append(withAnnotation(Self.logAnnotation, "log entry \(name)", .quoted(tree.text)))
        }
      }
    }
    for type in ["application/octet-stream", "application/vnd.dev.sigstore.bundle.v0.3+json+gzip", "text/plain"] {
      let changed = manifest.setting(["layers", "0", "mediaType"], to: .quoted(type))
      result.append(mutant("layer of type \(type)", changed, blob))
    }
    return (mutant("", manifest, blob), result)
  }

  /// The entry in the annotation with each of its own values changed.
  private func entryMutants(of log: String) throws -> [Tree.Change] {
    let tree = try Tree(Data(log.utf8))
    let path = ["Payload", "body"]
    guard let text = tree[path]?.string, let body = Data(base64Encoded: text) else { return [] }
    return try Tree(body).changes().map { change in
      (change.name, tree.setting(path, to: .quoted(Data(change.tree.text.utf8).base64EncodedString())))
    }
  }

  /// The statement and the log's entry of a bundle with each of their own values changed, and lines of the checkpoint.
  private func nestedMutants(of blob: Data) throws -> [Tree.Change] {
    let tree = try Tree(blob)
    var result: [Tree.Change] = []
    let entry = ["verificationMaterial", "tlogEntries", "0"]
    for (label, path) in [
      ("statement", ["dsseEnvelope", "payload"]), ("entry", entry + ["canonicalizedBody"]),
    ] {
      guard let text = tree[path]?.string, let inner = Data(base64Encoded: text) else { continue }
      for change in try Tree(inner).changes() {
        let encoded = Data(change.tree.text.utf8).base64EncodedString()
        result.append(("\(label) \(change.name)", tree.setting(path, to: .quoted(encoded))))
      }
    }
    for version in ["0.1", "0.2", "0.3", "0.4"] {
      let type = "application/vnd.dev.sigstore.bundle+json;version=\(version)"
      result.append(("of version \(version)", tree.setting(["mediaType"], to: .quoted(type))))
    }
    let checkpoint = entry + ["inclusionProof", "checkpoint", "envelope"]
    guard let note = tree[checkpoint]?.string else { return result }
    let lines = note.components(separatedBy: "\n")
    for index in lines.indices {
      var without = lines
      without.remove(at: index)
      var doubled = lines
      doubled.insert(lines[index], at: index)
      for (name, changed) in [("removed", without), ("doubled", doubled)] {
        result.append(
          (
            "checkpoint line \(index + 1) \(name)",
            tree.setting(checkpoint, to: .quoted(changed.joined(separator: "\n")))
          ))
      }
    }
    result.append(
      (
        "checkpoint with CRLF",
        tree.setting(checkpoint, to: .quoted(note.replacingOccurrences(of: "\n", with: "\r\n")))
      ))
    return result
  }

  private func sha256(_ data: Data) -> String { Digest(hashing: Array(data)).hex }
}
