import Crypto
import Testing

@Suite struct CertificateTests {
  @Test func `an authority issues certificates for servers and clients`() throws {
    let authority = try IssuedCertificate.authority(commonName: "Test authority")
    #expect(authority.certificatePEM.hasPrefix("-----BEGIN CERTIFICATE-----\n"))
    let server = try authority.issueLeaf(
      commonName: "webhook", dnsNames: ["webhook.default.svc", "*.example.com", "localhost"],
      ipAddresses: ["127.0.0.1", "::1"])
    #expect(server.certificatePEM.hasPrefix("-----BEGIN CERTIFICATE-----\n"))
    #expect(server.key.publicKey != authority.key.publicKey)
    let client = try authority.issueLeaf(commonName: "client", dnsNames: [], ipAddresses: [], client: true)
    #expect(client.certificatePEM != server.certificatePEM)
  }

  @Test(
    arguments: [
      ("", ["a"], []), (String(repeating: "x", count: 65), ["a"], []), ("x", [], []), ("x", ["a b"], []),
      ("x", ["DNS:a,IP:1.2.3.4"], []), ("x", [""], []), ("x", ["a..b"], []), ("x", ["-a"], []), ("x", ["a.*"], []),
      ("x", ["a\u{0}b"], []), ("x", [], ["1.2.3"]), ("x", [], ["localhost"]), ("x", [], ["1.2.3.4/8"]),
    ] as [(String, [String], [String])])
  func `names that are none are refused`(_ commonName: String, _ hosts: [String], _ addresses: [String]) throws {
    let authority = try IssuedCertificate.authority(commonName: "Test authority")
    #expect(throws: KeyError.self) {
      try authority.issueLeaf(commonName: commonName, dnsNames: hosts, ipAddresses: addresses)
    }
  }

  @Test func `a leaf issues nothing`() throws {
    let leaf = try IssuedCertificate.authority(commonName: "Test authority")
      .issueLeaf(commonName: "leaf", dnsNames: ["leaf"], ipAddresses: [])
    let error = try #require(throws: KeyError.self) {
      try leaf.issueLeaf(commonName: "x", dnsNames: ["x"], ipAddresses: [])
    }
    #expect(error.description == "the issuing certificate is no authority's")
  }

  @Test func `a private key survives being written and read`() throws {
    for kind in [PublicKey.Kind.p256, .p384, .p521, .ed25519, .rsa(bits: 2048)] {
      let key = try PrivateKey(generating: kind)
      #expect(key.pem.hasPrefix("-----BEGIN PRIVATE KEY-----\n"))
      #expect(try PrivateKey(pem: key.pem).publicKey == key.publicKey)
    }
  }

  @Test(arguments: ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
  func `text without a private key is refused`(_ text: String) {
    #expect(throws: KeyError.self) { try PrivateKey(pem: text) }
  }

  @Test(arguments: [1024, 9000, 0, -1]) func `an RSA key of an unusual size is not made`(_ bits: Int) {
    #expect(throws: KeyError.self) { try PrivateKey(generating: .rsa(bits: bits)) }
  }
}
