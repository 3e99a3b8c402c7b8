import Crypto
import HTTPClient
import Primitives
import Testing

@testable import OCI

@Suite struct RegistryRedirectTests {
  private let content = Array("payload".utf8)
  private var digest: Digest { Digest(hashing: content) }
  private var found: HTTPResponse { HTTPResponse(status: 200, body: content) }

  private func blob(
    _ network: FakeNetwork, at image: String = "ghcr.io/a", insecure: Set<String> = [],
    credentials: any CredentialsProviding = anonymous
  ) async throws -> [UInt8] {
    try await client(network, insecure: insecure)
      .blob(
        reference(image), descriptor: Descriptor(mediaType: "x/y", digest: digest, size: 7), maximumBytes: 100,
        credentials: credentials, deadline: soon)
  }

  private var line: String { "GET https://ghcr.io/v2/a/blobs/\(digest)" }

  @Test(arguments: [301, 302, 303, 307, 308]) func `a redirect is followed`(status: Int) async throws {
    let network = FakeNetwork([
      line: [.redirect("https://cdn.example/x?sig=1", status: status)], "GET https://cdn.example/x?sig=1": [found],
    ])
    #expect(try await blob(network) == content)
    #expect(network.requests.map(\.refusesLocalAddresses) == [false, true])
  }

  @Test func `manifests are redirected as well`() async throws {
    let network = FakeNetwork([
      "HEAD https://ghcr.io/v2/a/manifests/1": [.redirect("https://mirror.example/v2/a/manifests/1")],
      "HEAD https://mirror.example/v2/a/manifests/1": [
        HTTPResponse(status: 200, headers: [("Docker-Content-Digest", imageDigest.description)])
      ],
    ])
    #expect(
      try await client(network).resolve(reference("ghcr.io/a:1"), credentials: anonymous, deadline: soon) == imageDigest
    )
  }

  @Test func `five redirects are followed, the sixth is refused`() async throws {
    for count in [5, 6] {
      var script = [line: [HTTPResponse.redirect("https://h1.example/")]]
      for hop in 1..<count { script["GET https://h\(hop).example/"] = [.redirect("https://h\(hop + 1).example/")] }
      script["GET https://h\(count).example/"] = [found]
      let network = FakeNetwork(script)
      let error = await registryError { _ = try await blob(network) }
      #expect(error?.code == (count == 5 ? nil : .registryMisbehaved))
      #expect(network.requests.count == 6)
    }
  }

  @Test(arguments: ["https://ghcr.io/v2/a/blobs/DIGEST", "/v2/a/blobs/DIGEST", "", "https://h.example/"])
  func `a circle is refused`(location: String) async throws {
    let network = FakeNetwork([
      line: [.redirect(location.replacing("DIGEST", with: digest.description))],
      "GET https://h.example/": [.redirect("https://h.example/")],
    ])
    let error = await registryError { _ = try await blob(network) }
    #expect(error?.code == .registryMisbehaved)
    #expect(error?.description.contains("in a circle") == true)
    #expect(network.requests.count <= 2)
  }

  @Test(arguments: [
    "http://ghcr.io/x", "http://cdn.example/x", "https://127.0.0.1/x", "https://127.1/x", "https://localhost:8443/x",
    "https://[::1]/x", "https://0.0.0.0/", "https://169.254.169.254/latest/meta-data/", "https://[fe80::1]/",
    "https://[::ffff:169.254.169.254]/", "https://metadata.google.internal/", "https://100.100.100.200/",
    "https://user:pass@cdn.example/", "https://cdn.example/#x", "file:///etc/passwd", "gopher://cdn.example/",
    "https://",
    "https://cdn.example/\r\nX: y", "https://0x7f000001/",
  ])
  func
    `go-containerregistry #2193, #2440, #6092, PRs 2243, 2292, 2349: a redirect to where nothing should be asked is refused`(
      location: String
    ) async throws
  {
    let network = FakeNetwork { (request) throws(HTTPClientError) in .redirect(location) }
    let error = await registryError { _ = try await blob(network) }
    #expect(error?.code == .registryMisbehaved)
    #expect(error?.description.contains("redirects") == true)
    #expect(network.requests.count == 1)
  }

  @Test func `a registry on loopback may redirect to loopback, and to nowhere else that is local`() async throws {
    let path = "/v2/a/blobs/\(digest)"
    let network = FakeNetwork([
      "GET http://127.0.0.1:5000\(path)": [.redirect("http://127.0.0.1:6000/x")],
      "GET http://127.0.0.1:6000/x": [found],
      "GET http://127.0.0.1:5001\(path)": [.redirect("https://169.254.169.254/")],
    ])
    let insecure: Set<String> = ["127.0.0.1:5000", "127.0.0.1:5001"]
    #expect(try await blob(network, at: "127.0.0.1:5000/a", insecure: insecure) == content)
    let error = await registryError { _ = try await blob(network, at: "127.0.0.1:5001/a", insecure: insecure) }
    #expect(error?.code == .registryMisbehaved)
  }

  @Test func `an insecure registry sends nobody to another host over plain HTTP, but for those named`() async throws {
    let path = "/v2/a/blobs/\(digest)"
    let network = FakeNetwork([
      "GET http://reg.test\(path)": [.redirect("http://other.test/x")], "GET http://other.test/x": [found],
    ])
    let error = await registryError { _ = try await blob(network, at: "reg.test/a", insecure: ["reg.test"]) }
    #expect(error?.code == .registryMisbehaved)
    #expect(try await blob(network, at: "reg.test/a", insecure: ["reg.test", "other.test"]) == content)
  }

  @Test func `no address after an insecure one leads back from HTTPS to plain HTTP`() async throws {
    let network = FakeNetwork([
      "GET http://reg.test/v2/a/blobs/\(digest)": [.redirect("https://cdn.example/")],
      "GET https://cdn.example/": [.redirect("http://reg.test/x")],
    ])
    let error = await registryError { _ = try await blob(network, at: "reg.test/a", insecure: ["reg.test"]) }
    #expect(error?.description.contains("from HTTPS to plain HTTP") == true)
  }

  @Test(arguments: [
    ("https://ghcr.io/other", true), ("/other", true), ("https://GHCR.io:443/other", true),
    ("https://cdn.example/other", false), ("https://ghcr.io:8443/other", false),
    ("https://ghcr.io.evil.example/o", false),
    ("https://ghcr.io./other", false),
  ])
  func `CVE-2026-50151, GHSA-vh4v-2xq2-g5cg, CVE-2025-27403: credentials stay with the registry`(
    location: String, isShown: Bool
  ) async throws {
    let challenge = HTTPResponse.challenge("Basic realm=\"x\"")
    let digest = digest
    let found = found
    let network = FakeNetwork { (request) throws(HTTPClientError) in
      guard request.url == "https://ghcr.io/v2/a/blobs/\(digest)" else { return found }
      return request.authorization == nil ? challenge : .redirect(location)
    }
    let credentials = try FakeCredentials(auths: #"{"ghcr.io":{"username":"u","password":"p"}}"#)
    #expect(try await blob(network, credentials: credentials) == content)
    #expect((network.requests.last?.authorization != nil) == isShown)
  }

  @Test func `a way back to the registry does not bring the credentials back`() async throws {
    let digest = digest
    let found = found
    let network = FakeNetwork { (request) throws(HTTPClientError) in
      switch request.url {
      case "https://ghcr.io/v2/a/blobs/\(digest)":
        request.authorization == nil ? .challenge("Basic realm=x") : .redirect("https://cdn.example/")
      case "https://cdn.example/": .redirect("https://ghcr.io/v2/secret")
      default: found
      }
    }
    let credentials = try FakeCredentials(auths: #"{"ghcr.io":{"username":"u","password":"p"}}"#)
    _ = try await blob(network, credentials: credentials)
    #expect(network.requests.last?.url == "https://ghcr.io/v2/secret")
    #expect(network.requests.last?.authorization == nil)
  }

  @Test(arguments: [401, 403]) func `a challenge of another host is not met`(status: Int) async throws {
    let network = FakeNetwork([
      line: [.redirect("https://cdn.example/x")],
      "GET https://cdn.example/x": [
        HTTPResponse(status: status, headers: [("WWW-Authenticate", #"Bearer realm="https://cdn.example/token""#)])
      ],
    ])
    let credentials = try FakeCredentials(auths: #"{"ghcr.io":{"username":"u","password":"p"}}"#)
    let error = await registryError { _ = try await blob(network, credentials: credentials) }
    #expect(error?.code == .registryMisbehaved)
    #expect(credentials.timesAsked == 0)
    #expect(network.requests.count == 2)
  }

  @Test func `what stands behind a question mark is in no message`() async throws {
    let network = FakeNetwork([
      line: [.redirect("https://cdn.example/x?sig=secret")], "GET https://cdn.example/x?sig=secret": [.text(500, "")],
    ])
    let error = await registryError { _ = try await blob(network) }
    #expect(error?.code == .registryUnavailable)
    #expect(error?.description.contains("cdn.example") == true)
    #expect(error?.description.contains("secret") == false)
  }
}
