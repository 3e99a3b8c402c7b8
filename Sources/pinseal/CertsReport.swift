import Crypto
import JSON
import Primitives
import Webhook

/// Certificates as they are shown: no key, no value of a Secret.
struct CertsReport {
  struct Row {
    let source: String
    let certificate: X509Certificate

    var fingerprint: String { Hex.encode(HashAlgorithm.sha256.hash(certificate.der)) }
    var names: [String] { certificate.subjectAlternativeNames.compactMap(\.text) }
  }

  let now: UnixTime
  private(set) var rows: [Row] = []

  init(now: UnixTime) { self.now = now }

  init(pem: String, source: String, at now: UnixTime) throws {
    self.init(now: now)
    try add(Array(pem.utf8), source: source)
  }

  /// Adds the certificates of a PEM text; blocks of other kinds, a key beside its certificate say, are passed over.
  mutating func add(_ bytes: [UInt8], source: String) throws {
    let text = String(decoding: bytes, as: UTF8.self)
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----")
    var rest = text[...]
    while let start = rest.firstRange(of: begin), let stop = rest[start.upperBound...].firstRange(of: end) {
      guard rows.count < 64 else { throw CertsFault("more than 64 certificates") }
      let block = String(rest[start.lowerBound..<stop.upperBound])
      do throws(CertificateError) {
        for certificate in try X509Certificate.parsePEM(block, maximumCount: 1) {
          rows.append(Row(source: source.printable(limit: 512), certificate: certificate))
        }
      } catch {
        throw CertsFault("\(source.printable(limit: 512)): \(error.description)")
      }
      rest = rest[stop.upperBound...]
    }
  }

  /// Whether all of them are valid now.
  var isValid: Bool { rows.allSatisfy { $0.certificate.validity.contains(now) } }

  var text: String {
    rows.map { row in
      let certificate = row.certificate
      let kind = certificate.isCertificateAuthority ? "authority" : "certificate"
      var lines = ["\(row.source): \(kind) \(certificate)"]
      if !row.names.isEmpty {
        lines.append("  for          " + row.names.map { $0.printable(limit: 256) }.joined(separator: ", "))
      }
      lines.append("  valid        \(certificate.validity)\(remark(certificate.validity))")
      lines.append("  fingerprint  SHA256:\(row.fingerprint)")
      if let key = try? certificate.publicKey { lines.append("  key          \(key.kind) \(key.fingerprint)") }
      return lines.joined(separator: "\n")
    }.joined(separator: "\n")
  }

  private func remark(_ validity: Validity) -> String {
    guard let end = validity.end else { return "" }
    if let start = validity.start, now < start { return " (NOT YET)" }
    return now > end ? " (EXPIRED)" : " (\((end - now) / 86_400) days left)"
  }

  /// An array of objects, one a certificate. Members may be added to, and are neither renamed nor taken away:
  /// source, authority, subject, names, notBefore, notAfter (seconds since 1970), valid, fingerprint, key (kind), keyFingerprint.
  var json: String {
    var writer = JSONWriter(capacity: 2048)
    writer.array { list in
      for row in rows {
        let certificate = row.certificate
        let key = try? certificate.publicKey
        list.object { one in
          one.member("source", row.source)
          one.member("authority", certificate.isCertificateAuthority)
          one.member("subject", "\(certificate)")
          one.name("names")
          one.array { names in for name in row.names { names.string(name) } }
          one.member("notBefore", certificate.validity.start ?? 0)
          one.member("notAfter", certificate.validity.end ?? 0)
          one.member("valid", certificate.validity.contains(now))
          one.member("fingerprint", "SHA256:\(row.fingerprint)")
          one.optional("key", key.map { "\($0.kind)" })
          one.optional("keyFingerprint", key.map { "\($0.fingerprint)" })
        }
      }
    }
    return writer.text
  }
}

extension CertificateKeeper.Outcome {
  var text: String {
    var lines = changes.isEmpty ? ["nothing had to be done"] : changes
    lines += missing.map { "MISSING: \($0)" }
    lines.append("the serving certificate is valid until \(CalendarTime.text(servingNotAfter))")
    lines.append("the authority is valid until \(CalendarTime.text(authorityNotAfter))")
    return lines.joined(separator: "\n")
  }

  /// changes: [text], missing: [text], servingNotAfter, authorityNotAfter (seconds since 1970).
  var json: String {
    var writer = JSONWriter(capacity: 512)
    writer.object { root in
      root.name("changes")
      root.array { list in for change in changes { list.string(change) } }
      root.name("missing")
      root.array { list in for id in missing { list.string("\(id)") } }
      root.member("servingNotAfter", servingNotAfter)
      root.member("authorityNotAfter", authorityNotAfter)
    }
    return writer.text
  }
}
