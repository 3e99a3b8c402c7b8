import COpenSSL
import Primitives

/// An X.509 certificate of version 3 (RFC 5280), read strictly: one certificate, in DER, bounded. Nothing in it is verified.
///
/// Decoded once; immutable; may be used from many threads at a time.
public final class X509Certificate: Sendable, Hashable {
  /// Bytes of the largest certificate that is read; one of Fulcio has about 800.
  public static let maximumByteCount = 32_768

  /// The certificate's bytes.
  public let der: [UInt8]
  /// What was read from them.
  let fields: CertificateFields
  let handle: CertificateHandle
  private let key: Result<PublicKey, KeyError>

  /// The certificate that these bytes are. Trailing bytes, other encodings than DER, an extension twice are refused.
  public init(der: [UInt8]) throws(CertificateError) {
    guard der.count <= Self.maximumByteCount else {
      throw CertificateError(.form, "the certificate has \(der.count) bytes, at most \(Self.maximumByteCount) are read")
    }
    self.der = der
    fields = try CertificateFields(reading: der)
    handle = try CertificateHandle(der: der)
    let encodedKey = Array(fields.subjectPublicKeyInfo)
    do throws(KeyError) {
      key = .success(
        try PublicKey(subjectPublicKeyInfo: encodedKey, decoded: X509_get_pubkey(handle.pointer)))
    } catch {
      key = .failure(error)
    }
    // What OpenSSL says of a key that it cannot decode was said again, and is told with the key.
    ERR_clear_error()
  }

  /// The certificate's key; an error if it is of a kind that `PublicKey` does not take.
  public var publicKey: PublicKey {
    get throws(CertificateError) {
      switch key {
      case .success(let key): return key
      case .failure(let error):
        throw CertificateError(.key, "the certificate's key cannot be used: \(error.description)")
      }
    }
  }

  /// The key as SubjectPublicKeyInfo (DER), of whatever kind it is.
  public var subjectPublicKeyInfo: [UInt8] { Array(fields.subjectPublicKeyInfo) }
  /// From notBefore to notAfter, both of them inside.
  public var validity: Validity { fields.validity }
  /// The names in the extension subjectAlternativeName, in their order; empty where there is none.
  public var subjectAlternativeNames: [SubjectAlternativeName] { fields.subjectAlternativeNames }
  /// Whether its basic constraints say that it is an authority's.
  public var isCertificateAuthority: Bool { fields.isAuthority }

  /// The extension with this object identifier (dotted decimals): whether it is critical, and its value. Each is there once.
  public func `extension`(_ identifier: String) -> (critical: Bool, value: [UInt8])? {
    fields.extensions.first { $0.identifier == identifier }.map { ($0.isCritical, Array($0.value)) }
  }

  /// Whether both are the same bytes.
  public static func == (left: X509Certificate, right: X509Certificate) -> Bool { left.der == right.der }

  /// Hashes the bytes.
  public func hash(into hasher: inout Hasher) { hasher.combine(der) }
}

extension X509Certificate: CustomStringConvertible {
  /// The subject for messages, `CN=…,O=…`, or the first alternative name where the subject is empty.
  public var description: String {
    let subject = handle.subjectText
    if !subject.isEmpty { return subject.printable(limit: 96) }
    return subjectAlternativeNames.first { $0.text != nil }?.text?.printable(limit: 96) ?? "without a name"
  }
}

/// Owns an `X509`.
final class CertificateHandle: @unchecked Sendable {  // OpenSSL counts references and locks inside; never changed.
  let pointer: OpaquePointer

  init(der: [UInt8]) throws(CertificateError) {
    var pointer = X509_new_ex(OpenSSLContext.shared.pointer, nil)
    let isRead = der.withUnsafeBufferPointer { buffer in
      var position = buffer.baseAddress
      return d2i_X509(&pointer, &position, buffer.count) != nil
    }
    guard isRead, let pointer else {
      throw CertificateError(.form, "OpenSSL cannot read the certificate: \(takeOpenSSLError())")
    }
    self.pointer = pointer
    // Reads all extensions, once, before the certificate is shared.
    guard X509_check_purpose(pointer, -1, 0) == 1 else {
      throw CertificateError(.extensions, "OpenSSL cannot read the certificate's extensions: \(takeOpenSSLError())")
    }
    ERR_clear_error()
  }

  deinit { X509_free(pointer) }

  var subjectText: String {
    textFromOpenSSL { pinseal_print_name($0, X509_get_subject_name(pointer)) } ?? ""
  }
}
