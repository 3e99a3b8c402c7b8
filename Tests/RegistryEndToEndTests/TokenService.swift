import Crypto
import EndToEndSupport
import Foundation
import HTTPServer
import Primitives

/// A token server as the distribution project specifies it, for one login: who logs in may do what they ask for, others nothing.
struct TokenService: RequestHandler {
  static let service = "tests"
  static let issuer = "tests-issuer"

  /// What docker-registry is to trust.
  let certificateFile: String
  private let certificate: String
  private let key: PrivateKey
  private let authorization: String
  private let counters = Locked((granted: 0, anonymous: 0))

  /// How many tokens went to the login, and how many to nobody in particular.
  var issued: (granted: Int, anonymous: Int) { counters.withLock { $0 } }

  init(login: String, in folder: String) async throws {
    certificateFile = "\(folder)/token.crt"
    let keyFile = "\(folder)/token.key"
    try await command(
      "openssl",
      ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tests", "-days", "2", "-keyout", keyFile, "-out"]
        + [certificateFile]
    ).checked()
    certificate = try read(certificateFile).split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined()
    key = try PrivateKey(pem: read(keyFile))
    authorization = "Basic " + Data(login.utf8).base64EncodedString()
  }

  func check(_ head: RequestHead) -> Response? {
    head.path == "/token" && head.method == "GET" ? nil : .text(404, "GET /token is all there is")
  }

  func handle(_ request: Request) -> Reply {
    let given = request.head.header("authorization")
    guard given == nil || given == authorization else { return .now(.text(401, "wrong login")) }
    counters.withLock { counters in
      if given == nil { counters.anonymous += 1 } else { counters.granted += 1 }
    }
    do {
      let token = try token(scopes: given == nil ? [] : Self.scopes(request.head.query))
      let body = #"{"token":"\#(token)","expires_in":300}"#
      return .now(Response(status: 200, headers: [("content-type", "application/json")], body: Array(body.utf8)))
    } catch {
      return .now(.text(500, "\(error)"))
    }
  }

  /// Each `scope` of the query: type, name (which may hold colons), actions.
  private static func scopes(_ query: String) -> [(type: String, name: String, actions: [String])] {
    let items = URLComponents(string: "http://host/?\(query)")?.queryItems ?? []
    return items.filter { $0.name == "scope" }.flatMap { ($0.value ?? "").split(separator: " ") }.compactMap { scope in
      let parts = scope.split(separator: ":").map(String.init)
      guard parts.count >= 3, let actions = parts.last else { return nil }
      return (parts[0], parts[1..<parts.count - 1].joined(separator: ":"), actions.components(separatedBy: ","))
    }
  }

  private func token(scopes: [(type: String, name: String, actions: [String])]) throws -> String {
    let now = Int(Date().timeIntervalSince1970)
    let header: [String: Any] = ["typ": "JWT", "alg": "RS256", "x5c": [certificate]]
    let claims: [String: Any] = [
      "iss": Self.issuer, "aud": Self.service, "sub": "reader", "iat": now, "nbf": now - 10, "exp": now + 300,
      "jti": UUID().uuidString,
      "access": scopes.map { ["type": $0.type, "name": $0.name, "actions": $0.actions] as [String: Any] },
    ]
    let signed = try [header, claims].map { Self.encode(try JSONSerialization.data(withJSONObject: $0)) }
      .joined(separator: ".")
    return signed + "." + Self.encode(Data(try key.sign(Array(signed.utf8), scheme: .rsaPKCS1v15(.sha256))))
  }

  private static func encode(_ data: Data) -> String {
    data.base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
      .replacingOccurrences(of: "=", with: "")
  }
}
