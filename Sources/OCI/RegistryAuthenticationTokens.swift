import HTTPClient
import JSON
import Primitives

/// A request for a bearer token: Docker's token specification by GET, its OAuth2 form by POST for identity tokens.
struct TokenRequest: Sendable {
  private let url: HTTPURL
  private let message: HTTPRequest
  private let match: RegistryCredentialMatch
  private let purpose: String

  static let maximumLifetime: Int64 = 86_400
  /// What the specification says where the answer says nothing.
  static let defaultLifetime: Int64 = 60
  static let maximumTokenBytes = 48 << 10

  /// Refuses a realm that may not be told credentials, or may not be asked at all.
  init(
    challenge: RegistryChallenge, repository: String, rules: RegistryAddressRules, match: RegistryCredentialMatch,
    purpose: String
  ) throws(RegistryError) {
    func refusal(_ reason: String) -> RegistryError {
      RegistryError(
        .registryMisbehaved,
        "\(purpose): \(rules.endpoint.base.authority) names a token server that is not asked: \(reason)")
    }
    guard let text = challenge.parameters["realm"] else { throw refusal("its challenge has no realm") }
    let realm: HTTPURL
    do throws(HTTPClientError) { realm = try HTTPURL(parsing: text) } catch { throw refusal(error.description) }
    if let reason = rules.refusal(of: realm) { throw refusal("\(realm.authority): \(reason)") }

    var fields: [(String, String)] = []
    if let service = challenge.parameters["service"] { fields.append(("service", service)) }
    // What is needed, whatever the challenge would have us ask for.
    fields.append(("scope", "repository:\(repository):pull"))

    var request = HTTPRequest(
      url: realm.description, headers: [("Accept", "application/json")], allowsPlainHTTP: !realm.isSecure,
      refusesLocalAddresses: rules.refusesLocalAddresses(of: realm))
    if case .identityToken(let token)? = match.credential {
      fields += [("grant_type", "refresh_token"), ("client_id", "pinseal"), ("refresh_token", token)]
      request.method = .post
      request.headers.append(("Content-Type", "application/x-www-form-urlencoded"))
      request.body = Array(FormEncoding.encode(fields).utf8)
    } else {
      request.url += (realm.query == nil ? "?" : "&") + FormEncoding.encode(fields)
      if case .basic(let username, let password)? = match.credential {
        request.headers.append(
          ("Authorization", "Basic " + Base64.encode(Array("\(username):\(password)".utf8))))
      }
    }
    url = realm
    message = request
    self.match = match
    self.purpose = purpose
  }

  /// The token, and how long after the request it holds.
  func send(
    _ exchanger: RegistryExchanger, deadline: Deadline
  ) async throws(RegistryError) -> (token: String, lifetime: Duration) {
    var message = message
    message.maximumResponseBytes = max(exchanger.limits.tokenBytes, exchanger.limits.errorBytes)
    let purpose = "\(purpose): token server \(url.authority)"
    let response = try await exchanger.exchange(message, with: url, purpose: purpose, deadline: deadline)
    switch response.status {
    case 200: break
    case 400, 401, 403:
      let said = RegistryErrorBody.text(response.body, hiding: match.secrets)
      throw RegistryError(
        .registryUnauthorized, "\(purpose) gives no token (\(response.status))\(said); asked \(match.provenance)")
    case 408, 429, 500...599:
      throw RegistryError(.registryUnavailable, "\(purpose) answered \(response.status)")
    case 301, 302, 303, 307, 308:
      throw RegistryError(.registryMisbehaved, "\(purpose) redirects, and is not followed with credentials")
    default:
      throw RegistryError(.registryMisbehaved, "\(purpose) answered \(response.status)")
    }
    guard response.body.count <= exchanger.limits.tokenBytes else {
      throw RegistryError(.registryMisbehaved, "\(purpose) answered more than \(exchanger.limits.tokenBytes) bytes")
    }
    do throws(JSONError) {
      return try Self.read(response)
    } catch {
      throw RegistryError(
        .registryMisbehaved, "\(purpose) gave an answer that is no token: \(error.description.printable())")
    }
  }

  private static func read(_ response: HTTPResponse) throws(JSONError) -> (token: String, lifetime: Duration) {
    let root = try JSONDocument(response.body, limits: .init(bytes: 1 << 20, depth: 16, values: 4096)).root
    let token: String
    if let value = try root.optionalMember("token") {
      token = try value.string()
    } else if let value = try root.optionalMember("access_token") {
      token = try value.string()
    } else {
      token = try root.member("token").string()
    }
    // A longer one would break the bound of the header that it goes into; the next step says that it is unusable.
    guard token.utf8.count <= maximumTokenBytes else { return ("", .zero) }

    var lifetime = defaultLifetime
    if let seconds = try root.optionalMember("expires_in"), let value = try? seconds.integer() { lifetime = value }
    lifetime = max(0, min(lifetime, maximumLifetime))
    // A server may hand out an older token again. How old it is, its own clock says.
    if let issued = try root.optionalMember("issued_at").flatMap({ try? $0.string() }).flatMap(RegistryTime.rfc3339),
      let now = response.header("date").flatMap(RegistryTime.httpDate), now > issued
    {
      lifetime = max(0, lifetime - (now - issued))
    }
    return (token, .seconds(lifetime))
  }
}

/// `application/x-www-form-urlencoded`, every byte escaped that might mean something.
enum FormEncoding {
  static func encode(_ fields: [(String, String)]) -> String {
    fields.map { escape($0.0) + "=" + escape($0.1) }.joined(separator: "&")
  }

  private static func escape(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        result.unicodeScalars.append(Unicode.Scalar(byte))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        result += "%" + (byte < 16 ? "0" : "") + digits
      }
    }
    return result
  }
}
