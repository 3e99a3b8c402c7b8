import Crypto
import HTTPClient
import Primitives
import Testing

@testable import OCI

@Suite struct RegistryResolveTests {
  @Test func `a tag is resolved by HEAD, with all four kinds of manifest accepted`() async throws {
    let network = FakeNetwork([
      "HEAD https://ghcr.io/v2/a/b/manifests/1.0": [
        HTTPResponse(status: 200, headers: [("docker-content-digest", imageDigest.description)])
      ]
    ])
    #expect(
      try await client(network).resolve(reference("ghcr.io/a/b:1.0"), credentials: anonymous, deadline: soon)
        == imageDigest)
    let request = try #require(network.requests.first)
    #expect(network.requests.count == 1)
    #expect(request.headers.map(\.name) == ["Accept"])
    #expect(
      request.headers.first?.value == """
        application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
        application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json
        """)
    #expect(!request.allowsPlainHTTP)
  }

  @Test func `Docker's registry is asked at its own host, without a tag for latest`() async throws {
    let network = FakeNetwork([:])
    let error = await registryError {
      _ = try await client(network).resolve(reference("nginx"), credentials: anonymous, deadline: soon)
    }
    #expect(error?.code == .imageNotFound)
    #expect(network.lines == ["HEAD https://registry-1.docker.io/v2/library/nginx/manifests/latest"])
  }

  @Test(arguments: [
    nil, "", "sha256:../..", "sha256:" + String(repeating: "A", count: 64), "sha256:abcd", "md5:0123", "x",
    "sha256:" + String(repeating: "a", count: 64) + " ",
  ])
  func `without a digest that can be used, the manifest is got and hashed`(header: String?) async throws {
    let head = HTTPResponse(status: 200, headers: header.map { [("Docker-Content-Digest", $0)] } ?? [])
    let network = FakeNetwork([
      "HEAD https://ghcr.io/v2/a/manifests/1": [head], "GET https://ghcr.io/v2/a/manifests/1": [.manifest(imageBytes)],
    ])
    #expect(
      try await client(network).resolve(reference("ghcr.io/a:1"), credentials: anonymous, deadline: soon) == imageDigest
    )
  }

  @Test(arguments: [405, 501]) func `a registry without HEAD is asked by GET`(status: Int) async throws {
    let network = FakeNetwork([
      "HEAD https://ghcr.io/v2/a/manifests/1": [HTTPResponse(status: status)],
      "GET https://ghcr.io/v2/a/manifests/1": [.manifest(imageBytes)],
    ])
    #expect(
      try await client(network).resolve(reference("ghcr.io/a:1"), credentials: anonymous, deadline: soon) == imageDigest
    )
  }

  @Test func `a digest is asked for by digest, and no header changes it`() async throws {
    let network = FakeNetwork([
      "HEAD https://ghcr.io/v2/a/manifests/\(imageDigest)": [
        HTTPResponse(status: 200, headers: [("Docker-Content-Digest", Digest(hashing: [1]).description)])
      ]
    ])
    let image = try reference("ghcr.io/a:moved@\(imageDigest)")
    #expect(try await client(network).resolve(image, credentials: anonymous, deadline: soon) == imageDigest)
    #expect(network.requests.count == 1)
  }

  @Test func `a digest that is not there is not found`() async throws {
    let network = FakeNetwork([:])
    let error = await registryError {
      _ = try await client(network)
        .resolve(reference("ghcr.io/a@\(imageDigest)"), credentials: anonymous, deadline: soon)
    }
    #expect(error?.code == .imageNotFound)
    #expect(error?.description == "ghcr.io/a: asking for manifest \(imageDigest): ghcr.io answered 404")
  }

  @Test func `a tag that moves between two look-ups is asked for each time`() async throws {
    let second = Digest(hashing: [2])
    let network = FakeNetwork([
      "HEAD https://ghcr.io/v2/a/manifests/1": [imageDigest, second].map {
        HTTPResponse(status: 200, headers: [("Docker-Content-Digest", $0.description)])
      }
    ])
    let client = client(network)
    let image = try reference("ghcr.io/a:1")
    #expect(try await client.resolve(image, credentials: anonymous, deadline: soon) == imageDigest)
    #expect(try await client.resolve(image, credentials: anonymous, deadline: soon) == second)
  }

  @Test(arguments: [
    ("127.0.0.1:5000/a:1", "http://127.0.0.1:5000/"), ("127.0.0.1:5001/a:1", "https://127.0.0.1:5001/"),
    ("registry.test/a:1", "http://registry.test/"), ("registry.test:443/a:1", "https://registry.test/"),
    ("registry.test.evil.example/a:1", "https://registry.test.evil.example/"), ("localhost/a:1", "https://localhost/"),
    ("localhost:5000/a:1", "https://localhost:5000/"), ("[::1]:5000/a:1", "https://[::1]:5000/"),
  ])
  func `plain HTTP is for exactly the hosts that the operator named`(image: String, base: String) async throws {
    let network = FakeNetwork([:])
    _ = await registryError {
      _ = try await client(network, insecure: ["127.0.0.1:5000", "registry.test"])
        .resolve(reference(image), credentials: anonymous, deadline: soon)
    }
    let request = try #require(network.requests.first)
    #expect(request.url == base + "v2/a/manifests/1")
    #expect(request.allowsPlainHTTP == base.hasPrefix("http://"))
  }
}

@Suite struct RegistryManifestTests {
  private func manifest(_ network: FakeNetwork, _ address: ManifestAddress) async throws -> FetchedManifest? {
    try await client(network).manifest(reference("ghcr.io/a"), at: address, credentials: anonymous, deadline: soon)
  }

  @Test func `a manifest by digest is hashed, by either algorithm`() async throws {
    for algorithm in [HashAlgorithm.sha256, .sha512] {
      let digest = Digest(hashing: imageBytes, algorithm: algorithm)
      let network = FakeNetwork([
        "GET https://ghcr.io/v2/a/manifests/\(digest)": [
          .manifest(imageBytes, type: "Application/vnd.oci.image.manifest.v1+json ; charset=utf-8")
        ]
      ])
      let manifest = try #require(try await manifest(network, .digest(digest)))
      #expect(manifest.digest == digest)
      #expect(manifest.bytes == imageBytes)
      #expect(manifest.mediaType == ManifestMediaType.image)
    }
  }

  @Test func `other bytes than the digest's are a mismatch, whatever the header says`() async throws {
    var response = HTTPResponse.manifest(imageBytes + [0x20])
    response.headers.append(("Docker-Content-Digest", imageDigest.description))
    let network = FakeNetwork(["GET https://ghcr.io/v2/a/manifests/\(imageDigest)": [response]])
    let error = await registryError { _ = try await manifest(network, .digest(imageDigest)) }
    #expect(error?.code == .digestMismatch)
    #expect(error?.description.contains(Digest(hashing: imageBytes + [0x20]).description) == true)
  }

  @Test func `a manifest by tag has the digest of the bytes that came`() async throws {
    var response = HTTPResponse.manifest(imageBytes)
    response.headers.append(("Docker-Content-Digest", Digest(hashing: [1]).description))
    let network = FakeNetwork(["GET https://ghcr.io/v2/a/manifests/x": [response]])
    #expect(try await manifest(network, .tag("x"))?.digest == imageDigest)
    #expect(network.requests.count == 1)
  }

  @Test func `no manifest is no error`() async throws {
    #expect(try await manifest(FakeNetwork([:]), .tag("x")) == nil)
  }

  struct Status: Sendable, CustomTestStringConvertible {
    let status: Int
    let code: RefusalCode
    var testDescription: String { "\(status)" }
  }

  @Test(arguments: [
    Status(status: 401, code: .registryUnauthorized), Status(status: 403, code: .registryUnauthorized),
    Status(status: 408, code: .registryUnavailable), Status(status: 429, code: .registryUnavailable),
    Status(status: 500, code: .registryUnavailable), Status(status: 503, code: .registryUnavailable),
    Status(status: 400, code: .registryMisbehaved), Status(status: 418, code: .registryMisbehaved),
    Status(status: 204, code: .registryMisbehaved), Status(status: 206, code: .registryMisbehaved),
    Status(status: 304, code: .registryMisbehaved), Status(status: 302, code: .registryMisbehaved),
  ])
  func `a status says what kind of failure it is`(status: Status) async throws {
    let network = FakeNetwork(["GET https://ghcr.io/v2/a/manifests/x": [HTTPResponse(status: status.status)]])
    let error = await registryError { _ = try await manifest(network, .tag("x")) }
    #expect(error?.code == status.code)
    #expect(error?.description.contains("ghcr.io answered \(status.status)") == true)
  }

  @Test(arguments: [
    (HTTPClientError.Code.cannotResolve, RefusalCode.registryUnavailable), (.cannotConnect, .registryUnavailable),
    (.tlsFailed, .registryUnavailable), (.connectionLost, .registryUnavailable), (.timedOut, .registryUnavailable),
    (.cancelled, .deadlineExceeded), (.bodyTooLarge, .registryMisbehaved), (.headersTooLarge, .registryMisbehaved),
    (.protocolError, .registryMisbehaved),
  ])
  func `a failed exchange says why`(code: HTTPClientError.Code, refusal: RefusalCode) async throws {
    let network = FakeNetwork { _ throws(HTTPClientError) in
      throw HTTPClientError(code: code, description: "ghcr.io: the reason")
    }
    let error = await registryError { _ = try await manifest(network, .tag("x")) }
    #expect(error?.code == refusal)
    #expect(error?.description == "ghcr.io/a: asking for tag x: ghcr.io: the reason")
  }

  @Test func `time that ran out is told from a registry that is slow`() async throws {
    let network = FakeNetwork { _ throws(HTTPClientError) in
      throw HTTPClientError(code: .timedOut, description: "ghcr.io: timed out")
    }
    let error = await registryError {
      _ = try await client(network)
        .manifest(reference("ghcr.io/a"), at: .tag("x"), credentials: anonymous, deadline: .now)
    }
    #expect(error?.code == .deadlineExceeded)
  }

  @Test func `a registry's words are shown printable and short`() async throws {
    let message = "\\u001b[31mred\\nline\\u202e" + String(repeating: "x", count: 5000)
    let network = FakeNetwork([
      "GET https://ghcr.io/v2/a/manifests/x": [
        .text(400, #"{"errors":[{"code":"TAG_INVALID","message":"\#(message)","detail":{}}]}"#)
      ]
    ])
    let text = try #require(await registryError { _ = try await manifest(network, .tag("x")) }).description
    #expect(text.contains(#"(TAG_INVALID: \u{1b}[31mred\u{a}line\u{202e}xxx"#))
    #expect(text.count < 400)
  }

  @Test(arguments: [
    "", "<html>", "{}", "[]", #"{"errors":[]}"#, #"{"errors":[{"code":1,"message":[]}]}"#, #"{"errors":"x"}"#,
  ])
  func `words in another form are left out`(body: String) async throws {
    let network = FakeNetwork(["GET https://ghcr.io/v2/a/manifests/x": [.text(500, body)]])
    let error = await registryError { _ = try await manifest(network, .tag("x")) }
    #expect(error?.description == "ghcr.io/a: asking for tag x: ghcr.io answered 500")
  }

  @Test func `a short pause that the registry asks for is made once`() async throws {
    let busy = HTTPResponse(status: 429, headers: [("Retry-After", "1")])
    let network = FakeNetwork(["GET https://ghcr.io/v2/a/manifests/x": [busy, .manifest(imageBytes)]])
    #expect(try await manifest(network, .tag("x")) != nil)
    let stubborn = FakeNetwork(["GET https://ghcr.io/v2/a/manifests/x": [busy]])
    let error = await registryError { _ = try await manifest(stubborn, .tag("x")) }
    #expect(error?.code == .registryUnavailable)
    #expect(error?.description.hasSuffix("to be asked again after 1") == true)
    #expect(stubborn.requests.count == 2)
  }

  @Test(arguments: ["3600", "-1", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "9223372036854775808"])
  func `a longer pause is not made`(pause: String) async throws {
    let network = FakeNetwork([
      "GET https://ghcr.io/v2/a/manifests/x": [HTTPResponse(status: 429, headers: [("Retry-After", pause)])]
    ])
    #expect(await registryError { _ = try await manifest(network, .tag("x")) }?.code == .registryUnavailable)
    #expect(network.requests.count == 1)
  }

  @Test func `a bound on a manifest is handed on, and kept for errors`() async throws {
    let network = FakeNetwork([
      "GET https://ghcr.io/v2/a/manifests/x": [.manifest(Array(repeating: 0x20, count: 101))]
    ])
    let error = await registryError {
      _ = try await client(network) {
        $0.manifestBytes = 100
        $0.errorBytes = 200
      }.manifest(reference("ghcr.io/a"), at: .tag("x"), credentials: anonymous, deadline: soon)
    }
    #expect(error?.code == .registryMisbehaved)
    #expect(network.requests.map(\.maximumResponseBytes) == [200])
  }
}

@Suite struct RegistryBlobTests {
  private let content = Array("payload".utf8)

  private func blob(_ network: FakeNetwork, size: Int64? = nil, maximum: Int = 1000) async throws -> [UInt8] {
    let descriptor = Descriptor(
      mediaType: "x/y", digest: Digest(hashing: content), size: size ?? Int64(content.count))
    return try await client(network)
      .blob(
        reference("ghcr.io/a"), descriptor: descriptor, maximumBytes: maximum, credentials: anonymous, deadline: soon)
  }

  private var line: String { "GET https://ghcr.io/v2/a/blobs/\(Digest(hashing: content))" }

  @Test func `a blob is hashed and compared`() async throws {
    #expect(try await blob(FakeNetwork([line: [HTTPResponse(status: 200, body: content)]])) == content)
  }

  @Test(arguments: ["other.b", "", "payloa", "payload!"])
  func `other content is a mismatch`(other: String) async throws {
    let network = FakeNetwork([line: [.text(200, other)]])
    #expect(await registryError { _ = try await blob(network) }?.code == .digestMismatch)
  }

  @Test(arguments: [-1, 1001, 5 << 30, Int64.max]) func `a size out of bounds asks nobody`(size: Int64) async throws {
    let network = FakeNetwork([line: [HTTPResponse(status: 200, body: content)]])
    let error = await registryError { _ = try await blob(network, size: size) }
    #expect(error?.code == .registryMisbehaved)
    #expect(network.requests.isEmpty)
  }

  @Test func `the size of a descriptor must be the blob's`() async throws {
    let network = FakeNetwork([line: [HTTPResponse(status: 200, body: content)]])
    let error = await registryError { _ = try await blob(network, size: 6) }
    #expect(error?.code == .digestMismatch)
    #expect(error?.description.contains("sent 7 bytes, its descriptor says 6") == true)
  }

  @Test func `the client's own bound holds for every caller`() async throws {
    let network = FakeNetwork([line: [HTTPResponse(status: 200, body: content)]])
    let descriptor = Descriptor(mediaType: "x/y", digest: Digest(hashing: content), size: 7)
    let error = await registryError {
      _ = try await client(network) { $0.blobBytes = 6 }
        .blob(
          reference("ghcr.io/a"), descriptor: descriptor, maximumBytes: 1000, credentials: anonymous, deadline: soon)
    }
    #expect(error?.code == .registryMisbehaved)
  }

  @Test func `a blob that is not there is the registry's fault`() async throws {
    #expect(await registryError { _ = try await blob(FakeNetwork([:])) }?.code == .registryMisbehaved)
  }
}
