public import Crypto
import Primitives

/// What a candidate was found to prove: the image's digest is signed by `signer`. Facts, whatever a policy says.
public struct VerifiedSignature: Sendable, Hashable {
  /// The formats that signatures have.
  public enum Format: String, Sendable, Hashable {
    /// A payload with its signature in an annotation: cosign 1 and 2, skopeo, Podman.
    case simpleSigning = "simple signing"
    /// A Sigstore bundle: cosign 3.
    case bundle = "bundle"
  }

  /// Who signed.
  public enum Signer: Sendable, Hashable {
    /// A key.
    case key(KeyFingerprint)
    /// Whoever a certificate of the trust root names.
    case identity(SignerIdentity)

    /// The signer in a few words, for messages.
    public var short: String {
      switch self {
      case .key(let fingerprint): fingerprint.short
      case .identity(let identity): identity.short
      }
    }

    /// The signer in full, for audit logs: `key SHA256:…`, or `identity … of issuer …`. Printable and bounded.
    public var description: String {
      switch self {
      case .key(let fingerprint): "key \(fingerprint)"
      case .identity(let identity):
        "identity \(identity.subjects.prefix(4).joined(separator: ", ").printable(limit: 300)) "
          + "of issuer \(identity.issuer.printable(limit: 200))"
      }
    }
  }

  /// Who signed.
  public let signer: Signer
  /// The format it was found in.
  public let format: Format
  /// The proof of a transparency log, if one was wanted, attached and verified.
  public let log: LogProof?
  /// The trusted times at which it was signed: those of a verified SignedEntryTimestamp and of verified timestamps, as
  /// far as they were read.
  public let times: [UnixTime]
  /// What a simple signing payload calls the image; nil for bundles, which do not name it, and for what is no name.
  public let dockerReference: String?
  /// What was signed with it, as far as it is text: at most `maximumAnnotations` of `maximumAnnotationBytes` together; more
  /// than that count as none.
  public let annotations: [String: String]

  /// The most annotations of one signature that are kept.
  public static let maximumAnnotations = 64
  /// The most bytes of their names and values together.
  public static let maximumAnnotationBytes = 8192

  /// A finding.
  public init(
    signer: Signer, format: Format, log: LogProof? = nil, times: [UnixTime] = [], dockerReference: String? = nil,
    annotations: [String: String] = [:]
  ) {
    self.signer = signer
    self.format = format
    self.log = log
    self.times = times
    self.dockerReference = dockerReference
    self.annotations = annotations
  }

  /// A finding of a signature by a key, with no more evidence than itself.
  public init(key: KeyFingerprint, format: Format) { self.init(signer: .key(key), format: format) }

  /// The key that signed, if it was one.
  public var key: KeyFingerprint? {
    if case .key(let fingerprint) = signer { fingerprint } else { nil }
  }

  /// Whether a proof of the transparency log was verified with it.
  public var isLogged: Bool { log != nil }

  /// The same without what rests on logs, timestamps and the trust root; nil for a certificate, which rests on them.
  public var withoutEvidence: VerifiedSignature? {
    guard case .key = signer else { return nil }
    return VerifiedSignature(
      signer: signer, format: format, dockerReference: dockerReference, annotations: annotations)
  }
}

/// Annotations that were signed, as facts keep them: texts, and no more of them than fit; else none.
struct SignedAnnotations {
  private(set) var pairs: [String: String] = [:]
  private var byteCount = 0
  private var isNone = false

  /// The most bytes of a docker-reference that is kept: a name of 255, a tag of 128 and a digest are less.
  static let maximumReferenceByteCount = 512

  mutating func add(_ name: String, _ value: String) {
    byteCount += name.utf8.count + value.utf8.count
    // Two names that Unicode takes for one would share a place here, the one's name with the other's value.
    isNone =
      isNone || pairs.count >= VerifiedSignature.maximumAnnotations
      || byteCount > VerifiedSignature.maximumAnnotationBytes || pairs[name] != nil
    if isNone { pairs = [:] } else { pairs[name] = value }
  }
}

extension SignerIdentity {
  /// The first name and the issuer, for messages.
  var short: String {
    let name = (subjects.first ?? "nobody").printable(limit: 100)
    let more = subjects.count > 1 ? " (and \(subjects.count - 1) more names)" : ""
    return "\"\(name)\"\(more) of \"\(issuer.printable(limit: 100))\""
  }
}
