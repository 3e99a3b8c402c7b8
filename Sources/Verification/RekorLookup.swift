public import HTTPClient
import JSON
public import OCI
public import Primitives
public import Sigstore

/// Whoever can ask transparency logs for the proof of a signature to which none is attached.
public protocol LogLookup: Sendable {
  /// The proposal's candidate with each proof that the logs hold for it: unverified, to be judged like any candidate.
  /// Empty if no log knows the signature. Throws `logUnavailable` if a log could not be asked.
  func completed(_ proposal: LogProposal, deadline: Deadline) async throws(RegistryError) -> [SignatureCandidate]
}

/// Asks Rekor v1 over HTTP (cosign.md 3.2): `POST /api/v1/log/entries/retrieve` with the entry that should be there.
///
/// Only logs of the trust root are asked, at the addresses that it gives; redirects are not followed. What comes back is
/// believed no more than an attached proof: it is put where that would be, and judged with the candidate.
public struct RekorLookup: LogLookup {
  /// Bytes of an answer that are read, and entries of it that are judged.
  static let maximumAnswerBytes = 1 << 20
  static let maximumEntries = 16
  /// Logs of the trust root that are asked for one signature.
  static let maximumLogs = 4

  private let http: any HTTPExchanging

  /// Asks through this client.
  public init(http: any HTTPExchanging) { self.http = http }

  /// Asks one log after another until one has entries.
  public func completed(
    _ proposal: LogProposal, deadline: Deadline
  ) async throws(RegistryError) -> [SignatureCandidate] {
    var failure: RegistryError?
    for base in proposal.logURLs.prefix(Self.maximumLogs) {
      do throws(RegistryError) {
        let found = try await ask(base, proposal, deadline: deadline)
        if !found.isEmpty { return found }
      } catch {
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
    return []
  }

  private func ask(
    _ base: String, _ proposal: LogProposal, deadline: Deadline
  ) async throws(RegistryError) -> [SignatureCandidate] {
    let root = base.utf8.last == UInt8(ascii: "/") ? String(base.dropLast()) : base
    // The operator's trust root names the address, and what comes back is signed: plain HTTP tells no lie that counts.
    let request = HTTPRequest(
      method: .post, url: root + "/api/v1/log/entries/retrieve",
      headers: [("content-type", "application/json"), ("accept", "application/json")], body: proposal.query,
      maximumResponseBytes: Self.maximumAnswerBytes, allowsPlainHTTP: true)
    let response: HTTPResponse
    do throws(HTTPClientError) {
      response = try await http.send(request, deadline: deadline)
    } catch {
      throw RegistryError(.logUnavailable, error.description)
    }
    let host = root.printable(limit: 100)
    guard response.status == 200 else {
      if response.status == 404 { return [] }
      throw RegistryError(.logUnavailable, "\(host): the log answered \(response.status)")
    }
    do throws(CandidateRejection) {
      return try proposal.completed(answer: response.body, maximumCount: Self.maximumEntries)
    } catch {
      throw RegistryError(.logUnavailable, "\(host): \(error.description)")
    }
  }
}
