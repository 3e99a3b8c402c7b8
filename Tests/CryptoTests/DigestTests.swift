import Crypto
import Primitives
import Testing

@Suite struct DigestTests {
  @Test(arguments: [
    (HashAlgorithm.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
      .sha384,
      "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7"
    ),
    (
      .sha512,
      "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        + "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
    ),
  ]) func `the hashes are those of FIPS 180-4`(_ algorithm: HashAlgorithm, _ expected: String) {
    #expect(Hex.encode(algorithm.hash(Array("abc".utf8))) == expected)
    #expect(algorithm.hash([]).count == algorithm.byteCount)
  }

  @Test func `the empty text has the known hash`() {
    #expect(
      Digest(hashing: []).description == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }

  static let hex = "d30e50f9c29fd703790210feeb3d4c43905496d9252989c99c53044c10661b30"

  @Test(arguments: ["sha256:" + hex, "sha512:" + hex + hex]) func `a canonical digest is read and written as it was`(
    _ text: String
  ) throws {
    let digest = try Digest(parsing: text)
    #expect(digest.description == text)
    #expect(digest.bytes.count == digest.algorithm.byteCount)
    #expect(try Digest(parsing: text[...]) == digest)
  }

  static let refused: [(text: String, reason: String)] = [
    ("", "empty"),
    (hex, "names no algorithm"),
    (":\(hex)", "unsupported algorithm at character 1"),
    ("SHA256:\(hex)", "unsupported algorithm at character 1"),
    ("sha384:\(hex)", "unsupported algorithm"),
    ("sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", "unsupported algorithm"),
    (" sha256:\(hex)", "unsupported algorithm"),
    ("sha256:", "0 digits after the colon, sha256 has 64"),
    ("sha256:\(hex.dropLast())", "63 digits"),
    ("sha256:\(hex)0", "65 digits"),
    ("sha256:\(hex)\n", "65 digits"),
    ("sha512:\(hex)", "64 digits after the colon, sha512 has 128"),
    ("sha256:\(hex.uppercased())", "upper-case digit at character 8"),
    ("sha256:../../\(hex.dropFirst(6))", "no hexadecimal digit at character 8"),
    ("sha256: \(hex)", "no hexadecimal digit at character 8"),
    ("sha256:\(hex.dropLast())g", "no hexadecimal digit at character 71"),
    ("sha256:\(hex.dropLast())\n", "no hexadecimal digit at character 71"),
    ("sha256:\(hex.dropLast())０", "no hexadecimal digit at character 71"),
  ]

  @Test(arguments: refused) func `attack 6: any other text is refused, with the reason`(
    _ text: String, _ reason: String
  ) throws {
    let error = try #require(throws: DigestError.self) { try Digest(parsing: text) }
    #expect(error.description.contains(reason))
    #expect(error.description.utf8.count < 400)
    #expect(!error.description.contains("\n"))
  }

  @Test func `a megabyte of text is refused in a short message`() throws {
    let text = "sha256:" + String(repeating: "a", count: 1_000_000)
    let error = try #require(throws: DigestError.self) { try Digest(parsing: text) }
    #expect(error.description.hasSuffix("has 1000000 digits after the colon, sha256 has 64"))
    #expect(error.description.utf8.count < 400)
  }
}
