import Crypto
import HTTPClient
import Primitives
import Testing

@testable import OCI

/// A registry that wants a token for everything, and its token server.
private func tokenRegistry(
  realm: String = "https://auth.example/token", token: String = #"{"token":"abc","expires_in":300}"#,
  accepts: String = "Bearer abc"
) -> FakeNetwork {
  FakeNetwork { (request) throws(HTTPClientError) in
    if request.url.hasPrefix(realm) { return .text(200, token) }
    guard request.authorization == accepts else {
      return .challenge(#"Bearer realm="\#(realm)",service="reg.example",scope="repository:a/b:pull,push""#)
    }
    return .manifest(imageBytes)
  }
}

private func fetch(
  _ client: RegistryClient, _ credentials: any CredentialsProviding = anonymous, image: String = "ghcr.io/a/b"
) async throws {
  _ = try await client.manifest(reference(image), at: .tag("x"), credentials: credentials, deadline: soon)
}

private func basic(_ scope: String = "ns") throws -> FakeCredentials {
  try FakeCredentials(scope: scope, auths: #"{"ghcr.io":{"username":"user","password":"pass:word"}}"#)
}

private let basicHeader = "Basic " + Base64.encode(Array("user:pass:word".utf8))

@Suite struct RegistryTokenTests {
  @Test func `credentials are not asked for before a challenge`() async throws {
    let credentials = try basic()
    let network = FakeNetwork(["GET https://ghcr.io/v2/a/b/manifests/x": [.manifest(imageBytes)]])
    try await fetch(client(network), credentials)
    #expect(credentials.timesAsked == 0)
    #expect(network.requests.first?.authorization == nil)
  }

  @Test func `without credentials an anonymous token is got, for pulling only`() async throws {
    let network = tokenRegistry()
    try await fetch(client(network))
    #expect(
      network.lines == [
        "GET https://ghcr.io/v2/a/b/manifests/x",
        "GET https://auth.example/token?service=reg.example&scope=repository%3Aa%2Fb%3Apull",
        "GET https://ghcr.io/v2/a/b/manifests/x",
      ])
    #expect(network.requests.map(\.authorization) == [nil, nil, "Bearer abc"])
  }

  @Test func `a realm with a query keeps it`() async throws {
    let network = tokenRegistry(realm: "https://auth.example/token?account=x")
    try await fetch(client(network))
    #expect(network.lines[1].hasPrefix("GET https://auth.example/token?account=x&service=reg.example&scope="))
  }

  @Test func `a user name and password go to the token server alone`() async throws {
    let network = tokenRegistry()
    try await fetch(client(network), basic())
    #expect(network.requests.map(\.authorization) == [nil, basicHeader, "Bearer abc"])
  }

  @Test func `a token had for credentials that have changed is not shown again`() async throws {
    let network = tokenRegistry()
    let credentials = try basic()
    let client = client(network)
    func fetches(_ version: String?) async throws -> [String?] {
      credentials.changed.withLock { $0 = version }
      let before = network.requests.count
      try await fetch(client, credentials)
      return network.requests[before...].map(\.authorization)
    }
    #expect(try await fetches("1") == [nil, basicHeader, "Bearer abc"])
    #expect(try await fetches("1") == ["Bearer abc"])
    #expect(try await fetches("2") == [nil, basicHeader, "Bearer abc"])
    #expect(try await fetches("2") == ["Bearer abc"])
    #expect(try await fetches(nil) == ["Bearer abc"], "nobody can say that they changed")
    #expect(try await fetches("1") == [nil, basicHeader, "Bearer abc"])
    #expect(credentials.timesAsked == 3)
  }

  @Test func `an identity token is exchanged by POST`() async throws {
    let network = tokenRegistry(token: #"{"access_token":"abc"}"#)
    let credentials = try FakeCredentials(
      auths: #"{"ghcr.io":{"auth":"\#(Base64.encode(Array("00000000:".utf8)))","identitytoken":"id +&token"}}"#)
    try await fetch(client(network), credentials)
    let request = network.requests[1]
    #expect(request.line == "POST https://auth.example/token")
    #expect(request.headers.contains { $0.name == "Content-Type" && $0.value == "application/x-www-form-urlencoded" })
    #expect(request.authorization == nil)
    #expect(
      String(decoding: request.body, as: UTF8.self)
        == "service=reg.example&scope=repository%3Aa%2Fb%3Apull&grant_type=refresh_token&client_id=pinseal&refresh_token=id%20%2B%26token"
    )
  }

  @Test func `a registry token is shown as it is, after the challenge`() async throws {
    let network = tokenRegistry(accepts: "Bearer direct")
    try await fetch(client(network), FakeCredentials(auths: #"{"ghcr.io":{"registrytoken":"direct"}}"#))
    #expect(network.requests.map(\.authorization) == [nil, "Bearer direct"])
  }

  @Test func `the first source with a match wins`() async throws {
    func source(_ name: String, _ host: String, _ user: String) throws -> RegistryCredentials {
      try RegistryCredentials(
        dockerConfigJSON: Array(#"{"auths":{"\#(host)":{"username":"\#(user)","password":"p"}}}"#.utf8), source: name)
    }
    let network = tokenRegistry()
    let credentials = FakeCredentials([
      try source("one", "other.example", "a"), try source("two", "ghcr.io", "b"), try source("three", "ghcr.io", "c"),
    ])
    try await fetch(client(network), credentials)
    #expect(network.requests[1].authorization == "Basic " + Base64.encode(Array("b:p".utf8)))
  }

  @Test func `a token is reused for its repository`() async throws {
    let network = tokenRegistry()
    let client = client(network)
    let credentials = try basic()
    for _ in 0..<3 { try await fetch(client, credentials) }
    #expect(network.requests.count == 5)
    #expect(credentials.timesAsked == 1)
  }

  @Test func `another scope, repository or registry gets its own token`() async throws {
    let network = tokenRegistry()
    let client = client(network)
    try await fetch(client, try basic("ns-1"))
    let stranger = FakeCredentials(scope: "ns-2")
    try await fetch(client, stranger)
    #expect(stranger.timesAsked == 1)
    #expect(network.requests.suffix(3).map(\.authorization) == [nil, nil, "Bearer abc"])
    for image in ["ghcr.io/a/c", "quay.io/a/b"] {
      try await fetch(client, try basic("ns-1"), image: image)
      #expect(network.requests[network.requests.count - 3].authorization == nil)
    }
  }

  @Test(arguments: [
    #"{"token":"abc","expires_in":0}"#, #"{"token":"abc","expires_in":1}"#, #"{"token":"abc","expires_in":-5}"#,
  ])
  func `a token about to expire is not kept`(token: String) async throws {
    let network = tokenRegistry(token: token)
    let client = client(network)
    for _ in 0..<2 { try await fetch(client) }
    #expect(network.requests.count == 6)
  }

  @Test(arguments: [("12:00:00", 4), ("11:59:00", 4), ("11:55:01", 6), ("11:00:00", 6), ("13:00:00", 4)])
  func `how old a token is, the token server's own clock says`(issued: String, requests: Int) async throws {
    let answer = HTTPResponse.text(
      200, #"{"token":"abc","expires_in":300,"issued_at":"2026-07-01T\#(issued).123456Z"}"#,
      [("Date", "Wed, 01 Jul 2026 12:00:00 GMT")])
    let network = FakeNetwork { (request) throws(HTTPClientError) in
      if request.url.hasPrefix("https://auth.example") { return answer }
      return request.authorization == nil ? .challenge(#"Bearer realm="https://auth.example/""#) : .manifest(imageBytes)
    }
    let client = client(network)
    for _ in 0..<2 { try await fetch(client) }
    #expect(network.requests.count == requests)
  }

  @Test func `a token that is refused is dropped, and one tried anew`() async throws {
    let current = Locked("first")
    let network = FakeNetwork { (request) throws(HTTPClientError) in
      let token = current.withLock { $0 }
      if request.url.hasPrefix("https://auth.example") { return .text(200, #"{"token":"\#(token)","expires_in":300}"#) }
      return request.authorization == "Bearer \(token)"
        ? .manifest(imageBytes) : .challenge(#"Bearer realm="https://auth.example/""#)
    }
    let client = client(network)
    try await fetch(client)
    current.withLock { $0 = "second" }
    try await fetch(client)
    #expect(network.requests.suffix(3).map(\.authorization) == ["Bearer first", nil, "Bearer second"])
    try await fetch(client)
    #expect(network.requests.count == 7)
  }

  @Test func `a token that is refused at once is not tried for ever`() async throws {
    let network = tokenRegistry(accepts: "Bearer never")
    let client = client(network)
    let error = await registryError { try await fetch(client, basic()) }
    #expect(error?.code == .registryUnauthorized)
    #expect(network.requests.count == 3)
    #expect(
      error?.description
        == "ghcr.io/a/b: asking for tag x: ghcr.io answered 401 (UNAUTHORIZED: authentication required); "
        + "asked with the credentials of Secret ns/pull")
    _ = await registryError { try await fetch(client, basic()) }
    #expect(network.requests[3].authorization == nil)
  }

  @Test(arguments: [
    "", "{", "[]", "{}", #"{"token":1}"#, #"{"token":null}"#, #"{"token":""}"#, #"{"token":"a b"}"#,
    #"{"token":"a\r\nX-Injected: b"}"#, #"{"token":"a\u0000"}"#, #"{"token":"é"}"#, #"{"token":"a","token":"b"}"#,
    #"{"token":"a","access_token":"b","token":"c"}"#,
  ])
  func `an answer that is no token is refused`(body: String) async throws {
    let network = tokenRegistry(token: body)
    let error = await registryError { try await fetch(client(network)) }
    #expect(error?.code == .registryMisbehaved || error?.code == .registryUnauthorized)
    #expect(network.requests.count == 2)
  }

  @Test func `a token too long for a header is refused`() async throws {
    let network = tokenRegistry(token: #"{"token":"\#(String(repeating: "a", count: 60_000))"}"#)
    #expect(await registryError { try await fetch(client(network)) } != nil)
    #expect(network.requests.count == 2)
  }

  @Test(arguments: [
    (400, RefusalCode.registryUnauthorized), (401, .registryUnauthorized), (403, .registryUnauthorized),
    (429, .registryUnavailable), (500, .registryUnavailable), (307, .registryMisbehaved), (404, .registryMisbehaved),
    (204, .registryMisbehaved),
  ])
  func `a token server that gives none says why`(status: Int, code: RefusalCode) async throws {
    let network = FakeNetwork { (request) throws(HTTPClientError) in
      guard request.url.hasPrefix("https://auth.example") else {
        return .challenge(#"Bearer realm="https://auth.example/t""#)
      }
      return .text(status, #"{"details":"incorrect username pass:word"}"#, [("Location", "https://evil.example/")])
    }
    let error = try #require(await registryError { try await fetch(client(network), basic()) })
    #expect(error.code == code)
    #expect(error.description.contains("token server auth.example"))
    #expect(!error.description.contains("pass:word"))
    #expect(network.requests.count == 2)
  }

  @Test func `a registry that repeats a credential is not quoted`() async throws {
    let network = FakeNetwork { (request) throws(HTTPClientError) in
      guard let shown = request.authorization else { return .challenge("Basic realm=x") }
      return .text(403, #"{"errors":[{"code":"DENIED","message":"you sent \#(shown)"}]}"#)
    }
    let error = try #require(await registryError { try await fetch(client(network), basic()) })
    #expect(error.code == .registryUnauthorized)
    #expect(!error.description.contains(basicHeader.dropFirst(6)))
    #expect(error.description.contains("they repeat a credential"))
  }
}

@Suite struct RegistryBasicTests {
  private func registry(_ challenge: String = #"Basic realm="Registry""#) -> FakeNetwork {
    FakeNetwork { (request) throws(HTTPClientError) in
      request.authorization == basicHeader ? .manifest(imageBytes) : .challenge(challenge)
    }
  }

  @Test func `a password is shown once asked for, and then without being asked`() async throws {
    let network = registry()
    let client = client(network)
    let credentials = try basic()
    for _ in 0..<2 { try await fetch(client, credentials) }
    #expect(network.requests.map(\.authorization) == [nil, basicHeader, basicHeader])
    #expect(credentials.timesAsked == 1)
  }

  @Test func `another scope is not shown it`() async throws {
    let network = registry()
    let client = client(network)
    try await fetch(client, basic("ns-1"))
    let error = await registryError { try await fetch(client, FakeCredentials(scope: "ns-2")) }
    #expect(error?.code == .registryUnauthorized)
    #expect(network.requests.last?.authorization == nil)
  }

  @Test func `a refusal says what was tried and what could not be used`() async throws {
    let others = try RegistryCredentials(
      dockerConfigJSON: Array(#"{"auths":{"quay.io":{"username":"u","password":"p"}}}"#.utf8), source: "Secret ns/quay")
    let credentials = FakeCredentials(notes: ["Secret ns/gone does not exist"], [others])
    let error = await registryError { try await fetch(client(registry()), credentials) }
    #expect(error?.code == .registryUnauthorized)
    #expect(
      error?.description.hasSuffix(
        "ghcr.io wants a user name and a password; asked anonymously, since there are no credentials for ghcr.io in "
          + "Secret ns/quay; not usable: Secret ns/gone does not exist") == true)
  }

  @Test func `an identity token does not answer a challenge for a password`() async throws {
    let credentials = try FakeCredentials(auths: #"{"ghcr.io":{"identitytoken":"t"}}"#)
    let network = registry()
    let error = await registryError { try await fetch(client(network), credentials) }
    #expect(error?.code == .registryUnauthorized)
    #expect(network.requests.count == 1)
  }

  @Test(arguments: ["", "Negotiate", "Digest realm=\"x\"", "Basic realm=\"unclosed", "Bearer"])
  func `a challenge that cannot be met is a refusal`(challenge: String) async throws {
    let network = registry(challenge)
    let error = await registryError { try await fetch(client(network), basic()) }
    #expect(error?.code == .registryUnauthorized || error?.code == .registryMisbehaved)
    #expect(network.requests.allSatisfy { $0.authorization == nil })
  }
}

@Suite struct RegistryRealmTests {
  @Test(arguments: [
    "http://auth.example/token", "http://ghcr.io/token", "https://127.0.0.1/token", "https://localhost/token",
    "https://169.254.169.254/latest", "https://[::ffff:a9fe:a9fe]/", "https://metadata.google.internal/",
    "https://user:pass@auth.example/", "https://auth.example/#x", "file:///etc/passwd", "ldap://auth.example/", "token",
    "",
    "https://2130706433/", "https://auth.example/ x",
  ])
  func `CVE-2026-33990, CVE-2026-48978: a token server that may not be asked is told nothing`(realm: String)
    async throws
  {
    let network = FakeNetwork { (request) throws(HTTPClientError) in
      .challenge(#"Bearer realm="\#(realm)",service="s""#)
    }
    let error = await registryError { try await fetch(client(network), basic()) }
    #expect(error?.code == .registryMisbehaved)
    #expect(error?.description.contains("token server") == true)
    #expect(network.requests.count == 1)
  }

  @Test(arguments: [
    ("http://127.0.0.1:5000/token", true), ("http://127.0.0.1:5001/token", true), ("https://auth.example/token", true),
    ("http://named.example:80/token", true), ("http://named.example/token", true), ("http://auth.example/token", false),
    ("http://localhost:5000/token", false),
  ])
  func `CVE-2019-10214: plain HTTP is for an insecure registry's own host and those named`(realm: String, isAsked: Bool)
    async throws
  {
    let network = FakeNetwork { (request) throws(HTTPClientError) in
      guard request.url.contains("/v2/") else { return .text(200, #"{"token":"abc"}"#) }
      return request.authorization == nil ? .challenge(#"Bearer realm="\#(realm)""#) : .manifest(imageBytes)
    }
    let client = client(network, insecure: ["127.0.0.1:5000", "named.example"])
    let error = await registryError { try await fetch(client, image: "127.0.0.1:5000/a/b") }
    #expect((error == nil) == isAsked)
    #expect(network.requests.count == (isAsked ? 3 : 1))
  }

  @Test func `a token server on another host may not turn out to be local`() async throws {
    let network = tokenRegistry()
    try await fetch(client(network))
    #expect(network.requests.map(\.refusesLocalAddresses) == [false, true, false])
  }
}

@Suite struct RegistryChallengeTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let header: [String]
    let challenges: [RegistryChallenge]
    var testDescription: String { header.joined(separator: " | ").debugDescription }
  }

  private static func challenge(_ scheme: String, _ parameters: [String: String] = [:]) -> RegistryChallenge {
    RegistryChallenge(scheme: scheme, parameters: parameters)
  }

  @Test(arguments: [
    Case(header: ["Basic"], challenges: [challenge("basic")]),
    Case(header: ["BASIC realm=\"a b\""], challenges: [challenge("basic", ["realm": "a b"])]),
    Case(
      header: [#"Bearer realm="https://a/t",service="s",scope="repository:x:pull,push""#],
      challenges: [challenge("bearer", ["realm": "https://a/t", "service": "s", "scope": "repository:x:pull,push"])]),
    Case(
      header: [#"Bearer  realm = "r" , , Service=s"#],
      challenges: [challenge("bearer", ["realm": "r", "service": "s"])]),
    Case(
      header: [#"Negotiate abc==, Basic realm="x", Bearer realm="y""#],
      challenges: [challenge("negotiate"), challenge("basic", ["realm": "x"]), challenge("bearer", ["realm": "y"])]),
    Case(header: ["Negotiate a/b+c="], challenges: [challenge("negotiate")]),
    Case(header: ["Basic", "Bearer realm=x"], challenges: [challenge("basic"), challenge("bearer", ["realm": "x"])]),
    Case(header: ["Bearer realm=https://a/t?x=y"], challenges: [challenge("bearer", ["realm": "https://a/t?x=y"])]),
    Case(header: [#"Bearer realm="a\"b\\c""#], challenges: [challenge("bearer", ["realm": #"a"b\c"#])]),
    Case(header: [#"Basic realm="ok", Bearer realm="open"#], challenges: [challenge("basic", ["realm": "ok"])]),
    Case(header: [#"Bearer realm="a",realm="b""#], challenges: []),
    Case(header: [#"Bearer realm="a" service="b""#], challenges: []),
    Case(header: ["Bearer realm=\"a\r\nb\""], challenges: []),
    Case(header: [#"="x""#], challenges: []), Case(header: [#""""#], challenges: []),
    Case(header: [""], challenges: []),
    Case(header: [", ,"], challenges: []), Case(header: ["Bearer realm=\"\\"], challenges: []),
  ])
  func `challenges are read`(example: Case) {
    #expect(RegistryChallenge.parse(example.header) == example.challenges)
  }

  @Test func `challenges are bounded in number, parameters and bytes`() {
    #expect(RegistryChallenge.parse([Array(repeating: "Basic realm=x", count: 100).joined(separator: ", ")]).count == 8)
    #expect(RegistryChallenge.parse(Array(repeating: "Basic", count: 100)).count == 8)
    let many = (0..<20).map { "p\($0)=x" }.joined(separator: ",")
    #expect(RegistryChallenge.parse(["Bearer \(many)"]).isEmpty)
    #expect(RegistryChallenge.parse(["Bearer realm=\"\(String(repeating: "x", count: 9000))\""]).isEmpty)
  }

  @Test(
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("2026-07-01T12:00:00Z", 1_782_907_200), ("2026-07-01T12:00:00.999z", 1_782_907_200),
      ("2026-07-01T14:00:00+02:00", 1_782_907_200), ("2026-07-01t10:30:00-01:30", 1_782_907_200),
      ("2024-02-29T23:59:60Z", 1_709_251_200), ("2026-07-01 12:00:00Z", nil), ("2026-07-01T12:00:00", nil),
      ("2026-13-01T12:00:00Z", nil), ("2026-07-01T25:00:00Z", nil), ("x", nil), ("2026-07-01T12:00:00+2:00", nil),
      ("0000-01-01T00:00:00Z", nil), ("+026-07-01T12:00:00Z", nil),
    ] as [(String, Int64?)])
  func `a time of issue is read`(text: String, seconds: Int64?) {
    #expect(RegistryTime.rfc3339(text) == seconds)
  }

  @Test(
    arguments: [
      ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("Wed, 01 Jul 2026 12:00:00 GMT", 1_782_907_200),
      ("Sunday, 06-Nov-94 08:49:37 GMT", nil), ("Sun, 06 Nox 1994 08:49:37 GMT", nil), ("", nil),
      ("Sun, 06 Nov 1994 08:49:37 UTC", nil),
    ] as [(String, Int64?)])
  func `a date is read`(text: String, seconds: Int64?) {
    #expect(RegistryTime.httpDate(text) == seconds)
  }

  @Test func `form fields are escaped`() {
    #expect(FormEncoding.encode([("a", "b c&d=é\n"), ("e", "~._-")]) == "a=b%20c%26d%3D%C3%A9%0A&e=~._-")
  }
}
