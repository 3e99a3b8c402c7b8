import Crypto
public import JSON

public struct Validity: Sendable { public var start: UnixTime?; public var end: UnixTime? }
public struct Entry: Sendable { public var validity: Validity }
public struct TrustedRoot: Sendable {
  public let fingerprint: [UInt8]
  public let transparencyLogs: [Entry]
  public let certificateAuthorities: [Entry]
  public let certificateLogs: [Entry]
  public let timestampAuthorities: [Entry]
  public init(parsing json: [UInt8]) throws(JSONError) {
    fingerprint = HashAlgorithm.sha256.hash(json)
    let root = try JSONDocument(json).root
    func entries(_ name: String, _ inKey: Bool) throws(JSONError) -> [Entry] {
      var result: [Entry] = []
      for e in try root.optionalMember(name)?.elements() ?? [] {
        let holder = inKey ? try e.member("publicKey") : e
        let v = try holder.member("validFor")
        result.append(Entry(validity: Validity(start: RFC3339.parse(try v.member("start").string()), end: try v.optionalMember("end")?.string().asTime)))
      }
      return result
    }
    transparencyLogs = try entries("tlogs", true)
    certificateLogs = try entries("ctlogs", true)
    certificateAuthorities = try entries("certificateAuthorities", false)
    timestampAuthorities = try entries("timestampAuthorities", false)
  }
}
extension String { fileprivate var asTime: UnixTime? { RFC3339.parse(self) } }
