import Foundation

/// An image in a registry of the tests.
package struct TestImage: Sendable {
  package let registry: Registry
  package let repository: String
  package let tag: String
  /// `sha256:…` of its manifest.
  package let digest: String

  /// `host:port/repository:tag`.
  package var tagged: String { "\(registry.address)/\(repository):\(tag)" }
  /// `host:port/repository@sha256:…`.
  package var digested: String { "\(registry.address)/\(repository)@\(digest)" }
  /// `host:port/repository:tag@sha256:…`, as Pinseal pins.
  package var pinned: String { "\(tagged)@\(digest)" }
  /// The tag under which signatures of cosign 1, cosign 2 and skopeo lie.
  package var signatureTag: String { digest.replacingOccurrences(of: ":", with: "-") + ".sig" }
  /// The tag of OCI 1.1's fallback index.
  package var fallbackTag: String { digest.replacingOccurrences(of: ":", with: "-") }
  /// The same image as it is called at another address over the same storage.
  package func at(_ other: Registry) -> TestImage {
    TestImage(registry: other, repository: repository, tag: tag, digest: digest)
  }
}

/// A manifest as a registry keeps it.
package struct StoredManifest: Sendable {
  package let mediaType: String
  package let text: String

  package init(mediaType: String, text: String) {
    self.mediaType = mediaType
    self.text = text
  }
}

/// A registry, spoken to with curl.
package struct Registry: Sendable {
  /// `127.0.0.1:PORT`.
  package let address: String
  /// The authority of its certificate; nil for plain HTTP.
  package let authority: String?

  package init(address: String, authority: String? = nil) {
    self.address = address
    self.authority = authority
  }

  private var base: String { "\(authority == nil ? "http" : "https")://\(address)" }
  private var trust: [String] { authority.map { ["--cacert", $0] } ?? [] }
  private static let manifestTypes = [
    "application/vnd.oci.image.manifest.v1+json", "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
  ]

  /// Whether it answers at all.
  package func answers() async -> Bool { (try? await curl("\(base)/v2/", trust)) != nil }

  /// Pushes an image without layers; equal content gives an equal digest.
  package func push(_ repository: String, tag: String = "v1", content: String) async throws -> TestImage {
    let configuration =
      #"{"architecture":"amd64","config":{"Labels":{"content":"\#(content)"}},"os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#
    let blob = try await putBlob(configuration, repository)
    let manifest =
      #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"\#(blob)","size":\#(configuration.utf8.count)},"layers":[]}"#
    let digest = try await put(
      StoredManifest(mediaType: "application/vnd.oci.image.manifest.v1+json", text: manifest), repository, tag)
    return TestImage(registry: self, repository: repository, tag: tag, digest: digest)
  }

  /// Stores a blob and returns its digest.
  package func putBlob(_ text: String, _ repository: String) async throws -> String {
    let digest = try await sha256(text)
    let started = try await curl("\(base)/v2/\(repository)/blobs/uploads/", trust + ["-X", "POST"])
    guard started.status == 202, let location = started.headers["location"] else {
      throw EndToEndFailure("\(address) answers an upload with \(started.status): \(started.body)")
    }
    let absolute = location.hasPrefix("/") ? base + location : location
    let url = absolute + (absolute.contains("?") ? "&" : "?") + "digest=" + digest
    let done = try await curl(url, trust + ["-X", "PUT", "-H", "Content-Type: application/octet-stream"], body: text)
    guard done.status == 201 else {
      throw EndToEndFailure("\(address) answers a blob with \(done.status): \(done.body)")
    }
    return digest
  }

  /// Stores a manifest under a tag and returns its digest.
  @discardableResult
  package func put(_ manifest: StoredManifest, _ repository: String, _ tag: String) async throws -> String {
    let answer = try await curl(
      "\(base)/v2/\(repository)/manifests/\(tag)", trust + ["-X", "PUT", "-H", "Content-Type: \(manifest.mediaType)"],
      body: manifest.text)
    guard answer.status == 201 else {
      throw EndToEndFailure("\(address) answers a manifest with \(answer.status): \(answer.body)")
    }
    return try await sha256(manifest.text)
  }

  /// The manifest under a tag or digest, or nil.
  package func manifest(_ repository: String, _ reference: String) async throws -> StoredManifest? {
    let answer = try await curl(
      "\(base)/v2/\(repository)/manifests/\(reference)", trust + Self.manifestTypes.flatMap { ["-H", "Accept: \($0)"] })
    guard answer.status == 200 else { return nil }
    return StoredManifest(mediaType: answer.headers["content-type"] ?? "", text: answer.body)
  }

  /// The blob with this digest.
  package func blob(_ repository: String, _ digest: String) async throws -> String {
    try await curl("\(base)/v2/\(repository)/blobs/\(digest)", trust).body
  }

  /// Deletes the manifest under a tag, and all tags that name it.
  package func deleteManifest(_ repository: String, _ tag: String) async throws {
    guard let manifest = try await manifest(repository, tag) else {
      throw EndToEndFailure("\(address)/\(repository):\(tag) is not there to be deleted")
    }
    let digest = try await sha256(manifest.text)
    let answer = try await curl("\(base)/v2/\(repository)/manifests/\(digest)", trust + ["-X", "DELETE"])
    guard answer.status == 202 else { throw EndToEndFailure("\(address) answers a deletion with \(answer.status)") }
  }
}

/// `sha256:…` of a text, by coreutils: not by the code under test.
package func sha256(_ text: String) async throws -> String {
  "sha256:" + (try await command("sha256sum", [], input: text).checked().output.prefix(64))
}

extension Registry {
  /// The digests of the manifests that refer to `digest`, by the referrers API.
  package func referrers(_ repository: String, _ digest: String) async throws -> [String] {
    let answer = try await curl("\(base)/v2/\(repository)/referrers/\(digest)", trust)
    guard answer.status == 200,
      let index = try JSONSerialization.jsonObject(with: Data(answer.body.utf8)) as? [String: Any],
      let manifests = index["manifests"] as? [[String: Any]]
    else { throw EndToEndFailure("\(address) answers for referrers with \(answer.status): \(answer.body)") }
    return manifests.compactMap { $0["digest"] as? String }
  }
}
