import Crypto
import EmbeddedRegistry
import HTTPServer
import JSON
import OCI
import Testing

@Suite struct `Signatures in the embedded registry` {
  private let key: PrivateKey
  init() throws { key = try PrivateKey(generating: .p256) }

  private static func configuration(referrers: Bool) -> EmbeddedRegistry.Configuration {
    var configuration = EmbeddedRegistry.Configuration()
    configuration.hasReferrersAPI = referrers
    return configuration
  }

  private func referrers(_ ask: Asker, _ repository: String, _ digest: Digest, _ query: String = "") async throws
    -> [Descriptor]
  {
    let response = await ask("GET", "/v2/\(repository)/referrers/\(digest)\(query)")
    #expect(response.status == 200)
    let fetched = FetchedManifest(
      digest: Digest(hashing: response.body), mediaType: try #require(response.header("content-type")),
      bytes: response.body)
    guard case .index(let manifests, _, _) = try Manifest(parsing: fetched) else {
      Issue.record("not an index")
      return []
    }
    return manifests
  }

  @Test func `a signature tag holds a layer for each signature, as cosign 2 writes it`() async throws {
    let ask = Asker()
    let image = try ask.registry.pushImage(repository: "team/app", tag: "v1")
    try ask.registry.attachSignature(repository: "team/app", digest: image, key: key)
    let tag = "sha256-\(image.hex).sig"
    let first = await ask("GET", "/v2/team/app/manifests/\(tag)")
    let root = try JSONDocument(first.body).root
    #expect(try root.members().map(\.name) == ["schemaVersion", "mediaType", "config", "layers"])
    #expect(try root.member("config").members().map(\.name) == ["mediaType", "size", "digest"])
    let layer = try #require(try root.member("layers").elements().first)
    #expect(try layer.members().map(\.name) == ["mediaType", "size", "digest", "annotations"])
    #expect(try layer.member("mediaType").string() == "application/vnd.dev.cosign.simplesigning.v1+json")
    #expect(try layer.member("annotations").members().map(\.name) == ["dev.cosignproject.cosign/signature"])
    let payloadDigest = try layer.member("digest").string()
    let payload = await ask("GET", "/v2/team/app/blobs/\(payloadDigest)")
    #expect(
      payload.text
        == #"{"critical":{"identity":{"docker-reference":"registry.example/team/app"},"image":{"docker-manifest-digest":"\#(image)"},"type":"cosign container image signature"},"optional":null}"#
    )
    let config = await ask("GET", "/v2/team/app/blobs/\(try root.member("config").member("digest").string())")
    #expect(
      config.text
        == #"{"architecture":"","created":"0001-01-01T00:00:00Z","history":[{"created":"0001-01-01T00:00:00Z"}],"os":"","rootfs":{"type":"layers","diff_ids":["\#(payloadDigest)"]},"config":{}}"#
    )
    // By another key: one more layer over the same payload.
    try ask.registry.attachSignature(repository: "team/app", digest: image, key: try PrivateKey(generating: .p384))
    let second = try #require(ask.registry.manifest(.tag(tag), repository: "team/app"))
    guard case .image(_, _, let layers, _, _) = try Manifest(parsing: second) else {
      Issue.record("not an image")
      return
    }
    #expect(layers.count == 2 && layers[0].digest == layers[1].digest && layers[0].annotations != layers[1].annotations)
  }

  @Test func `a bundle refers to its image, as cosign 3 writes it`() async throws {
    let ask = Asker()
    let image = try ask.registry.pushImage(repository: "a", tag: "v1")
    let signature = try ask.registry.attachSignature(repository: "a", digest: image, key: key, as: .bundle)
    let found = try await referrers(ask, "a", image)
    #expect(found.map(\.digest) == [signature])
    #expect(found.first?.artifactType == "application/vnd.dev.sigstore.bundle.v0.3+json")
    #expect(found.first?.annotations["dev.sigstore.bundle.content"] == "dsse-envelope")
    let manifest = try #require(ask.registry.manifest(.digest(signature), repository: "a"))
    let root = try JSONDocument(manifest.bytes).root
    #expect(
      try root.members().map(\.name) == [
        "schemaVersion", "mediaType", "config", "layers", "annotations", "subject", "artifactType",
      ])
    guard case .image(_, let config, let layers, let subject, let annotations) = try Manifest(parsing: manifest) else {
      Issue.record("not an image")
      return
    }
    #expect(config.digest.hex.hasPrefix("44136fa3") && config.mediaType == "application/vnd.oci.empty.v1+json")
    #expect(subject?.digest == image)
    #expect(annotations["dev.sigstore.bundle.predicateType"] == "https://sigstore.dev/cosign/sign/v1")
    #expect(layers.count == 1)
    let bundle = try #require(ask.registry.blob(layers[0].digest, repository: "a"))
    #expect(try JSONDocument(bundle).root.member("mediaType").string() == layers[0].mediaType)
    #expect(ask.registry.tags(repository: "a") == ["v1"])
  }

  @Test func `without the referrers API, referrers are in the index at the fallback tag`() async throws {
    let ask = Asker(Self.configuration(referrers: false))
    let image = try ask.registry.pushImage(repository: "a", tag: "v1")
    #expect(await ask("GET", "/v2/a/referrers/\(image)").status == 404)
    let first = try ask.registry.attachSignature(repository: "a", digest: image, key: key, as: .bundle)
    let second = try ask.registry.attachSignature(repository: "a", digest: image, key: key, as: .signatureReferrer)
    let index = try #require(ask.registry.manifest(.tag("sha256-\(image.hex)"), repository: "a"))
    guard case .index(let manifests, _, _) = try Manifest(parsing: index) else {
      Issue.record("not an index")
      return
    }
    #expect(manifests.map(\.digest) == [first, second])
    // What go-containerregistry writes there is the config's media type.
    #expect(
      manifests.map(\.artifactType) == [
        "application/vnd.oci.empty.v1+json", "application/vnd.dev.cosign.artifact.sig.v1+json",
      ])
  }

  @Test func `a pushed manifest with a subject is acknowledged and listed where there is the API`() async throws {
    for hasAPI in [true, false] {
      let ask = Asker(Self.configuration(referrers: hasAPI))
      let image = try ask.registry.pushImage(repository: "a")
      let config = try ask.registry.put(blob: Array("{}".utf8), repository: "a")
      let body = Array(
        #"{"schemaVersion":2,"config":{"mediaType":"x/y","size":2,"digest":"\#(config.digest)"},"layers":[],"subject":{"mediaType":"x/y","size":1,"digest":"\#(image)"}}"#
          .utf8)
      let response = await ask(
        "PUT", "/v2/a/manifests/\(Digest(hashing: body))", headers: [("content-type", ManifestMediaType.image)],
        body: body)
      #expect(response.status == 201)
      #expect(response.header("oci-subject") == (hasAPI ? image.description : nil))
      if hasAPI {
        #expect(try await referrers(ask, "a", image).map(\.artifactType) == ["x/y"])
        #expect(await ask("DELETE", "/v2/a/manifests/\(Digest(hashing: body))").status == 202)
        #expect(try await referrers(ask, "a", image).isEmpty)
      }
    }
  }

  @Test func `referrers are filtered, paged, and named as go-containerregistry names them`() async throws {
    var configuration = Self.configuration(referrers: true)
    configuration.referrersPerPage = 2
    let ask = Asker(configuration)
    let image = try ask.registry.pushImage(repository: "a")
    #expect(try await referrers(ask, "none", image).isEmpty)
    for _ in 0..<2 { try ask.registry.attachSignature(repository: "a", digest: image, key: key, as: .bundle) }
    try ask.registry.attachSignature(repository: "a", digest: image, key: key, as: .signatureReferrer)
    let first = await ask("GET", "/v2/a/referrers/\(image)")
    #expect(first.header("link") == "</v2/a/referrers/\(image)?page=2>; rel=\"next\"")
    #expect(try await referrers(ask, "a", image).count == 2)
    #expect(try await referrers(ask, "a", image, "?page=2").count == 1)
    #expect(await ask("GET", "/v2/a/referrers/\(image)?page=2").header("link") == nil)
    let type = "application/vnd.dev.cosign.artifact.sig.v1%2Bjson"
    let filtered = await ask("GET", "/v2/a/referrers/\(image)?artifactType=\(type)")
    #expect(filtered.header("oci-filters-applied") == "artifactType")
    #expect(try await referrers(ask, "a", image, "?artifactType=\(type)").count == 1)

    configuration.listsConfigMediaTypeAsArtifactType = true
    let other = Asker(configuration)
    let image2 = try other.registry.pushImage(repository: "a")
    try other.registry.attachSignature(repository: "a", digest: image2, key: key, as: .bundle)
    let found = try await referrers(other, "a", image2)
    #expect(found.map(\.artifactType) == ["application/vnd.oci.empty.v1+json"])
    #expect(found.first?.annotations.isEmpty == true)
  }

  @Test func `copied signatures stay what they are and name the other image`() async throws {
    let ask = Asker()
    let signed = try ask.registry.pushImage(repository: "a")
    let victim = try ask.registry.pushImage(repository: "b")
    for format in SignatureFormat.allCases {
      try ask.registry.attachSignature(repository: "a", digest: signed, key: key, as: format)
    }
    try ask.registry.copySignatures(from: signed, in: "a", to: victim, in: "b")
    let tagged = await ask("GET", "/v2/b/manifests/sha256-\(victim.hex).sig")
    #expect(tagged.status == 200)
    let original = await ask("GET", "/v2/a/manifests/sha256-\(signed.hex).sig")
    #expect(original.body == tagged.body)
    let found = try await referrers(ask, "b", victim)
    #expect(found.count == 2)
    for descriptor in found {
      let manifest = try #require(ask.registry.manifest(.digest(descriptor.digest), repository: "b"))
      guard case .image(_, _, let layers, let subject, _) = try Manifest(parsing: manifest) else {
        Issue.record("not an image")
        continue
      }
      #expect(subject?.digest == victim)
      let layer = try #require(ask.registry.blob(layers[0].digest, repository: "b"))
      #expect(ask.registry.blob(layers[0].digest, repository: "a") == layer)
    }
  }

  @Test func `a signature of what is not there is an error`() throws {
    let registry = EmbeddedRegistry()
    #expect(throws: AttachError.self) {
      try registry.attachSignature(repository: "a", digest: Digest(hashing: []), key: key, as: .bundle)
    }
  }
}
