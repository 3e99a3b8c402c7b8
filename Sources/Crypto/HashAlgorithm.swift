import COpenSSL

/// The hash functions that Pinseal computes.
public enum HashAlgorithm: String, Sendable, Hashable, CaseIterable {
  /// SHA-2 (FIPS 180-4) with as many bits as the name says.
  case sha256, sha384, sha512

  /// Bytes of a hash.
  public var byteCount: Int {
    switch self {
    case .sha256: 32
    case .sha384: 48
    case .sha512: 64
    }
  }

  /// The hash of `bytes`.
  public func hash(_ bytes: [UInt8]) -> [UInt8] {
    let digest = OpenSSLContext.shared.digest(self)
    return [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
      let result = bytes.withUnsafeBytes {
        EVP_Digest($0.baseAddress, $0.count, buffer.baseAddress, nil, digest, nil)
      }
      guard result == 1 else { failHashing(self) }
      count = byteCount
    }
  }
}
