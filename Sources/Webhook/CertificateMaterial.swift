import Crypto
import Kubernetes
import Primitives

/// What the Secret holds: the pair that is served, the authority that signs, the one that will, those that did.
///
/// | key | what |
/// |---|---|
/// | `tls.crt`, `tls.key` | the serving certificate and its key |
/// | `ca.crt` | all authorities that are to be trusted, the one that signs first: this is what `caBundle` gets |
/// | `ca.key` | the key of the authority that signs |
/// | `next-ca.key` | during a change of authorities, the key of the one that is trusted but does not sign yet |
struct CertificateMaterial: Sendable {
  struct Serving: Sendable, CustomStringConvertible, CustomReflectable {
    let certificate: X509Certificate
    let certificatePEM: String
    let keyPEM: String

    /// Without the key, whoever prints or dumps what holds it.
    var description: String { "\(certificate) (key withheld)" }
    var customMirror: Mirror { Mirror(self, children: ["certificate": "\(certificate)"], displayStyle: .struct) }
  }

  struct Authority: Sendable {
    let certificate: X509Certificate
    let issuing: IssuedCertificate
  }

  var serving: Serving?
  var signer: Authority?
  var next: Authority?
  /// Authorities that sign no more; whom they certified may still be in use. The latest first.
  var retired: [X509Certificate] = []
  /// Since when every webhook configuration has been seen to trust `next`.
  var nextInForceSince: UnixTime?
  /// When the last certificate of the retired ones ends.
  var retiredUntil: UnixTime?
  /// What was there and cannot be used, for the log; never with a value.
  private(set) var damage: [String] = []

  /// Everything that is to be trusted.
  var authorities: [X509Certificate] { [signer?.certificate, next?.certificate].compactMap(\.self) + retired }

  /// The PEM text for `ca.crt` and `caBundle`.
  var bundle: [UInt8] { Array(authorities.map(\.pem).joined().utf8) }
}

// MARK: The Secret

extension CertificateMaterial {
  /// Marks a Secret as one that Pinseal may overwrite.
  static let mark = (name: "pinseal.dev/certificates", value: "self-managed")
  private static let inForceSince = "pinseal.dev/next-authority-in-force-since"
  private static let until = "pinseal.dev/retired-authorities-until"
  static let types: Set<String> = ["Opaque", "kubernetes.io/tls"]

  /// Why the Secret must not be written, or nil.
  static func obstacle(_ secret: KeptSecret) -> String? {
    guard types.contains(secret.type) else {
      return "it is of type \(secret.type.printable(limit: 64)); Opaque or kubernetes.io/tls is expected"
    }
    if secret.data.allSatisfy({ $0.value.isEmpty }) { return nil }
    guard let value = secret.annotations[mark.name], value.utf8.elementsEqual(mark.value.utf8) else {
      return "it holds data and lacks the annotation \(mark.name): \(mark.value), so it is not Pinseal's; "
        + "name another Secret, or empty this one"
    }
    return nil
  }

  /// Reads what is usable; the rest is `damage`.
  init(_ secret: KeptSecret?) {
    guard let secret else { return }
    let data = secret.data.filter { !$0.value.isEmpty }
    func text(_ key: String) -> String? { data[key].map { String(decoding: $0, as: UTF8.self) } }
    var authorities: [X509Certificate] = []
    if let pem = text("ca.crt") {
      do throws(CertificateError) {
        authorities = try X509Certificate.parsePEM(pem).filter(\.isCertificateAuthority)
        if authorities.isEmpty { damage.append("ca.crt holds no authority") }
      } catch {
        damage.append("ca.crt: \(error.description)")
      }
    }
    signer = authority(key: "ca.key", text("ca.key"), of: authorities)
    next = authority(key: "next-ca.key", text("next-ca.key"), of: authorities)
    if next?.certificate == signer?.certificate { next = nil }
    let active = [signer?.certificate, next?.certificate]
    retired = authorities.filter { !active.contains($0) }
    serving = serving(text("tls.crt"), text("tls.key"))
    nextInForceSince = secret.annotations[Self.inForceSince].flatMap(UnixTime.init)
    retiredUntil = secret.annotations[Self.until].flatMap(UnixTime.init)
  }

  private mutating func authority(key: String, _ pem: String?, of authorities: [X509Certificate]) -> Authority? {
    guard let pem else { return nil }
    do throws(KeyError) {
      let privateKey = try PrivateKey(pem: pem)
      let encoded = privateKey.publicKey.subjectPublicKeyInfo
      guard let certificate = authorities.first(where: { $0.subjectPublicKeyInfo == encoded }) else {
        throw KeyError("it belongs to no authority in ca.crt")
      }
      return Authority(
        certificate: certificate, issuing: try IssuedCertificate(certificate: certificate, key: privateKey))
    } catch {
      damage.append("\(key): \(error.description)")
      return nil
    }
  }

  private mutating func serving(_ certificatePEM: String?, _ keyPEM: String?) -> Serving? {
    guard let certificatePEM, let keyPEM else {
      if certificatePEM != nil || keyPEM != nil { damage.append("only one of tls.crt and tls.key is there") }
      return nil
    }
    do {
      guard let certificate = try X509Certificate.parsePEM(certificatePEM).first else { return nil }
      // Refuses the key of another certificate.
      let pair = try IssuedCertificate(certificate: certificate, key: try PrivateKey(pem: keyPEM))
      return Serving(certificate: certificate, certificatePEM: pair.certificatePEM, keyPEM: pair.key.pem)
    } catch {
      damage.append("tls.crt, tls.key: \(error)")
      return nil
    }
  }

  /// What is written.
  var data: [String: [UInt8]?] {
    [
      "tls.crt": Array((serving?.certificatePEM ?? "").utf8), "tls.key": Array((serving?.keyPEM ?? "").utf8),
      "ca.crt": bundle, "ca.key": Array((signer?.issuing.key.pem ?? "").utf8),
      "next-ca.key": next.map { Array($0.issuing.key.pem.utf8) },
    ]
  }

  /// The annotations that belong to it.
  var annotations: [String: String?] {
    [
      Self.mark.name: Self.mark.value, Self.inForceSince: nextInForceSince.map(String.init),
      Self.until: retiredUntil.map(String.init),
    ]
  }
}
