import Crypto
import Foundation
import Primitives
import Testing

/// Wycheproof's vectors (C2SP/wycheproof, testvectors_v1), where `PINSEAL_FIXTURES` names a folder that holds them in
/// `wycheproof`.
@Suite(
  .enabled(
    if: ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"] != nil,
    "PINSEAL_FIXTURES names no folder with Wycheproof's vectors"))
struct WycheproofTests {
  struct File: Decodable {
    let testGroups: [Group]
  }

  struct Group: Decodable {
    let publicKeyDer: String
    let publicKeyPem: String
    let tests: [Vector]
  }

  struct Vector: Decodable {
    let tcId: Int
    let comment: String
    let flags: [String]
    let msg: String
    let sig: String
    let result: String
  }

  struct Case: CustomTestStringConvertible {
    let file: String
    let scheme: SignatureScheme
    /// How many vectors must have been judged, so that refusing all keys does not pass.
    let minimum: Int
    var testDescription: String { file }
  }

  static let cases = [
    Case(file: "ecdsa_secp256r1_sha256_test", scheme: .ecdsa(.sha256), minimum: 480),
    Case(file: "ecdsa_secp256r1_sha512_test", scheme: .ecdsa(.sha512), minimum: 500),
    Case(file: "ecdsa_secp384r1_sha256_test", scheme: .ecdsa(.sha256), minimum: 470),
    Case(file: "ecdsa_secp384r1_sha384_test", scheme: .ecdsa(.sha384), minimum: 500),
    Case(file: "ecdsa_secp521r1_sha512_test", scheme: .ecdsa(.sha512), minimum: 500),
    Case(file: "ecdsa_secp256r1_sha256_p1363_test", scheme: .ecdsa(.sha256), minimum: 250),
    Case(file: "ed25519_test", scheme: .ed25519, minimum: 140),
    Case(file: "rsa_signature_2048_sha256_test", scheme: .rsaPKCS1v15(.sha256), minimum: 240),
    Case(file: "rsa_signature_3072_sha256_test", scheme: .rsaPKCS1v15(.sha256), minimum: 240),
    Case(file: "rsa_signature_4096_sha256_test", scheme: .rsaPKCS1v15(.sha256), minimum: 240),
  ]

  private func load(_ name: String) throws -> File {
    let folder = try #require(ProcessInfo.processInfo.environment["PINSEAL_FIXTURES"])
    let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/wycheproof/\(name).json"))
    return try JSONDecoder().decode(File.self, from: data)
  }

  @Test(arguments: cases) func `every vector has the verdict that Wycheproof expects`(_ example: Case) throws {
    var judged = 0
    for group in try load(example.file).testGroups {
      let key: PublicKey
      do {
        key = try PublicKey(subjectPublicKeyInfo: try #require(Hex.decode(group.publicKeyDer)))
        #expect(try PublicKey.parsePEM(group.publicKeyPem) == [key])
      } catch {
        // Keys with a small exponent, and Ed25519 keys of small order, are refused on purpose.
        #expect("\(error)".contains("exponent is") || "\(error)".contains("small order"), "\(error)")
        continue
      }
      for vector in group.tests {
        judged += 1
        let check = key.verify(
          try #require(Hex.decode(vector.sig)), of: try #require(Hex.decode(vector.msg)), scheme: example.scheme)
        // What is acceptable (RSA without the NULL in its DigestInfo) is not what RFC 8017 writes.
        #expect(
          check == (vector.result == "valid" ? .valid : .invalid), "\(vector.tcId) \(vector.comment) \(vector.flags)")
      }
    }
    #expect(judged >= example.minimum)
  }

  @Test func `attack 31: no PSS signature passes for PKCS 1`() throws {
    var judged = 0
    for group in try load("rsa_pss_2048_sha256_mgf1_32_test").testGroups {
      let key = try PublicKey(subjectPublicKeyInfo: try #require(Hex.decode(group.publicKeyDer)))
      for vector in group.tests {
        judged += 1
        let signature = try #require(Hex.decode(vector.sig))
        let message = try #require(Hex.decode(vector.msg))
        // One of these vectors is a PKCS 1 signature in truth, which PSS must refuse.
        let expected = vector.comment == "PKCS #1 v1.5 signature with SHA-256" ? SignatureCheck.valid : .invalid
        #expect(key.verify(signature, of: message, scheme: .rsaPKCS1v15(.sha256)) == expected, "\(vector.tcId)")
      }
    }
    #expect(judged > 50)
  }
}
