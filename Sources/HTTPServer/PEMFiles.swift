import COpenSSL
import Primitives

/// Owns one reference to an X.509 certificate.
final class CertificateHandle {
  let pointer: OpaquePointer
  /// Takes over the caller's reference.
  init(owning pointer: OpaquePointer) { self.pointer = pointer }
  deinit { X509_free(pointer) }
}

/// Owns a private key.
final class PrivateKeyHandle {
  let pointer: OpaquePointer

  /// The first private key of a PEM file.
  init(file: String) throws(ServerError) {
    let bytes = try SmallFile.read(file, as: "the key")
    OpenSSLErrors.clear()
    let source = try MemorySource(bytes)
    guard let key = pinseal_pem_read_private_key(source.pointer) else {
      let reason = OpenSSLErrors.drain()
      throw ServerError(
        "the key \(file.printable()) is not an unencrypted PEM private key (\(reason ?? "no reason given"))")
    }
    pointer = key
  }

  deinit { EVP_PKEY_free(pointer) }
}

/// The certificates of a PEM file, one at least.
struct CertificateList {
  /// More than any chain or list of authorities holds.
  private static let maximum = 256
  private(set) var certificates: [CertificateHandle] = []

  /// Reads `file`; `role` is what an error calls it.
  init(file: String, as role: String) throws(ServerError) {
    let bytes = try SmallFile.read(file, as: role)
    OpenSSLErrors.clear()
    let source = try MemorySource(bytes)
    while let certificate = pinseal_pem_read_certificate(source.pointer) {
      certificates.append(CertificateHandle(owning: certificate))
      guard certificates.count <= Self.maximum else {
        throw ServerError("\(role) \(file.printable()) holds more than \(Self.maximum) certificates")
      }
    }
    // The end of the file is reported as an error too.
    let isEnd = pinseal_err_is_pem_end(ERR_peek_last_error()) != 0
    let reason = OpenSSLErrors.drain()
    guard !certificates.isEmpty else { throw ServerError("\(role) \(file.printable()) holds no PEM certificate") }
    guard isEnd else {
      throw ServerError("\(role) \(file.printable()) holds a broken certificate (\(reason ?? "no reason given"))")
    }
  }
}

/// A BIO that reads from memory.
private final class MemorySource {
  let pointer: OpaquePointer
  // BIO_new_mem_buf does not copy: the bytes live here as long as it does.
  private let storage: UnsafeMutableBufferPointer<UInt8>

  init(_ bytes: [UInt8]) throws(ServerError) {
    let storage = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: bytes.count + 1)
    _ = storage.initialize(from: bytes + [0])
    guard let source = BIO_new_mem_buf(storage.baseAddress, Int32(bytes.count)) else {
      storage.deallocate()
      throw ServerError("OpenSSL has no memory to read a file")
    }
    self.storage = storage
    pointer = source
  }

  deinit {
    BIO_free(pointer)
    storage.update(repeating: 0)
    storage.deallocate()
  }
}
