import Primitives

extension PublicKey {
  /// Bytes of text that are looked at; sixteen RSA keys of 8192 bits have about 24,000.
  private static var maximumTextByteCount: Int { 65_536 }

  /// All keys of a text with one or more PEM blocks `PUBLIC KEY` / `RSA PUBLIC KEY`, in their order, each once.
  ///
  /// Refused, with the reason: anything but white space around the blocks, other blocks, more than `maximumCount` keys,
  /// weak keys, encodings that are not canonical. A key that is there twice is returned once.
  public static func parsePEM(_ text: String, maximumCount: Int = 16) throws(KeyError) -> [PublicKey] {
    guard text.utf8.count <= maximumTextByteCount else {
      throw KeyError("\(text.utf8.count) bytes of text, at most \(maximumTextByteCount) are read")
    }
    let blocks = try PEM.blocks(of: text, as: .publicKey, maximumCount: maximumCount)
    var keys: [PublicKey] = []
    for (position, block) in blocks.enumerated() {
      do {
        let key = try PublicKey(
          subjectPublicKeyInfo: block.isPKCS1
            ? SubjectPublicKeyInfo.wrapping(rsaPublicKey: block.content) : block.content)
        if !keys.contains(key) { keys.append(key) }
      } catch {
        throw blocks.count == 1 ? error : KeyError("key \(position + 1) of \(blocks.count): \(error)")
      }
    }
    return keys
  }
}
