import OCI
import Primitives
import Testing

@Suite struct `Registry credentials` {
  private typealias Credential = RegistryCredentials.Credential

  private static func parse(_ text: String) throws(CredentialsError) -> RegistryCredentials {
    try RegistryCredentials(dockerConfigJSON: Array(text.utf8), source: "Secret team/pull")
  }

  /// A file with an entry for each of these hosts, whose user name is the host's number.
  private static func file(_ hosts: [String]) throws(CredentialsError) -> RegistryCredentials {
    let entries = hosts.enumerated().map { #""\#($1)":{"username":"\#($0)","password":"p"}"# }
    return try parse(#"{"auths":{\#(entries.joined(separator: ","))}}"#)
  }

  private static func entry(_ json: String) throws -> RegistryCredentials {
    try parse(#"{"auths":{"r.io":\#(json)}}"#)
  }

  @Test(arguments: [
    // "user:pa:ss:"
    (#"{"auth":"dXNlcjpwYTpzczo="}"#, Credential.basic(username: "user", password: "pa:ss:")),
    // Unpadded, and with the line end that the shell leaves.
    (#"{"auth":"dXNlcjpwYTpzczo"}"#, .basic(username: "user", password: "pa:ss:")),
    (#"{"auth":"dXNlcjpwYTpzczo=\n"}"#, .basic(username: "user", password: "pa:ss:")),
    // "auth" is what Docker uses where both are there.
    (#"{"username":"x","password":"y","auth":"dTpw"}"#, .basic(username: "u", password: "p")),
    (#"{"username":"x","password":"y","email":"e@x"}"#, .basic(username: "x", password: "y")),
    (#"{"username":"x","password":"y","auth":""}"#, .basic(username: "x", password: "y")),
    (#"{"username":"x","password":"y","auth":null}"#, .basic(username: "x", password: "y")),
    (#"{"username":"pässword"}"#, .basic(username: "pässword", password: "")),
    // "<token>:" beside the token, as Azure writes it.
    (#"{"auth":"PHRva2VuPjo=","identitytoken":"refresh"}"#, .identityToken("refresh")),
    (#"{"auth":"dTpw","registrytoken":"bearer"}"#, .registryToken("bearer")),
    (#"{"identitytoken":"refresh","registrytoken":"bearer"}"#, .registryToken("bearer")),
  ])
  private func `an entry gives one credential`(_ json: String, _ expected: Credential) throws {
    let credentials = try Self.entry(json)
    #expect(credentials.credential(forRegistry: "r.io", repository: "a") == expected)
    #expect(credentials.notes.isEmpty)
  }

  @Test(arguments: [
    "{}", "null", #"{"auth":""}"#, #"{"auth":"Og=="}"#, #"{"email":"a@b"}"#, #"{"username":"","password":""}"#,
  ])
  func `an entry with no credential is ignored`(_ json: String) throws {
    let credentials = try Self.entry(json)
    #expect(credentials.credential(forRegistry: "r.io", repository: "a") == nil)
    #expect(credentials.notes.isEmpty)
  }

  @Test(arguments: [
    #"{"auth":"S3CR3T!"}"#, #"{"auth":"UzNDUjNU"}"#, #"{"auth":"gICAgDpTM0NSM1Q="}"#, #"{"auth":{"S3CR3T":1}}"#,
    #"{"username":["S3CR3T"]}"#, #""S3CR3T""#, #"["S3CR3T"]"#, #"{"registrytoken":"S3CR3T\r\nX: y"}"#,
    #"{"registrytoken":"S3CR3T é"}"#, #"{"identitytoken":7}"#,
  ])
  func `a malformed entry is noted by its host and hides no other`(_ json: String) throws {
    let credentials = try Self.parse(#"{"auths":{"bad.io":\#(json),"good.io":{"auth":"dTpw"}}}"#)
    #expect(credentials.notes.count == 1)
    #expect(credentials.notes.first?.hasPrefix("Secret team/pull: entry \"bad.io\": ") == true)
    #expect(credentials.notes.first?.contains("S3CR3T") == false)
    #expect(credentials.notes.first?.contains("UzNDUjNU") == false)
    #expect(credentials.credential(forRegistry: "bad.io", repository: "a") == nil)
    #expect(credentials.credential(forRegistry: "good.io", repository: "a") == .basic(username: "u", password: "p"))
  }

  @Test(arguments: [
    "", " ", "https://", "/path", "user:S3CR3T@r.io", "https://user:S3CR3T@r.io/v1/", "r.io?x=S3CR3T", "r.io:port",
    "r.io:",
    "r.io:123456", "r..io", ".r.io", "r.io.", "[::1", "a b",
  ])
  func `an entry whose name is no host is noted`(_ host: String) throws {
    let credentials = try Self.file([host])
    #expect(credentials.notes.count == 1)
    #expect(host.contains("?") || credentials.notes.first?.contains("S3CR3T") == false)
  }

  struct Match: Sendable, CustomTestStringConvertible {
    let hosts: [String]
    let registry: String
    let repository: String
    /// The number of the entry that matches.
    let expected: Int?
    init(_ hosts: [String], _ registry: String, _ repository: String, _ expected: Int?) {
      (self.hosts, self.registry, self.repository, self.expected) = (hosts, registry, repository, expected)
    }
    var testDescription: String { "\(registry)/\(repository) among \(hosts)" }
  }

  static let matches: [Match] = [
    // Docker Hub's names.
    Match(["https://index.docker.io/v1/"], "docker.io", "library/nginx", 0),
    Match(["index.docker.io"], "docker.io", "library/nginx", 0),
    Match(["docker.io"], "docker.io", "library/nginx", 0),
    Match(["registry-1.docker.io"], "docker.io", "library/nginx", 0),
    Match(["docker.io"], "registry-1.docker.io", "library/nginx", 0),
    Match(["hub.docker.com"], "docker.io", "library/nginx", nil),
    Match(["docker.io.evil.example"], "docker.io", "library/nginx", nil),
    Match(["index.docker.io:443"], "docker.io", "library/nginx", nil),
    // Schemes and version suffixes.
    Match(["https://r.io/v1/"], "r.io", "a", 0),
    Match(["http://r.io/v2/"], "r.io", "a", 0),
    Match(["HTTPS://R.io/v2"], "r.io", "a", 0),
    Match(["r.io/v1/"], "r.io", "a", 0),
    Match(["r.io/"], "r.io", "a", 0),
    Match(["https://r.io/v1/team"], "r.io", "team/a", 0),
    Match(["https://r.io/v1/team"], "r.io", "other/a", nil),
    Match(["r.io/v2"], "r.io", "v2/a", 0),
    Match(["r.io/v2"], "r.io", "a", nil),
    // Hosts and ports.
    Match(["r.io"], "r.io", "a", 0),
    Match(["R.IO"], "r.io", "a", 0),
    Match(["r.io"], "R.IO", "a", 0),
    Match(["r.io"], "r.io:5000", "a", nil),
    Match(["r.io:5000"], "r.io", "a", nil),
    Match(["r.io:443"], "r.io", "a", nil),
    Match(["r.io:5000"], "r.io:5000", "a", 0),
    Match(["r.io:5000"], "r.io:50001", "a", nil),
    Match(["r.io"], "r.io.evil.example", "a", nil),
    Match(["r.io"], "sub.r.io", "a", nil),
    Match(["r.io"], "evilr.io", "a", nil),
    Match(["[::1]:5000"], "[::1]:5000", "a", 0),
    Match(["[::1]"], "[::1]:5000", "a", nil),
    Match(["localhost"], "localhost", "a", 0),
    // Paths.
    Match(["ghcr.io/org"], "ghcr.io", "org/app", 0),
    Match(["ghcr.io/org"], "ghcr.io", "org", 0),
    Match(["ghcr.io/org/"], "ghcr.io", "org/app", 0),
    Match(["ghcr.io/org"], "ghcr.io", "organisation/app", nil),
    Match(["ghcr.io/org/app"], "ghcr.io", "org", nil),
    Match(["ghcr.io/org/app"], "ghcr.io", "org/app/sub", 0),
    Match(["ghcr.io", "ghcr.io/org", "ghcr.io/org/app"], "ghcr.io", "org/app", 2),
    Match(["ghcr.io/org/app", "ghcr.io/org", "ghcr.io"], "ghcr.io", "org/other", 1),
    Match(["ghcr.io/org", "ghcr.io"], "ghcr.io", "else/app", 1),
    Match(["docker.io/team", "https://index.docker.io/v1/"], "docker.io", "team/a", 0),
    Match(["docker.io/team", "https://index.docker.io/v1/"], "docker.io", "library/a", 1),
    // Wildcards.
    Match(["*.example.com"], "a.example.com", "x", 0),
    Match(["*.example.com"], "a.b.example.com", "x", nil),
    Match(["*.*.example.com"], "a.b.example.com", "x", 0),
    Match(["*.example.com"], "example.com", "x", nil),
    Match(["*.example.com"], "a.example.com:5000", "x", nil),
    Match(["*.example.com:5000"], "a.example.com:5000", "x", 0),
    Match(["*.example.com"], "a.example.com.evil.example", "x", nil),
    Match(["app*.example.com"], "app-7.example.com", "x", 0),
    Match(["app*.example.com"], "app.example.com", "x", 0),
    Match(["app*.example.com"], "ap.example.com", "x", nil),
    Match(["a*b*c.io"], "a1b2b3c.io", "x", 0),
    Match(["a*b*c.io"], "a1c2.io", "x", nil),
    Match(["registry.*"], "registry.io", "x", 0),
    Match(["*"], "localhost", "x", 0),
    Match(["*"], "r.io", "x", nil),
    Match(["*.example.com/org"], "a.example.com", "org/x", 0),
    Match(["*.example.com/org"], "a.example.com", "other/x", nil),
    Match(["*.example.com/org", "a.example.com"], "a.example.com", "org/x", 1),
    Match(["*.*.com", "*.example.com"], "a.example.com", "x", 1),
    Match(["r.io/*"], "r.io", "org/x", nil),
    // Equals: the first in the file.
    Match(["docker.io", "index.docker.io"], "docker.io", "library/x", 0),
    Match(["https://r.io", "r.io"], "r.io", "x", 0),
    // What is no host matches nothing.
    Match(["r.io"], "", "x", nil),
    Match(["r.io"], "r.io/a", "x", nil),
  ]

  @Test(arguments: matches) func `an entry is found by Docker's and the kubelet's rules`(_ match: Match) throws {
    let found = try Self.file(match.hosts).credential(forRegistry: match.registry, repository: match.repository)
    #expect(found == match.expected.map { .basic(username: String($0), password: "p") })
  }

  @Test func `the legacy format has no auths around its hosts`() throws {
    let credentials = try RegistryCredentials(dockerCfg: Array(#"{"r.io":{"auth":"dTpw"}}"#.utf8), source: "Secret old")
    #expect(credentials.credential(forRegistry: "r.io", repository: "a") == .basic(username: "u", password: "p"))
  }

  @Test(arguments: ["credsStore", "credHelpers", "HttpHeaders"])
  func `a file with helpers only holds nothing and says so`(_ member: String) throws {
    let credentials = try Self.parse(#"{"\#(member)":{"r.io":"S3CR3T"}}"#)
    #expect(credentials.credential(forRegistry: "r.io", repository: "a") == nil)
    #expect(credentials.notes.count == 1)
    #expect(credentials.notes.first?.contains(member) == true)
    #expect(credentials.notes.first?.contains("S3CR3T") == false)
    // Beside hosts they are nothing to speak of.
    #expect(try Self.parse(#"{"auths":{"r.io":{"auth":"dTpw"}},"\#(member)":{}}"#).notes.isEmpty)
  }

  @Test(arguments: [
    "", "S3CR3T", "[]", #"{"auths":["S3CR3T"]}"#, #"{"auths":"S3CR3T"}"#, #"{"auths":{"a":{},"a":{"auth":"S3CR3T"}}}"#,
    #"{"auths":{"r.io":{"auth":"S3CR3T","auth":"S3CR3T"}}}"#, #"{"auths":{}} S3CR3T"#,
  ])
  func `what is no such file is refused without a value of it`(_ text: String) throws {
    let error = try #require(throws: CredentialsError.self) { try Self.parse(text) }
    #expect(error.description.hasPrefix("Secret team/pull: "))
    #expect(!error.description.contains("S3CR3T"))
  }

  @Test func `a file past its bounds is refused`() throws {
    #expect(throws: CredentialsError.self) { try Self.file((0...1000).map { "r\($0).io" }) }
    #expect(throws: CredentialsError.self) { try Self.parse(String(repeating: " ", count: 1 << 20) + "{}") }
    let long = try Self.parse(#"{"auths":{"r.io":{"password":"\#(String(repeating: "p", count: 65537))"}}}"#)
    #expect(long.notes.count == 1)
  }

  @Test func `nothing that is printed shows a value`() throws {
    let secret = "hunter2-S3CR3T"
    let credentials = try Self.parse(
      #"{"auths":{"a.io":{"username":"\#(secret)","password":"\#(secret)"},"b.io":{"identitytoken":"\#(secret)"},"c.io":{"registrytoken":"\#(secret)"}}}"#
    )
    var shown = [String(describing: credentials), String(reflecting: credentials), "\([credentials])"]
    var dumped = ""
    dump(credentials, to: &dumped)
    for host in ["a.io", "b.io", "c.io"] {
      let credential = try #require(credentials.credential(forRegistry: host, repository: "x"))
      shown += [
        String(describing: credential), String(reflecting: credential), "\(Optional(credential) as Any)",
        "\([credential])",
      ]
      dump(credential, to: &dumped)
    }
    shown.append(dumped)
    for text in shown { #expect(!text.contains("S3CR3T"), "\(text)") }
    #expect(String(describing: credentials) == "credentials of Secret team/pull (3 hosts)")
  }

  @Test func `anonymous credentials are none`() async {
    let (sources, notes) = await AnonymousCredentials().credentials()
    #expect(sources.isEmpty && notes.isEmpty && AnonymousCredentials().scope == "")
  }
}
