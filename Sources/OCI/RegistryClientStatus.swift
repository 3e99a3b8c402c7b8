import HTTPClient
import JSON
import Primitives

extension RegistrySession {
  /// What an answer means that is not the one hoped for.
  func failure(_ answer: RegistryAnswer) -> RegistryError {
    let status = answer.response.status
    let said = RegistryErrorBody.text(answer.response.body, hiding: answer.authorization?.secrets ?? [])
    let text = "\(answer.purpose): \(answer.url.authority) answered \(status)\(said)"
    let isRegistry = answer.url.hasSameOrigin(as: endpoint.base)
    switch status {
    case 401 where isRegistry, 403 where isRegistry:
      let tried = answer.authorization?.provenance ?? "without credentials, since no challenge asked for any"
      return RegistryError(.registryUnauthorized, "\(text); asked \(tried)")
    case 404: return RegistryError(.imageNotFound, text)
    case 408, 429, 500...599:
      let pause = answer.response.header("retry-after").map { ", to be asked again after \($0.printable(limit: 40))" }
      return RegistryError(.registryUnavailable, text + (pause ?? ""))
    default:
      let hint = isRegistry ? "" : ", to where the registry had redirected"
      return RegistryError(.registryMisbehaved, text + hint)
    }
  }
}

/// What a registry says about an error (OCI distribution specification, "Error Codes"), made fit for a message.
enum RegistryErrorBody {
  /// ` (CODE: message)`, or nothing if the body says nothing in that form or repeats one of `secrets`.
  static func text(_ body: [UInt8], hiding secrets: [String]) -> String {
    guard let document = try? JSONDocument(body, limits: .init(bytes: 64 << 10, depth: 16, values: 4096)) else {
      return ""
    }
    let root = document.root
    let first = root["errors"].flatMap { try? $0.elements().first } ?? root
    let code = (try? first["code"]?.string()) ?? (try? first["error"]?.string())
    let message =
      (try? first["message"]?.string()) ?? (try? first["error_description"]?.string())
      ?? (try? first["details"]?.string())
    let parts = [code?.printable(limit: 48), message?.printable(limit: 200)].compactMap { $0 }.filter { !$0.isEmpty }
    guard !parts.isEmpty else { return "" }
    let said = [code, message].compactMap { $0 }.joined(separator: " ")
    guard !secrets.contains(where: { !$0.isEmpty && said.contains($0) }) else {
      return " (its words are left out: they repeat a credential)"
    }
    return " (\(parts.joined(separator: ": ")))"
  }
}
