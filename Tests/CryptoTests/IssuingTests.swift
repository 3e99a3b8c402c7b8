import Crypto
import Foundation
import Primitives
import Testing

/// What is issued, judged by this module's own path validation.
@Suite struct IssuingTests {
  private let start: Int64 = 2_000_000_000
  private var year: ClosedRange<Int64> { start...start + 365 * 86_400 }

  private func parsed(_ issued: IssuedCertificate) throws -> X509Certificate {
    try #require(try X509Certificate.parsePEM(issued.certificatePEM).first)
  }

  @Test func `times are those that were asked for, whatever the clock says`() throws {
    let authority = try IssuedCertificate.authority(commonName: "authority", validity: year)
    let leaf = try authority.issueLeaf(
      commonName: "leaf", dnsNames: ["a.example"], ipAddresses: [], validity: start + 1...start + 2)
    #expect(try parsed(authority).validity == Validity(start: start, end: start + 365 * 86_400))
    #expect(try parsed(leaf).validity == Validity(start: start + 1, end: start + 2))
    let roots = [try parsed(authority)]
    for (time, holds) in [(start, false), (start + 1, true), (start + 2, true), (start + 3, false)] {
      let path = Result {
        try CertificatePath.verify(
          leaf: try parsed(leaf), intermediates: [], roots: roots, at: time, purpose: .serverAuthentication)
      }
      #expect(((try? path.get()) != nil) == holds, "\(time - start)")
    }
  }

  @Test(arguments: [
    (["pinseal.pinseal.svc"], [String](), true), (["a.pinseal.pinseal.svc"], [], true),
    (["other.pinseal.svc"], [], false),
    (["pinseal.pinseal.svc", "kubernetes.default.svc"], [], false), (["pinseal.pinseal.svc"], ["10.0.0.1"], false),
    (["pinseal.pinseal.svc"], ["fd00::1"], false),
  ])
  func `an authority with permitted names vouches for these and no address`(
    _ names: [String], _ addresses: [String], _ holds: Bool
  ) throws {
    let authority = try IssuedCertificate.authority(
      commonName: "authority", validity: year, permittedNames: ["pinseal.pinseal.svc"])
    let leaf = try authority.issueLeaf(
      commonName: "pinseal", dnsNames: names, ipAddresses: addresses, validity: start...start + 86_400)
    func verify() throws {
      _ = try CertificatePath.verify(
        leaf: try parsed(leaf), intermediates: [], roots: [try parsed(authority)], at: start + 1,
        purpose: .serverAuthentication)
    }
    if holds {
      try verify()
    } else {
      #expect(try #require(throws: CertificateError.self) { try verify() }.check == .extensions)
    }
    #expect(try parsed(authority).extension("2.5.29.30")?.critical == true)
  }

  @Test func `a client's certificate is no server's, and a stranger's authority vouches for nothing`() throws {
    let authority = try IssuedCertificate.authority(commonName: "authority", validity: year)
    let stranger = try IssuedCertificate.authority(commonName: "authority", validity: year)
    let client = try authority.issueLeaf(
      commonName: "client", dnsNames: [], ipAddresses: [], client: true, validity: start...start + 1)
    let server = try authority.issueLeaf(
      commonName: "server", dnsNames: ["a"], ipAddresses: [], validity: start...start + 1)
    for (leaf, root, check) in [
      (client, authority, CertificateError.Check.purpose), (server, stranger, .issuer),
    ] {
      let error = try #require(throws: CertificateError.self) {
        try CertificatePath.verify(
          leaf: try parsed(leaf), intermediates: [], roots: [try parsed(root)], at: start,
          purpose: .serverAuthentication)
      }
      #expect(error.check == check, "\(error)")
    }
  }

  @Test func `an authority that was written and read again goes on issuing, another's key does not`() throws {
    let made = try IssuedCertificate.authority(commonName: "authority", validity: year)
    let read = try IssuedCertificate(certificate: try parsed(made), key: try PrivateKey(pem: made.key.pem))
    let leaf = try read.issueLeaf(commonName: "leaf", dnsNames: ["a"], ipAddresses: [], validity: start...start + 1)
    _ = try CertificatePath.verify(
      leaf: try parsed(leaf), intermediates: [], roots: [try parsed(made)], at: start, purpose: .serverAuthentication)
    #expect(throws: KeyError.self) {
      try IssuedCertificate(certificate: try parsed(made), key: try PrivateKey(generating: .p256))
    }
  }

  @Test(arguments: [-1...0, 0...4000 * 86_400, 0...253_402_300_800, 253_402_300_799...253_402_300_800])
  func `a validity that no certificate should have is refused`(_ validity: ClosedRange<Int64>) {
    #expect(throws: KeyError.self) { try IssuedCertificate.authority(commonName: "authority", validity: validity) }
  }

  @Test(arguments: ["*.example", "", "a b", "10.0.0.0/8,DNS:x"])
  func `a permitted name is the name of a host`(_ name: String) {
    #expect(throws: KeyError.self) {
      try IssuedCertificate.authority(commonName: "authority", validity: year, permittedNames: [name])
    }
  }
}
