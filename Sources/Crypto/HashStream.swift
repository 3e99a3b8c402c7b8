import COpenSSL

/// A hash of bytes that come one part after another, for what is too large to be held.
public struct HashStream: ~Copyable {
  private let context: OpaquePointer
  private let algorithm: HashAlgorithm

  /// The hash of nothing yet.
  public init(_ algorithm: HashAlgorithm) {
    guard let context = EVP_MD_CTX_new(),
      EVP_DigestInit_ex(context, OpenSSLContext.shared.digest(algorithm), nil) == 1
    else { failHashing(algorithm) }
    self.context = context
    self.algorithm = algorithm
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Takes in the next part.
  public mutating func update(_ bytes: some Collection<UInt8>) {
    func update(_ buffer: UnsafeRawBufferPointer) {
      guard EVP_DigestUpdate(context, buffer.baseAddress, buffer.count) == 1 else { failHashing(algorithm) }
    }
    let done: Void? = bytes.withContiguousStorageIfAvailable { update(UnsafeRawBufferPointer($0)) }
    if done == nil { Array(bytes).withUnsafeBytes { update($0) } }
  }

  /// The hash of all parts.
  public consuming func finish() -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: algorithm.byteCount) { buffer, count in
      guard EVP_DigestFinal_ex(context, buffer.baseAddress, nil) == 1 else { failHashing(algorithm) }
      count = algorithm.byteCount
    }
  }
}
