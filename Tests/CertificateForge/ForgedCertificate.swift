package import Crypto

/// A certificate of any content, signed by any key.
package struct ForgedCertificate: Sendable {
  /// An extension; `value` is what stands in its OCTET STRING.
  package struct Extension: Sendable {
    package var identifier: String
    package var isCritical: Bool
    package var value: [UInt8]

    package init(_ identifier: String, critical: Bool = false, _ value: [UInt8]) {
      self.identifier = identifier
      isCritical = critical
      self.value = value
    }

    package var encoded: [UInt8] {
      DERText.sequence(
        DERText.identifier(identifier), isCritical ? DERText.yes : [], DERText.octets(value))
    }

    /// BasicConstraints.
    package static func authority(_ isAuthority: Bool = true, pathLength: Int? = nil) -> Extension {
      Extension(
        "2.5.29.19", critical: true,
        DERText.sequence(isAuthority ? DERText.yes : [], pathLength.map(DERText.integer) ?? []))
    }

    /// KeyUsage with these bits of its first byte.
    package static func keyUsage(_ bits: UInt8) -> Extension {
      Extension("2.5.29.15", critical: true, DERText.bits([bits], unused: UInt8(bits.trailingZeroBitCount)))
    }

    /// ExtKeyUsage.
    package static func purposes(_ identifiers: String..., critical: Bool = false) -> Extension {
      Extension("2.5.29.37", critical: critical, DERText.value(0x30, identifiers.flatMap(DERText.identifier)))
    }

    package static let codeSigning = purposes("1.3.6.1.5.5.7.3.3")
    package static let timeStamping = purposes("1.3.6.1.5.5.7.3.8", critical: true)

    /// SubjectAlternativeName of general names, each with its tag.
    package static func names(_ names: (tag: UInt8, content: [UInt8])..., critical: Bool = true) -> Extension {
      Extension(
        "2.5.29.17", critical: critical, DERText.value(0x30, names.flatMap { DERText.value($0.tag, $0.content) }))
    }

    package static func email(_ text: String) -> Extension { names((0x81, Array(text.utf8))) }
    package static func uri(_ text: String) -> Extension { names((0x86, Array(text.utf8))) }

    /// An otherName as Fulcio writes it.
    package static func otherName(_ text: String, identifier: String = "1.3.6.1.4.1.57264.1.7") -> Extension {
      names((0xA0, DERText.identifier(identifier) + DERText.value(0xA0, DERText.utf8(text))))
    }

    /// Fulcio's issuer, the older form of bare bytes.
    package static func issuer(_ text: String) -> Extension { Extension("1.3.6.1.4.1.57264.1.1", Array(text.utf8)) }
    /// Fulcio's issuer, the newer form.
    package static func issuerV2(_ text: String) -> Extension { Extension("1.3.6.1.4.1.57264.1.8", DERText.utf8(text)) }
  }

  package var version: [UInt8] = DERText.value(0xA0, DERText.integer(2))
  package var serialNumber: [UInt8] = DERText.integer(4711)
  package var subject: String
  package var issuer: String
  package var notBefore: [UInt8]
  package var notAfter: [UInt8]
  package var extensions: [Extension]
  package var key: PrivateKey
  /// Signature algorithm inside the signed part, if not the one outside.
  package var innerAlgorithm: [UInt8]?
  /// Bytes between the key and the extensions.
  package var uniqueIdentifiers: [UInt8] = []

  /// A certificate of a P-256 key, valid from one time to another, both inclusive.
  package init(
    subject: String, issuer: String, from start: UnixTime, to end: UnixTime, extensions: [Extension],
    key: PrivateKey? = nil
  ) throws {
    self.subject = subject
    self.issuer = issuer
    notBefore = DERText.certificateTime(start)
    notAfter = DERText.certificateTime(end)
    self.extensions = extensions
    self.key = try key ?? PrivateKey(generating: .p256)
  }

  /// The TBSCertificate.
  package func signedPart(signedBy signer: PrivateKey) -> [UInt8] {
    let list = extensions.isEmpty ? [] : DERText.value(0xA3, DERText.value(0x30, extensions.flatMap(\.encoded)))
    let first = version + serialNumber + (innerAlgorithm ?? DERText.signatureAlgorithm(signer))
    let second = DERText.name(issuer) + DERText.sequence(notBefore, notAfter)
    let third = (subject.isEmpty ? DERText.sequence() : DERText.name(subject)) + key.publicKey.subjectPublicKeyInfo
    return DERText.sequence(first, second, third, uniqueIdentifiers, list)
  }

  /// The certificate in DER.
  package func signed(by signer: PrivateKey) throws -> [UInt8] {
    let part = signedPart(signedBy: signer)
    let signature = try signer.sign(part, scheme: DERText.scheme(signer))
    return DERText.sequence(part, DERText.signatureAlgorithm(signer), DERText.bits(signature))
  }
}
