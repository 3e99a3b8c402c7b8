import Primitives
import Testing

@testable import Kubernetes

@Suite struct KubeconfigTests {
  static let certificate = "-----BEGIN CERTIFICATE-----\nMAAB\n-----END CERTIFICATE-----\n"
  static let otherCertificate = "-----BEGIN CERTIFICATE-----\nMAAC\n-----END CERTIFICATE-----\n"
  static let key = "-----BEGIN EC PRIVATE KEY-----\nc2VjcmV0\n-----END EC PRIVATE KEY-----\n"

  static func base64(_ text: String) -> String { Base64.encode(Array(text.utf8)) }

  /// A kubeconfig with one context; `cluster` and `user` are flow mappings.
  static func text(
    cluster: String = "{server: 'https://api.example:6443'}", user: String = "{token: abc}", context: String = "here"
  ) -> String {
    """
    apiVersion: v1
    kind: Config
    current-context: \(context)
    preferences: {}
    contexts:
    - name: there
      context: {cluster: gone, user: gone}
    - name: here
      context: {cluster: c, user: u, namespace: ignored}
    clusters:
    - name: c
      cluster: \(cluster)
    users:
    - name: u
      user: \(user)
    """
  }

  static func read(
    _ text: String, allowsInsecure: Bool = false, folder: TemporaryFolder = TemporaryFolder()
  ) throws(ClusterError) -> Connection {
    try Kubeconfig.connection(path: folder.write(text, to: "config"), allowsInsecure: allowsInsecure)
  }

  @Test func `the current context's server and token are taken`() throws {
    let connection = try Self.read(Self.text())
    #expect(connection.server.url == "https://api.example:6443")
    #expect(try connection.token.current() == "abc")
    #expect(connection.verifiesPeer)
    #expect(connection.clientCertificatePEM == nil)
    guard case .system = connection.authorities else {
      Issue.record("expected the system's authorities")
      return
    }
  }

  @Test func `certificates and keys inline go before those in files`() throws {
    let folder = TemporaryFolder()
    folder.write(Self.otherCertificate, to: "other.crt")
    let connection = try Self.read(
      Self.text(
        cluster: "{server: 'https://api.example', certificate-authority-data: \(Self.base64(Self.certificate)),"
          + " certificate-authority: other.crt}",
        user: "{client-certificate-data: \(Self.base64(Self.certificate)), client-certificate: missing.crt,"
          + " client-key-data: \(Self.base64(Self.key))}"),
      folder: folder)
    guard case .fixed(let authorities) = connection.authorities else {
      Issue.record("expected authorities")
      return
    }
    #expect(authorities == Array(Self.certificate.utf8))
    #expect(connection.clientCertificatePEM == Array(Self.certificate.utf8))
    #expect(connection.clientKeyPEM == Array(Self.key.utf8))
    #expect(try connection.token.current() == nil)
  }

  @Test func `relative paths begin at the file's folder`() throws {
    let folder = TemporaryFolder()
    folder.makeFolder("pki")
    folder.write(Self.certificate, to: "pki/ca.crt")
    folder.write(Self.otherCertificate, to: "pki/me.crt")
    folder.write(Self.key, to: "pki/me.key")
    folder.write("from-file\n", to: "pki/token")
    let connection = try Self.read(
      Self.text(
        cluster: "{server: 'https://api.example/', certificate-authority: pki/ca.crt}",
        user:
          "{client-certificate: pki/me.crt, client-key: '\(folder.file("pki/me.key"))', tokenFile: ./pki/token, token: no}"
      ),
      folder: folder)
    #expect(connection.server.url == "https://api.example")
    #expect(connection.clientCertificatePEM == Array(Self.otherCertificate.utf8))
    #expect(connection.clientKeyPEM == Array(Self.key.utf8))
    #expect(try connection.token.current() == "from-file")
    folder.write("renewed", to: "pki/token")
    #expect(try connection.token.current(force: true) == "renewed")
  }

  @Test func `insecure-skip-tls-verify is done only where it is asked for`() throws {
    let text = Self.text(cluster: "{server: 'https://api.example', insecure-skip-tls-verify: true}")
    #expect(try !Self.read(text, allowsInsecure: true).verifiesPeer)
    let error = #expect(throws: ClusterError.self) { try Self.read(text) }
    #expect(error?.description.contains("insecure-skip-tls-verify: true, so anybody could answer") == true)
    let off = Self.text(cluster: "{server: 'https://api.example', insecure-skip-tls-verify: false}")
    #expect(try Self.read(off).verifiesPeer)
    let plain = Self.text(cluster: "{server: 'http://127.0.0.1:8001'}")
    #expect(try Self.read(plain, allowsInsecure: true).server.url == "http://127.0.0.1:8001")
    #expect(throws: ClusterError.self) { try Self.read(plain) }
  }

  @Test func `a context without user is anonymous`() throws {
    let text = Self.text().replacing("cluster: c, user: u", with: "cluster: c")
    #expect(try Self.read(text).token.current() == nil)
  }

  struct Bad: CustomTestStringConvertible {
    let text: String
    let says: String
    init(_ text: String, _ says: String) {
      self.text = text
      self.says = says
    }
    var testDescription: String { says }
  }

  static let bad: [Bad] = [
    Bad("", "holds 0 documents, expected one"),
    Bad("a: b\n---\nc: d", "holds 2 documents, expected one"),
    Bad("[]", "is a list, expected a mapping"),
    Bad("kind: Pod", "is no kubeconfig"),
    Bad("kind: Config\napiVersion: v2", "is no kubeconfig"),
    Bad("kind: Config\n", "has no current-context; set one with kubectl"),
    Bad(text(context: "nowhere"), "has no context \"nowhere\"; its contexts are: there, here"),
    Bad(text(context: "there"), "has no cluster \"gone\"; its clusters are: c"),
    Bad(text(context: "12"), "current-context is a number"),
    Bad(text().replacing("users:", with: "others:"), "has no user \"u\"; its users are: none"),
    Bad(text() + "\n- name: u\n  user: {token: def}\n", "the name \"u\", which another of the users has too"),
    Bad(text().replacing("- name: u\n  user:", with: "- name: u\n  person:"), "lacks user"),
    Bad(text(cluster: "{}"), "cluster \"c\" lacks server"),
    Bad(text(cluster: "{server: 'ftp://x'}"), "has no scheme that is supported; write https://HOST[:PORT]"),
    Bad(text(cluster: "{server: 'http://x'}"), "is asked over plain HTTP"),
    Bad(text(cluster: "{server: 'https://user:pw@x'}"), "has no host and port that can be right"),
    Bad(text(cluster: "{server: 'https://'}"), "has no host and port that can be right"),
    Bad(text(cluster: "{server: 'https://x:0'}"), "has no host and port that can be right"),
    Bad(text(cluster: "{server: 'https://x:99999'}"), "has no host and port that can be right"),
    Bad(text(cluster: "{server: 'https://x y'}"), "has no host and port that can be right"),
    Bad(text(cluster: "{server: 'https://x/a?b'}"), "a path, query or fragment"),
    Bad(text(cluster: "{server: 'https://x/../y'}"), "a path, query or fragment"),
    Bad(text(cluster: "{server: 'https://x', tls-server-name: y}"), "tls-server-name, which is not supported"),
    Bad(
      text(cluster: "{server: 'https://x', proxy-url: 'http://y'}"),
      "proxy-url, which is not supported; set HTTPS_PROXY"),
    Bad(
      text(cluster: "{server: 'https://x', insecure-skip-tls-verify: 'true'}"), "is a string, expected true or false"),
    Bad(
      text(cluster: "{server: 'https://x', certificate-authority-data: '*'}"),
      "certificate-authority-data that is not base64"),
    Bad(
      text(cluster: "{server: 'https://x', certificate-authority-data: YQ==}"),
      "certificate-authority that is not a certificate in PEM"),
    Bad(
      text(cluster: "{server: 'https://x', certificate-authority: gone.crt}"),
      "gone.crt, which cannot be read: No such file"),
    Bad(text(user: "{username: a, password: b}"), "basic authentication is gone"),
    Bad(text(user: "{password: b}"), "basic authentication is gone"),
    Bad(text(user: "{exec: {command: aws}}"), "exec, which is not supported: credential plug-ins are not run"),
    Bad(text(user: "{auth-provider: {name: gcp}}"), "auth-provider, which is not supported"),
    Bad(text(user: "{token: a, as: root}"), "impersonation is not supported"),
    Bad(text(user: "{token: a, as-groups: ['system:masters']}"), "impersonation is not supported"),
    Bad(text(user: "{client-key-data: \(base64(key))}"), "a client key without its certificate"),
    Bad(text(user: "{client-certificate-data: \(base64(certificate))}"), "a client certificate without its key"),
    Bad(
      text(user: "{client-certificate-data: \(base64(certificate)), client-key-data: \(base64(certificate))}"),
      "client-key that is not a private key in PEM"),
    Bad(text(user: "{token: \"a b\"}"), "white space or characters that no token has"),
    Bad(text(user: "{token: \"a\\r\\nX-Evil: b\"}"), "white space or characters that no token has"),
    Bad(text(user: "{token: 123}"), "token is a number"),
    Bad(text(user: "{tokenFile: gone}"), "token file"),
    Bad(text() + "\ncurrent-context: there\n", "the key \"current-context\" twice"),
    Bad("a: &x b\nc: *x", "anchor"),
  ]

  @Test(arguments: bad)
  func `what is not supported or not right is refused by name`(bad: Bad) {
    let folder = TemporaryFolder()
    let error = #expect(throws: ClusterError.self) { try Self.read(bad.text, folder: folder) }
    #expect(error?.code == .invalid)
    #expect(error?.description.hasPrefix("kubeconfig \(folder.file("config"))") == true)
    #expect(error?.description.contains(bad.says) == true, "\(error?.description ?? "")")
  }

  @Test func `tls-server-name and the like may be empty`() throws {
    let connection = try Self.read(
      Self.text(
        cluster: "{server: 'https://[fd00::1]:6443', tls-server-name: '', proxy-url: ''}",
        user: "{token: t, username: null}"))
    #expect(connection.server.url == "https://[fd00::1]:6443")
  }

  @Test func `a kubeconfig that is not there is refused with its path`() {
    let error = #expect(throws: ClusterError.self) {
      try Kubeconfig.connection(path: "/nonexistent/config", allowsInsecure: false)
    }
    #expect(error?.description == "the kubeconfig /nonexistent/config cannot be read: No such file or directory")
  }

  @Test func `the file is the one named, else of KUBECONFIG, else in the home folder`() throws {
    #expect(try Kubeconfig.path("a", environment: { _ in "b" }) == "a")
    #expect(try Kubeconfig.path(nil, environment: { $0 == "KUBECONFIG" ? "/k" : "/home/me" }) == "/k")
    #expect(try Kubeconfig.path(nil, environment: { $0 == "KUBECONFIG" ? "" : "/home/me" }) == "/home/me/.kube/config")
    let several = #expect(throws: ClusterError.self) { try Kubeconfig.path(nil, environment: { _ in "/a:/b" }) }
    #expect(several?.description.contains("KUBECONFIG names 2 files") == true)
    #expect(throws: ClusterError.self) { try Kubeconfig.path(nil, environment: { _ in nil }) }
  }

  @Test func `a connection shows neither token nor key`() throws {
    let connection = try Self.read(
      Self.text(
        user:
          "{token: hunter2, client-certificate-data: \(Self.base64(Self.certificate)), client-key-data: \(Self.base64(Self.key))}"
      ))
    var dumped = ""
    dump(connection, to: &dumped)
    for text in ["\(connection)", String(reflecting: connection), dumped] {
      #expect(text.contains("https://api.example:6443"))
      #expect(!text.contains("hunter2"))
      #expect(!text.contains("clientKeyPEM"))
    }
  }
}

@Suite struct InClusterTests {
  private static func environment(_ host: String?) -> (String) -> String? {
    { name in name == "KUBERNETES_SERVICE_HOST" ? host : name == "KUBERNETES_SERVICE_PORT" ? "443" : nil }
  }

  private static func folder() -> TemporaryFolder {
    let folder = TemporaryFolder()
    folder.write(KubeconfigTests.certificate, to: "ca.crt")
    folder.write("abc\n", to: "token")
    return folder
  }

  @Test(arguments: [
    ("10.96.0.1", "https://10.96.0.1:443"), ("fd00::1", "https://[fd00::1]:443"),
    ("[fd00::1]", "https://[fd00::1]:443"),
    ("kubernetes.default.svc", "https://kubernetes.default.svc:443"),
  ])
  func `the address is put together`(host: String, url: String) throws {
    let folder = Self.folder()
    let connection = try Connection.inCluster(environment: Self.environment(host), folder: folder.path)
    #expect(connection.server.url == url)
    #expect(try connection.token.current() == "abc")
    #expect(connection.verifiesPeer)
  }

  @Test func `outside of a pod the message says what to do`() {
    let folder = Self.folder()
    let error = #expect(throws: ClusterError.self) {
      try Connection.inCluster(environment: Self.environment(nil), folder: folder.path)
    }
    #expect(error?.description.contains("KUBERNETES_SERVICE_HOST") == true)
    #expect(error?.description.contains("kubeconfig") == true)
  }

  @Test(arguments: ["ca.crt", "token"])
  func `a missing file is named`(file: String) {
    let folder = Self.folder()
    folder.delete(file)
    let error = #expect(throws: ClusterError.self) {
      try Connection.inCluster(environment: Self.environment("10.0.0.1"), folder: folder.path)
    }
    #expect(error?.description.contains(folder.file(file)) == true)
  }

  @Test func `an authority that is none is refused at the start`() {
    let folder = Self.folder()
    folder.write("garbage", to: "ca.crt")
    let error = #expect(throws: ClusterError.self) {
      try Connection.inCluster(environment: Self.environment("10.0.0.1"), folder: folder.path)
    }
    #expect(error?.description == "\(folder.path)/ca.crt holds no certificate in PEM")
  }

  @Test(arguments: ["", "\n", "a b", "a\nb", "é"])
  func `a token that can be none is refused at the start`(token: String) {
    let folder = Self.folder()
    folder.write(token, to: "token")
    let error = #expect(throws: ClusterError.self) {
      try Connection.inCluster(environment: Self.environment("10.0.0.1"), folder: folder.path)
    }
    #expect(error?.code == .invalid)
    #expect(error?.description.contains("the token in \(folder.file("token"))") == true)
  }
}
