import Crypto
import OCI
import Primitives
import Testing

@Suite struct `Manifests` {
  private static let empty = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

  private static func parse(_ text: String, as mediaType: String = ManifestMediaType.image, limit: Int = 1000)
    throws(RegistryError)
    -> Manifest
  {
    let bytes = Array(text.utf8)
    let fetched = FetchedManifest(digest: Digest(hashing: bytes), mediaType: mediaType, bytes: bytes)
    return try Manifest(parsing: fetched, maximumDescriptors: limit)
  }

  /// What real tools pushed.
  private enum Real {
    static let signatures =
      #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","size":342,"digest":"sha256:72f7a7ad8ecff0243230498aad78a1ab399ec73c6197157e5779bf42c9b75dcc"},"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","size":240,"digest":"sha256:a695c07a44f056ea0303331ca3484610a25889cd3549ba2ef5b414c041738ccd","annotations":{"dev.cosignproject.cosign/signature":"MEUCIAnZTxl5xAOFglRv9wK7NfeFJhUc8ZPIczP8eTGf76TTAiEA0cFs867fdnp8nr8h4Kz42CZ2+6yEj8t16CwxYiUFljI="}},{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","size":240,"digest":"sha256:a695c07a44f056ea0303331ca3484610a25889cd3549ba2ef5b414c041738ccd","annotations":{"dev.cosignproject.cosign/signature":"MGUCMHdM9GQ8fGkkSFabnd1wxRA57Q6+v42Q16ctgrHczqJMVNSvloSYrzi6/+WGmY9pNQIxAJ3NgKv8XxI883rB6ul8Dcgaibg9tNkGR07LgRN/8oC3egjYYMu5gJ0i6fXp4PxRIg=="}}]}"#
    static let bundle =
      #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"},"layers":[{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","size":659,"digest":"sha256:5d16a6a65ed963303fe896a597b85759fcf2ca60f418340f408abb139c5e460c"}],"annotations":{"dev.sigstore.bundle.content":"dsse-envelope","dev.sigstore.bundle.predicateType":"https://sigstore.dev/cosign/sign/v1","org.opencontainers.image.created":"2026-11-23T23:58:01Z"},"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":401,"digest":"sha256:d30e50f9c29fd703790210feeb3d4c43905496d9252989c99c53044c10661b30"},"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json"}"#
    static let fallback =
      #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":877,"digest":"sha256:9bc7a036d2bae4b15aa0e11bd0b4393a44b3c803be2327e880ea18d28b7a67e0","artifactType":"application/vnd.oci.empty.v1+json"}]}"#
    static let docker =
      #"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":233,"digest":"sha256:86faf56318cda575a3767985ec81160efe9964b93f6752682d208ad8afc51eb4"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":142,"digest":"sha256:868e1fed70d43ca374d6acc998ef03c1b1fa4c8ace4acd2ee5b1538318309320"}]}"#
  }

  @Test func `a signature manifest of cosign 2 is an image with a layer for each signature`() throws {
    guard
      case .image(let artifactType, let config, let layers, let subject, let annotations) = try Self.parse(
        Real.signatures)
    else {
      Issue.record("not an image")
      return
    }
    #expect(artifactType == nil && subject == nil && annotations.isEmpty)
    #expect(config.size == 342 && config.mediaType == "application/vnd.oci.image.config.v1+json")
    // Two signatures over one payload: the layers differ in their annotations only.
    #expect(layers.count == 2 && layers[0].digest == layers[1].digest && layers[0] != layers[1])
    #expect(layers[1].annotations["dev.cosignproject.cosign/signature"]?.hasPrefix("MGUCMHdM9GQ8") == true)
  }

  @Test func `a bundle manifest of cosign 3 has a subject and the empty config`() throws {
    guard
      case .image(let artifactType, let config, let layers, let subject, let annotations) = try Self.parse(Real.bundle)
    else {
      Issue.record("not an image")
      return
    }
    #expect(artifactType == "application/vnd.dev.sigstore.bundle.v0.3+json")
    #expect(config.digest.description == Self.empty && config.artifactType == artifactType)
    #expect(layers.map(\.size) == [659])
    #expect(subject?.digest.hex.hasPrefix("d30e50f9") == true)
    #expect(annotations.count == 3 && annotations["dev.sigstore.bundle.content"] == "dsse-envelope")
  }

  @Test func `a fallback index and a Docker manifest are read`() throws {
    guard case .index(let manifests, let subject, _) = try Self.parse(Real.fallback, as: ManifestMediaType.index) else {
      Issue.record("not an index")
      return
    }
    #expect(manifests.count == 1 && subject == nil)
    #expect(manifests.first?.artifactType == "application/vnd.oci.empty.v1+json")
    guard case .image(_, _, let layers, _, _) = try Self.parse(Real.docker, as: ManifestMediaType.dockerImage) else {
      Issue.record("not an image")
      return
    }
    #expect(layers.count == 1)
  }

  @Test func `a Docker manifest list is an index`() throws {
    let text =
      #"{"schemaVersion":2,"mediaType":"\#(ManifestMediaType.dockerList)","manifests":[{"mediaType":"\#(ManifestMediaType.dockerImage)","size":1,"digest":"\#(Self.empty)","platform":{"architecture":"amd64","os":"linux"}}]}"#
    guard case .index(let manifests, _, _) = try Self.parse(text, as: ManifestMediaType.dockerList) else {
      Issue.record("not an index")
      return
    }
    #expect(manifests.count == 1)
  }

  @Test(arguments: [
    "application/vnd.oci.image.manifest.v1+json; charset=utf-8", "Application/Vnd.OCI.Image.Manifest.v1+JSON",
  ])
  func `parameters and case of the Content-Type do not matter`(_ contentType: String) throws {
    _ = try Self.parse(Real.bundle, as: contentType)
  }

  @Test(arguments: ["", "application/json", "text/plain; charset=utf-8", "application/octet-stream"])
  func `where the Content-Type says nothing, the body's media type must`(_ contentType: String) throws {
    _ = try Self.parse(Real.bundle, as: contentType)
    let silent = #"{"schemaVersion":2,"config":{"mediaType":"a/b","size":2,"digest":"\#(Self.empty)"},"layers":[]}"#
    _ = try Self.parse(silent)
    #expect(throws: RegistryError.self) { try Self.parse(silent, as: contentType) }
  }

  @Test
  func `CVE-2020-15157: unknown members, null members and foreign layers are let through, their addresses unread`()
    throws
  {
    let text =
      #"{"schemaVersion":2,"new":{"x":[1]},"annotations":null,"subject":null,"artifactType":"","config":{"mediaType":"a/b","size":2,"digest":"\#(Self.empty)","data":"e30="},"layers":[{"mediaType":"a/b","size":0,"digest":"\#(Self.empty)","urls":["http://169.254.169.254/"]}]}"#
    guard case .image(let artifactType, _, let layers, let subject, _) = try Self.parse(text) else {
      Issue.record("not an image")
      return
    }
    #expect(artifactType == nil && subject == nil && layers.count == 1)
    guard
      case .index(let manifests, _, _) = try Self.parse(
        #"{"schemaVersion":2,"manifests":null}"#, as: ManifestMediaType.index)
    else {
      Issue.record("not an index")
      return
    }
    #expect(manifests.isEmpty)
  }

  private static let config = #""config":{"mediaType":"a/b","size":2,"digest":"\#(empty)"}"#

  private static func image(layer: String) -> String { #"{"schemaVersion":2,\#(config),"layers":[\#(layer)]}"# }

  struct Bad: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let text: String
    var mediaType = ManifestMediaType.image
    let says: String
  }

  static let bad: [Bad] = [
    Bad(testDescription: "no JSON", text: "<html>", says: "not JSON"),
    Bad(testDescription: "an array", text: "[]", says: "object"),
    Bad(testDescription: "nothing", text: "", says: "not JSON"),
    Bad(testDescription: "trailing data", text: "{} {}", says: "trailing"),
    Bad(testDescription: "a member twice", text: #"{"schemaVersion":2,"schemaVersion":2}"#, says: "twice"),
    Bad(testDescription: "deep nesting", text: String(repeating: "[", count: 10_000), says: "deeper"),
    Bad(testDescription: "no schemaVersion", text: #"{\#(config),"layers":[]}"#, says: "schemaVersion"),
    Bad(
      testDescription: "schemaVersion 3", text: #"{"schemaVersion":3,\#(config),"layers":[]}"#, says: "schemaVersion"),
    Bad(
      testDescription: "schemaVersion 2.0", text: #"{"schemaVersion":2.0,\#(config),"layers":[]}"#,
      says: "schemaVersion"),
    Bad(
      testDescription: "Docker schema 1 by version", text: #"{"schemaVersion":1,"name":"a","tag":"b"}"#,
      mediaType: "application/json", says: "schema 1"),
    Bad(
      testDescription: "Docker schema 1 by Content-Type", text: #"{"schemaVersion":2}"#,
      mediaType: "application/vnd.docker.distribution.manifest.v1+prettyjws", says: "schema 1"),
    Bad(
      testDescription: "Docker schema 1 under OCI's name",
      text: #"{"schemaVersion":2,"fsLayers":[],\#(config),"layers":[]}"#,
      says: "schema 1"),
    Bad(
      testDescription: "CVE-2021-41190: image and index at once",
      text: #"{"schemaVersion":2,\#(config),"layers":[],"manifests":[]}"#,
      says: "either"),
    Bad(
      testDescription: "index with layers", text: #"{"schemaVersion":2,"manifests":[],"layers":[]}"#,
      mediaType: ManifestMediaType.index, says: "either"),
    Bad(
      testDescription: "index with a config", text: #"{"schemaVersion":2,"manifests":[],\#(config)}"#,
      mediaType: ManifestMediaType.index, says: "either"),
    Bad(
      testDescription: "index in an image's clothes",
      text: #"{"schemaVersion":2,"mediaType":"\#(ManifestMediaType.index)","manifests":[]}"#, says: "calls itself"),
    Bad(
      testDescription: "image in Docker's clothes",
      text: #"{"schemaVersion":2,"mediaType":"\#(ManifestMediaType.dockerImage)",\#(config),"layers":[]}"#,
      says: "calls itself"),
    Bad(
      testDescription: "an unknown media type", text: #"{"schemaVersion":2,\#(config),"layers":[]}"#,
      mediaType: "application/vnd.oci.artifact.manifest.v1+json", says: "is no manifest's"),
    Bad(testDescription: "no config", text: #"{"schemaVersion":2,"layers":[]}"#, says: "config"),
    Bad(testDescription: "no layers", text: #"{"schemaVersion":2,\#(config)}"#, says: "layers"),
    Bad(
      testDescription: "layers that are an object", text: #"{"schemaVersion":2,\#(config),"layers":{}}"#, says: "layers"
    ),
    Bad(testDescription: "a layer that is null", text: image(layer: "null"), says: "layers[0]"),
    Bad(
      testDescription: "no media type", text: image(layer: #"{"size":2,"digest":"\#(empty)"}"#), says: "mediaType"),
    Bad(
      testDescription: "an empty media type", text: image(layer: #"{"mediaType":"","size":2,"digest":"\#(empty)"}"#),
      says: "layers[0].mediaType is empty"),
    Bad(
      testDescription: "a long media type",
      text: image(layer: #"{"mediaType":"\#(String(repeating: "a", count: 256))","size":2,"digest":"\#(empty)"}"#),
      says: "longer"),
    Bad(
      testDescription: "a negative size", text: image(layer: #"{"mediaType":"a/b","size":-1,"digest":"\#(empty)"}"#),
      says: "negative"),
    Bad(
      testDescription: "a size past 64 bits",
      text: image(layer: #"{"mediaType":"a/b","size":9223372036854775808,"digest":"\#(empty)"}"#), says: "64 bits"),
    Bad(
      testDescription: "a size as text", text: image(layer: #"{"mediaType":"a/b","size":"2","digest":"\#(empty)"}"#),
      says: "layers[0].size"),
    Bad(
      testDescription: "CVE-2024-3727: a digest with a path",
      text: image(layer: #"{"mediaType":"a/b","size":2,"digest":"sha256:../../etc/passwd"}"#), says: "layers[0].digest"),
    Bad(
      testDescription: "an upper-case digest",
      text: image(layer: #"{"mediaType":"a/b","size":2,"digest":"\#(empty.uppercased())"}"#), says: "layers[0].digest"),
    Bad(
      testDescription: "an annotation that is a number",
      text: image(layer: #"{"mediaType":"a/b","size":2,"digest":"\#(empty)","annotations":{"a":1}}"#),
      says: "layers[0].annotations.a"),
    Bad(
      testDescription: "annotations that are a list",
      text: image(layer: #"{"mediaType":"a/b","size":2,"digest":"\#(empty)","annotations":[]}"#),
      says: "layers[0].annotations"),
    Bad(
      testDescription: "a subject without a digest",
      text: #"{"schemaVersion":2,\#(config),"layers":[],"subject":{"mediaType":"a/b","size":2}}"#, says: "subject"),
  ]

  @Test(arguments: bad) func `a manifest that is not as it must be is refused`(_ bad: Bad) throws {
    let error = try #require(throws: RegistryError.self) { try Self.parse(bad.text, as: bad.mediaType) }
    #expect(error.code == .registryMisbehaved)
    #expect(error.description.contains(bad.says), "\(error)")
    #expect(error.description.hasPrefix("manifest sha256:"))
    #expect(error.description.utf8.count < 1000)
  }

  @Test func `a thousand layers are read and one more is refused`() throws {
    let layer = #"{"mediaType":"a/b","size":0,"digest":"\#(Self.empty)"}"#
    func text(_ count: Int) -> String {
      Self.image(layer: Array(repeating: layer, count: count).joined(separator: ","))
    }
    _ = try Self.parse(text(1000))
    let error = try #require(throws: RegistryError.self) { try Self.parse(text(1001)) }
    #expect(error.description.contains("1001 layers, at most 1000"))
    #expect(throws: RegistryError.self) { try Self.parse(text(3), limit: 2) }
  }

  @Test func `too many annotations, or too long ones, are refused`() throws {
    func text(_ annotations: String) -> String {
      #"{"schemaVersion":2,\#(Self.config),"layers":[],"annotations":{\#(annotations)}}"#
    }
    func names(_ count: Int) -> String { (0..<count).map { "\"n\($0)\":\"v\"" }.joined(separator: ",") }
    _ = try Self.parse(text(names(512)))
    #expect(throws: RegistryError.self) { try Self.parse(text(names(513))) }
    #expect(throws: RegistryError.self) { try Self.parse(text("\"\(String(repeating: "n", count: 1025))\":\"v\"")) }
    #expect(throws: RegistryError.self) {
      try Self.parse(text("\"n\":\"\(String(repeating: "v", count: 1 << 20 | 1))\""))
    }
  }

  @Test func `what a registry sends is made printable in the message`() throws {
    let error = try #require(throws: RegistryError.self) {
      try Self.parse("{\"schemaVersion\":2,\"mediaType\":\"x\\u202e\\u0007\"}", as: "")
    }
    #expect(
      !error.description.unicodeScalars.contains("\u{202E}") && !error.description.unicodeScalars.contains("\u{7}"))
  }
}
