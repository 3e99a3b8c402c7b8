import Crypto
import JSON
import Primitives

/// The four roles of a repository (TUF 1.0, section 2.1) and what their files may measure.
enum TUFRole: String, Sendable, CaseIterable {
  case root, timestamp, snapshot, targets

  /// `root.json` and so on: the file without version.
  var fileName: String { rawValue + ".json" }

  /// Bytes that are read of such a file; the public repository's have 6, 1, 1 and 5 KB.
  var maximumByteCount: Int {
    switch self {
    case .root: 512 << 10
    case .timestamp: 16 << 10
    case .snapshot: 1 << 20
    case .targets: 2 << 20
    }
  }
}

/// A metadata file (TUF 1.0, section 4.2): what is signed, and the signatures over its canonical form. Not verified yet.
struct TUFEnvelope: Sendable {
  /// Signatures that are looked at.
  static let maximumSignatureCount = 64

  let role: TUFRole
  /// The file as it came.
  let bytes: [UInt8]
  let signed: JSONValue
  /// What the signatures are over.
  let message: [UInt8]
  let signatures: [(keyID: String, signature: String)]
  let version: Int64
  let expires: UnixTime

  init(_ bytes: [UInt8], role: TUFRole) throws(TUFError) {
    guard bytes.count <= role.maximumByteCount else {
      throw TUFError(
        .limitExceeded, "\(role.fileName) has \(bytes.count) bytes, at most \(role.maximumByteCount) are read")
    }
    self.role = role
    self.bytes = bytes
    let file = TUFField(role: role)
    let limits = JSONDocument.Limits(bytes: role.maximumByteCount, depth: 32, values: 65_536)
    let root = try file.reading { () throws(JSONError) in try JSONDocument(bytes, limits: limits).root }
    let signed = try file.reading { () throws(JSONError) in try root.member("signed") }
    self.signed = signed
    message = try file.reading { () throws(JSONError) in try CanonicalJSON.encode(signed) }
    let list = try file.reading { () throws(JSONError) in try root.member("signatures").elements() }
    guard list.count <= Self.maximumSignatureCount else {
      throw TUFError(
        .limitExceeded,
        "\(role.fileName) has \(list.count) signatures, at most \(Self.maximumSignatureCount) are looked at")
    }
    var signatures: [(keyID: String, signature: String)] = []
    for element in list {
      signatures.append(
        try file.reading { () throws(JSONError) in
          (try element.member("keyid").string(), try element.member("sig").string())
        })
    }
    self.signatures = signatures

    guard try file.reading({ () throws(JSONError) in try signed.member("_type") }).isString(role.rawValue) else {
      throw TUFError(.malformed, "\(role.fileName) is malformed: its _type is not \(role.rawValue)")
    }
    let specification = try file.reading { () throws(JSONError) in try signed.member("spec_version").string() }
    guard specification.utf8.starts(with: "1.".utf8) else {
      throw TUFError(
        .malformed, "\(role.fileName) is of version \(specification.printable(limit: 16)) of the specification, not 1.x"
      )
    }
    version = try file.version(of: signed)
    let date = try file.reading { () throws(JSONError) in try signed.member("expires").string() }
    guard let expires = TUFDate.parse(date) else {
      throw TUFError(
        .malformed, "\(role.fileName) is malformed: expires is \"\(date.printable(limit: 48))\", not a date of RFC 3339"
      )
    }
    self.expires = expires
  }

  /// `root.json, version 15`.
  var name: String { "\(role.fileName), version \(version)" }

  /// Throws if the content is out of date at `now`.
  func requireFresh(at now: UnixTime) throws(TUFError) {
    guard expires > now else {
      throw TUFError(.expired, "\(name), expired at \(CalendarTime.text(expires)); it is \(CalendarTime.text(now))")
    }
  }
}

/// Reads members of a file, so that every error names the file.
struct TUFField: Sendable {
  let role: TUFRole

  func reading<Result>(_ body: () throws(JSONError) -> Result) throws(TUFError) -> Result {
    do {
      return try body()
    } catch {
      throw TUFError(
        error.code == .limitExceeded ? .limitExceeded : .malformed,
        "\(role.fileName) is malformed: \(error.description.printable())")
    }
  }

  /// The version, 1 at least.
  func version(of value: JSONValue) throws(TUFError) -> Int64 {
    let version = try reading { () throws(JSONError) in try value.member("version").integer() }
    guard version >= 1 else {
      throw TUFError(.malformed, "\(role.fileName) is malformed: version is \(version), versions begin with 1")
    }
    return version
  }

  /// Length and hashes of a file that `value` describes.
  func content(of value: JSONValue) throws(TUFError) -> TUFContent {
    let length = try reading { () throws(JSONError) in try value.optionalMember("length")?.integer() }
    let hashes = try reading { () throws(JSONError) in try value.optionalMember("hashes")?.members() }
    guard (length ?? 0) >= 0 else { throw TUFError(.malformed, "\(role.fileName) is malformed: length is negative") }
    guard let hashes else { return TUFContent(length: length, hashes: []) }
    var known: [(algorithm: HashAlgorithm, value: [UInt8])] = []
    for algorithm in HashAlgorithm.allCases {
      guard let entry = hashes.first(where: { $0.name.utf8.elementsEqual(algorithm.rawValue.utf8) }) else { continue }
      let text = try reading { () throws(JSONError) in try entry.value.string() }
      guard let value = Hex.decode(text), value.count == algorithm.byteCount else {
        throw TUFError(
          .malformed,
          "\(role.fileName) is malformed: \(entry.value.path) is not \(algorithm.byteCount * 2) hexadecimal digits")
      }
      known.append((algorithm, value))
    }
    guard !known.isEmpty else {
      throw TUFError(
        .malformed, "\(role.fileName) is malformed: \(value.path).hashes has none of sha256, sha384 and sha512")
    }
    return TUFContent(length: length, hashes: known)
  }
}

/// What signed metadata says of another file's content. What it leaves out is not compared.
struct TUFContent: Sendable {
  let length: Int64?
  let hashes: [(algorithm: HashAlgorithm, value: [UInt8])]

  /// Throws unless `bytes` are what is described; `name` is for the message.
  func verify(_ bytes: [UInt8], name: String) throws(TUFError) {
    if let length, length != Int64(bytes.count) {
      throw TUFError(.lengthMismatch, "\(name) has \(bytes.count) bytes, the signed length is \(length)")
    }
    for (algorithm, value) in hashes where algorithm.hash(bytes) != value {
      throw TUFError(.hashMismatch, "\(name) does not have the signed \(algorithm.rawValue) \(Hex.encode(value))")
    }
  }

  func matches(_ bytes: [UInt8]) -> Bool {
    do {
      try verify(bytes, name: "")
      return true
    } catch {
      return false
    }
  }
}
