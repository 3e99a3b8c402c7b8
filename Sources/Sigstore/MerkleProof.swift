import Crypto

/// Proofs that an entry is in a log's tree (RFC 6962 §2.1, RFC 9162 §2.1.3).
enum MerkleProof {
  /// Hashes of a path that are looked at: no tree of 64-bit size needs more.
  static let maximumPathCount = 64

  /// The hash of a leaf with this content.
  static func leafHash(_ content: [UInt8]) -> [UInt8] { HashAlgorithm.sha256.hash([0] + content) }

  /// The root of the tree of `size` leaves whose leaf number `index` has `leafHash`, by its audit path, or nil if no such
  /// tree has such a path: the index must be below the size, and the path exactly as long as the tree is deep there.
  static func root(leafHash: [UInt8], index: Int64, size: Int64, path: [[UInt8]]) -> [UInt8]? {
    guard index >= 0, index < size, path.count <= maximumPathCount else { return nil }
    guard leafHash.count == HashAlgorithm.sha256.byteCount, path.allSatisfy({ $0.count == leafHash.count }) else {
      return nil
    }
    var node = index
    var last = size - 1
    var hash = leafHash
    for sibling in path {
      guard last > 0 else { return nil }
      if node & 1 == 1 || node == last {
        hash = parent(sibling, hash)
        // The last node of a level without a sibling moves up as it is.
        while node & 1 == 0, node > 0 {
          node >>= 1
          last >>= 1
        }
      } else {
        hash = parent(hash, sibling)
      }
      node >>= 1
      last >>= 1
    }
    return last == 0 ? hash : nil
  }

  private static func parent(_ left: [UInt8], _ right: [UInt8]) -> [UInt8] {
    HashAlgorithm.sha256.hash([1] + left + right)
  }
}
