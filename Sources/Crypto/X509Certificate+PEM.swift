extension X509Certificate {
  /// All certificates of a text with one or more PEM blocks `CERTIFICATE`, in their order. Nothing else may stand there.
  public static func parsePEM(_ text: String, maximumCount: Int = 10) throws(CertificateError) -> [X509Certificate] {
    // Base64 and line ends make a third more of the bytes.
    let limit = min(maximumCount, 64) * (maximumByteCount / 2 * 3)
    guard text.utf8.count <= limit else {
      throw CertificateError(.form, "\(text.utf8.count) bytes of text, at most \(limit) are read")
    }
    let blocks: [PEM.Block]
    do throws(KeyError) {
      blocks = try PEM.blocks(of: text, as: .certificate, maximumCount: maximumCount)
    } catch {
      throw CertificateError(.form, error.description)
    }
    var certificates: [X509Certificate] = []
    for block in blocks { certificates.append(try X509Certificate(der: block.content)) }
    return certificates
  }

  /// A PEM block `CERTIFICATE`, with a newline at its end.
  public var pem: String { PEM.block("CERTIFICATE", der) }
}
