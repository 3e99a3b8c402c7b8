import Crypto
public import HTTPServer
import JSON
import Primitives
public import Sigstore

/// As much of Rekor v1's API as signers and `--rekor-lookup` use, around a log in memory: entries of kind hashedrekord 0.0.1
/// are taken in unseen, and found again by signature.
public final class EmbeddedLog: RequestHandler {
  /// The log.
  public let log: MemoryLog
  private let answers = Locked<[[UInt8]: String]>([:])
  private static let entries = "/api/v1/log/entries"

  /// A server for `log`.
  public init(_ log: MemoryLog) { self.log = log }

  /// 404 and 405 by the head alone.
  public func check(_ head: RequestHead) -> Response? {
    switch (head.method, head.path) {
    case ("POST", Self.entries), ("POST", Self.entries + "/retrieve"), ("GET", "/api/v1/log/publicKey"): nil
    default:
      .text(404, "this log answers POST \(Self.entries), POST \(Self.entries)/retrieve, GET /api/v1/log/publicKey")
    }
  }

  /// Takes an entry in, or looks for one.
  public func handle(_ request: Request) -> Reply {
    if request.head.method == "GET" {
      return .now(
        Response(
          status: 200, headers: [("content-type", "application/x-pem-file")], body: Array(log.key.publicKey.pem.utf8)))
    }
    do {
      let root = try JSONDocument(request.body).root
      if request.head.path == Self.entries { return .now(Self.json(201, try take(Proposal(root)))) }
      let found = try root.member("entries").elements().compactMap { element throws(JSONError) in
        let proposal = try Proposal(element)
        return answers.withLock { $0[proposal.signature] }
      }
      return .now(Self.json(200, "[\(found.joined(separator: ","))]"))
    } catch {
      return .now(Self.json(400, #"{"code":400,"message":"this is no hashedrekord 0.0.1"}"#))
    }
  }

  private func take(_ proposal: Proposal) throws(KeyError) -> String {
    let answer = try log.logHash(
      proposal.hash, signature: proposal.signature, verifierPEM: proposal.verifierPEM, at: WallClock.seconds
    ).answer
    answers.withLock { $0[proposal.signature] = answer }
    return answer
  }

  private static func json(_ status: Int, _ text: String) -> Response {
    Response(status: status, headers: [("content-type", "application/json")], body: Array(text.utf8))
  }

  /// What somebody wants to have logged.
  private struct Proposal {
    let hash: [UInt8]
    let signature: [UInt8]
    let verifierPEM: String

    init(_ value: JSONValue) throws(JSONError) {
      let spec = try value.member("spec")
      hash = Hex.decode(try spec.member("data").member("hash").member("value").string()) ?? []
      let content = try spec.member("signature")
      signature = Base64.decode(try content.member("content").string()) ?? []
      let key = Base64.decode(try content.member("publicKey").member("content").string()) ?? []
      verifierPEM = String(decoding: key, as: UTF8.self)
    }
  }
}
