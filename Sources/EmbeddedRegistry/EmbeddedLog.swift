import Crypto
public import HTTPServer
import JSON
import Primitives
public import Sigstore

/// As much of Rekor's API as signers and `--rekor-lookup` use, around a log in memory: entries are taken in unseen.
///
/// Of Rekor v1 hashedrekord 0.0.1 and dsse 0.0.1, found again by signature; of Rekor v2 hashedrekord 0.0.2.
public final class EmbeddedLog: RequestHandler {
  /// The log.
  public let log: MemoryLog
  private let answers = Locked<[[UInt8]: String]>([:])

  private static let entries = "/api/v1/log/entries"
  private static let retrieval = "/api/v1/log/entries/retrieve"
  private static let publicKey = "/api/v1/log/publicKey"
  private static let tileEntries = "/api/v2/log/entries"

  /// A server for `log`, with the API of its version.
  public init(_ log: MemoryLog) { self.log = log }

  private var endpoints: [(method: String, path: String)] {
    switch log.version {
    case .rekor1: [("POST", Self.entries), ("POST", Self.retrieval), ("GET", Self.publicKey)]
    case .rekor2: [("POST", Self.tileEntries)]
    }
  }

  /// 404 by the head alone.
  public func check(_ head: RequestHead) -> Response? {
    if endpoints.contains(where: { $0 == (head.method, head.path) }) { return nil }
    return .text(404, "this log answers \(endpoints.map { "\($0.method) \($0.path)" }.joined(separator: ", "))")
  }

  /// Takes an entry in, or looks for one.
  public func handle(_ request: Request) -> Reply {
    if request.head.path == Self.publicKey {
      return .now(
        Response(
          status: 200, headers: [("content-type", "application/x-pem-file")], body: Array(log.key.publicKey.pem.utf8)))
    }
    do {
      let root = try JSONDocument(request.body).root
      switch request.head.path {
      case Self.tileEntries: return .now(Self.json(201, try takeDigest(root)))
      case Self.entries: return .now(Self.json(201, try take(root)))
      default:
        let found = try root.member("entries").elements().compactMap { element throws(JSONError) in
          let proposal = try HashProposal(element.member("spec"))
          return answers.withLock { $0[proposal.signature] }
        }
        return .now(Self.json(200, "[\(found.joined(separator: ","))]"))
      }
    } catch {
      var writer = JSONWriter()
      writer.object {
        $0.member("code", Int64(400))
        $0.member("message", "this log does not take that: \(String(describing: error).printable(limit: 200))")
      }
      return .now(Self.json(400, writer.text))
    }
  }

  private func take(_ entry: JSONValue) throws -> String {
    let spec = try entry.member("spec")
    let signature: [UInt8]
    let answer: String
    if try entry.member("kind").isString("dsse") {
      let proposal = try EnvelopeProposal(spec)
      signature = proposal.signature
      answer = try log.logEnvelope(
        proposal.envelope, payload: proposal.payload, signature: signature, verifierPEM: proposal.verifierPEM,
        at: WallClock.seconds)
    } else {
      let proposal = try HashProposal(spec)
      signature = proposal.signature
      answer = try log.logHash(
        proposal.hash, signature: signature, verifierPEM: proposal.verifierPEM, at: WallClock.seconds
      ).answer
    }
    answers.withLock { $0[signature] = answer }
    return answer
  }

  private func takeDigest(_ root: JSONValue) throws -> String {
    let request = try root.member("hashedRekordRequestV002")
    let signature = try request.member("signature")
    let key = try signature.member("verifier").member("publicKey").member("rawBytes").base64()
    return try log.logDigest(
      request.member("digest").base64(), signature: signature.member("content").base64(),
      key: PublicKey(subjectPublicKeyInfo: key), at: WallClock.seconds)
  }

  private static func json(_ status: Int, _ text: String) -> Response {
    Response(status: status, headers: [("content-type", "application/json")], body: Array(text.utf8))
  }

  /// What somebody wants to have logged as hashedrekord 0.0.1.
  private struct HashProposal {
    let hash: [UInt8]
    let signature: [UInt8]
    let verifierPEM: String

    init(_ spec: JSONValue) throws(JSONError) {
      hash = Hex.decode(try spec.member("data").member("hash").member("value").string()) ?? []
      let content = try spec.member("signature")
      signature = try content.member("content").base64()
      verifierPEM = String(decoding: try content.member("publicKey").member("content").base64(), as: UTF8.self)
    }
  }

  /// What somebody wants to have logged as dsse 0.0.1: an envelope with one signature, as text.
  private struct EnvelopeProposal {
    let envelope: [UInt8]
    let payload: [UInt8]
    let signature: [UInt8]
    let verifierPEM: String

    init(_ spec: JSONValue) throws {
      let content = try spec.member("proposedContent")
      envelope = Array(try content.member("envelope").string().utf8)
      let root = try JSONDocument(envelope).root
      payload = try root.member("payload").base64()
      signature = try root.member("signatures").elements().first?.member("sig").base64() ?? []
      let verifier = try content.member("verifiers").elements().first?.base64() ?? []
      verifierPEM = String(decoding: verifier, as: UTF8.self)
    }
  }
}

extension JSONValue {
  /// The bytes of a base64 string; none if it is not one.
  fileprivate func base64() throws(JSONError) -> [UInt8] { Base64.decode(try string()) ?? [] }
}
