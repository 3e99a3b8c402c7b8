import Crypto
import Testing

@Suite struct HashStreamTests {
  @Test(arguments: HashAlgorithm.allCases, [[], [0], [1, 63, 64, 65, 0, 1000], [4096, 4096]])
  func `parts have the hash of the whole`(algorithm: HashAlgorithm, sizes: [Int]) {
    var stream = HashStream(algorithm)
    var whole: [UInt8] = []
    for (index, size) in sizes.enumerated() {
      let part = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ index) }
      whole += part
      if index.isMultiple(of: 2) { stream.update(part) } else { stream.update(part.lazy.map { $0 }) }
    }
    #expect(stream.finish() == algorithm.hash(whole))
  }
}
