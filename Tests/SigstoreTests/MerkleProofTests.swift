import Crypto
import Foundation
import JSON
import Primitives
import Testing

@testable import Sigstore

@Suite struct MerkleProofTests {
  /// Against the tree as RFC 6962 defines it, by recursion.
  @Test func `every leaf of every small tree has its root`() {
    let all = (0..<33).map { [UInt8($0), 0xAB] }
    for size in 1...33 {
      let leaves = all[..<size]
      let root = ForgeLog.root(leaves)
      for index in 0..<size {
        let path = ForgeLog.path(index, leaves)
        let hash = MerkleProof.leafHash(all[index])
        func found(_ index: Int64, _ size: Int, _ path: [[UInt8]]) -> [UInt8]? {
          MerkleProof.root(leafHash: hash, index: index, size: Int64(size), path: path)
        }
        #expect(found(Int64(index), size, path) == root)
        // No other length, no other leaf, no changed node.
        #expect(found(Int64(index), size, path + [root]) == nil)
        if !path.isEmpty {
          #expect(found(Int64(index), size, path.dropLast()) == nil)
          var changed = path
          changed[path.count / 2][5] ^= 4
          #expect(found(Int64(index), size, changed) != root)
        }
        for other in 0..<size where other != index { #expect(found(Int64(other), size, path) != root) }
        #expect(found(Int64(size), size, path) == nil)
        #expect(found(-1, size, path) == nil)
      }
    }
  }

  @Test func `attack 29: an index beyond the size, no leaves, hashes of another length have no root`() {
    let hash = MerkleProof.leafHash([1])
    #expect(MerkleProof.root(leafHash: hash, index: 0, size: 1, path: []) == hash)
    for (index, size) in [(1, 1), (0, 0), (0, -1), (-1, 1), (Int64.max, Int64.max), (Int64.min, 3)] as [(Int64, Int64)]
    {
      #expect(MerkleProof.root(leafHash: hash, index: index, size: size, path: []) == nil)
    }
    #expect(MerkleProof.root(leafHash: hash, index: 0, size: 2, path: [Array(hash.dropLast())]) == nil)
    #expect(MerkleProof.root(leafHash: hash + [0], index: 0, size: 2, path: [hash]) == nil)
    #expect(MerkleProof.root(leafHash: [], index: 0, size: 1, path: []) == nil)
  }

  @Test func `a path has at most 64 hashes`() {
    let hash = MerkleProof.leafHash([1])
    // The deepest tree that 64 bits can count has 63 levels.
    func found(_ count: Int) -> [UInt8]? {
      MerkleProof.root(
        leafHash: hash, index: 0, size: .max, path: [[UInt8]](repeating: hash, count: count))
    }
    #expect(found(63) != nil)
    for count in [0, 62, 64, 65, 10_000] { #expect(found(count) == nil) }
  }

  /// transparency-dev/merkle, testdata/inclusion: all of them.
  @Test(.enabled(if: Fixtures.folder != nil, "PINSEAL_FIXTURES names no folder"))
  func `the published vectors are judged as published`() throws {
    var verdicts = [true: 0, false: 0]
    for name in try Fixtures.names(under: "transparency-dev-merkle/inclusion") where name.hasSuffix(".json") {
      let vector = try JSONDocument(Fixtures.bytes(name)).root
      func bytes(_ value: JSONValue) throws -> [UInt8] { try #require(Base64.decode(value.string())) }
      func hash(_ name: String) throws -> [UInt8] { try vector.optionalMember(name).map(bytes) ?? [] }
      // Two have an index beyond 63 bits, which nothing that is read here can have.
      let index = (try? vector.member("leafIdx").integer()) ?? .max
      let path = try vector.optionalMember("proof")?.elements().map(bytes) ?? []
      let root = MerkleProof.root(
        leafHash: try hash("leafHash"), index: index, size: try vector.member("treeSize").integer(), path: path)
      let expected = try hash("root")
      let isAccepted = root != nil && root == expected
      #expect(isAccepted == !(try vector.member("wantErr").bool()), "\(name)")
      verdicts[isAccepted, default: 0] += 1
    }
    #expect(verdicts[true, default: 0] >= 5)
    #expect(verdicts[true, default: 0] + verdicts[false, default: 0] == 98)
  }
}

/// The folder of other projects' test data.
enum Fixtures {
  static var folder: String? { ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"] }

  static func bytes(_ path: String) throws -> [UInt8] {
    let folder = try #require(folder)
    return try FileBytes.read("\(folder)/\(path)", maximumBytes: 8 << 20)
  }

  static func names(under path: String) throws -> [String] {
    let folder = try #require(folder)
    return try FileManager.default.subpathsOfDirectory(atPath: "\(folder)/\(path)").sorted().map { "\(path)/\($0)" }
  }
}
