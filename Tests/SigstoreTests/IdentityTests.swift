import CertificateForge
import Crypto
import Sigstore
import Testing

@Suite struct IdentityTests {
  /// The identity of a certificate with these names and this issuer, as verification finds it.
  private func identity(
    _ names: ForgedCertificate.Extension, issuer: String = "https://issuer.example.com"
  ) throws -> SignerIdentity {
    let sigstore = try ForgedSigstore()
    let leaf = try X509Certificate(der: sigstore.issue(sigstore.leaf(names, issuer: issuer)))
    return try KeylessCertificate(leaf).verify(
      signedTimes: [ForgedSigstore.now], root: TrustedRoot(parsing: sigstore.trustedRoot()))
  }

  @Test func `every kind of alternative name is a subject`() throws {
    let found = try identity(
      .names(
        (0x82, Array("host.example.com".utf8)), (0x86, Array("https://example.com/w".utf8)), (0x87, [192, 0, 2, 1]),
        (0x81, Array("jane@example.com".utf8)),
        (0xA0, DERText.identifier("1.3.6.1.4.1.57264.1.7") + DERText.value(0xA0, DERText.utf8("foo!bar")))))
    #expect(
      found.subjects == ["host.example.com", "https://example.com/w", "192.0.2.1", "jane@example.com", "foo!bar"])
    #expect(found.issuer == "https://issuer.example.com")
    for subject in found.subjects {
      let matcher = IdentityMatcher(identity: .exact(subject), issuer: .exact("https://issuer.example.com"))
      #expect(matcher.matches(found))
    }
  }

  @Test func `both the subject and the issuer must match`() throws {
    let found = try identity(.email("jane@example.com"))
    let subject = TextMatcher.pattern(try AnchoredPattern(".*@example\\.com"))
    let issuer = TextMatcher.pattern(try AnchoredPattern("https://issuer\\..*"))
    let good: [(TextMatcher, TextMatcher)] = [
      (.exact("jane@example.com"), .exact("https://issuer.example.com")), (subject, issuer),
      (.exact("jane@example.com"), issuer), (subject, .exact("https://issuer.example.com")),
    ]
    for (identity, issuer) in good {
      #expect(IdentityMatcher(identity: identity, issuer: issuer).matches(found))
    }
    let bad: [(TextMatcher, TextMatcher)] = [
      (.exact("john@example.com"), issuer), (subject, .exact("https://issuer.example.co")),
      (.exact("JANE@example.com"), issuer), (.exact(""), issuer), (subject, .exact("")),
      (.exact("jane@example.com\n"), issuer), (subject, .exact("https://issuer.example.com/")),
    ]
    for (identity, issuer) in bad {
      #expect(!IdentityMatcher(identity: identity, issuer: issuer).matches(found))
    }
  }

  @Test func `CVE-2026-22772: a pattern for an organisation does not match an address that only mentions it`() throws {
    let found = try identity(
      .uri("https://evil.example/?https://github.com/org/"), issuer: "https://evil.example/?https://issuer.example.com")
    let github = TextMatcher.pattern(try AnchoredPattern("https://github.com/org/.*"))
    let any = TextMatcher.pattern(try AnchoredPattern(".*"))
    #expect(!IdentityMatcher(identity: github, issuer: any).matches(found))
    let issuer = TextMatcher.pattern(try AnchoredPattern("https://issuer.example.com"))
    #expect(!IdentityMatcher(identity: any, issuer: issuer).matches(found))
    #expect(IdentityMatcher(identity: any, issuer: any).matches(found))
  }

  @Test func `CVE-2025-29778: a pattern counts also where there is no literal`() throws {
    let found = try identity(.email("jane@example.com"))
    let other = TextMatcher.pattern(try AnchoredPattern("somebody@.*"))
    let any = TextMatcher.pattern(try AnchoredPattern(".*"))
    #expect(!IdentityMatcher(identity: other, issuer: any).matches(found))
    #expect(!IdentityMatcher(identity: any, issuer: other).matches(found))
  }

  @Test func `texts that Unicode takes for one are two`() throws {
    let found = try identity(.otherName("K;"))
    let issuer = TextMatcher.exact("https://issuer.example.com")
    #expect(IdentityMatcher(identity: .exact("K;"), issuer: issuer).matches(found))
    #expect(!IdentityMatcher(identity: .exact("\u{212A};"), issuer: issuer).matches(found))
    #expect(!IdentityMatcher(identity: .exact("K\u{37E}"), issuer: issuer).matches(found))
    #expect(TextMatcher.exact("K") != .exact("\u{212A}"))
    #expect(Set<TextMatcher>([.exact("K"), .exact("\u{212A}"), .pattern(try AnchoredPattern("K"))]).count == 3)
    let other = try identity(.otherName("\u{212A};"))
    #expect(found != other)
    #expect(Set([found, other, found]).count == 2)
  }
}
