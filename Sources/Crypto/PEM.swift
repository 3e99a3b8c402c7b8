import Primitives

/// Textual encodings (RFC 7468), read strictly: a configured key must mean one thing to every reader.
enum PEM {
  /// What a text is read for.
  enum Content: String {
    case publicKey = "key"
    case certificate

    fileprivate var labels: [String] {
      switch self {
      case .publicKey: ["PUBLIC KEY", "RSA PUBLIC KEY"]
      case .certificate: ["CERTIFICATE"]
      }
    }

    fileprivate var plural: String { rawValue + "s" }
  }

  struct Block {
    let isPKCS1: Bool
    let content: [UInt8]
  }

  static func block(_ label: String, _ content: [UInt8]) -> String {
    let text = Array(Base64.encode(content).utf8)
    var result = "-----BEGIN \(label)-----\n"
    for start in stride(from: 0, to: text.count, by: 64) {
      result += String(decoding: text[start..<min(start + 64, text.count)], as: UTF8.self) + "\n"
    }
    return result + "-----END \(label)-----\n"
  }

  static func blocks(of text: String, as content: Content, maximumCount: Int) throws(KeyError) -> [Block] {
    var blocks: [Block] = []
    var open: (label: String, line: Int, content: [UInt8])?
    var number = 0
    for line in Array(text.utf8).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      number += 1
      let line = trim(line)
      if var block = open {
        if line.starts(with: "-----".utf8) {
          guard line.elementsEqual("-----END \(block.label)-----".utf8) else {
            throw KeyError(
              "line \(number): expected -----END \(block.label)-----, for the block begun in line \(block.line)")
          }
          guard let bytes = Base64.decode(block.content), !bytes.isEmpty else {
            throw KeyError("the block begun in line \(block.line) does not hold valid base64")
          }
          guard blocks.count < maximumCount else {
            throw KeyError(
              maximumCount == 1 ? "more than one \(content.rawValue)" : "more than \(maximumCount) \(content.plural)")
          }
          blocks.append(Block(isPKCS1: block.label == "RSA PUBLIC KEY", content: bytes))
          open = nil
        } else if line.contains(UInt8(ascii: ":")) {
          throw KeyError("line \(number): a header inside a PEM block; only base64 may stand there")
        } else if line.isEmpty {
          throw KeyError("line \(number): an empty line inside a PEM block")
        } else {
          // Let go of first: to append to a copy, line by line, would take quadratic time.
          open = nil
          block.content += line
          open = block
        }
      } else if line.starts(with: "-----BEGIN ".utf8) {
        let label = try label(of: line, number, content)
        open = (label, number, [])
      } else if !line.isEmpty {
        throw KeyError("line \(number): \(outside(line, content))")
      }
    }
    if let open { throw KeyError("the PEM block begun in line \(open.line) has no -----END \(open.label)-----") }
    guard !blocks.isEmpty else {
      throw KeyError("there is no \(content.rawValue): expected a PEM block -----BEGIN \(content.labels[0])-----")
    }
    return blocks
  }

  private static func trim(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
    var line = line.drop(while: isSpace)
    while let last = line.last, isSpace(last) { line.removeLast() }
    return line
  }

  private static func label(
    of line: ArraySlice<UInt8>, _ number: Int, _ content: Content
  ) throws(KeyError) -> String {
    let text = String(decoding: line, as: UTF8.self)
    guard text.utf8.count > 16, text.hasSuffix("-----") else {
      throw KeyError(
        "line \(number): the line that begins a PEM block goes on behind its dashes; line breaks seem to be lost (in YAML, write"
          + " the key as a block with |)")
    }
    let label = String(text.utf8.dropFirst(11).dropLast(5)) ?? ""
    // By bytes: for Swift a Kelvin sign equals the letter K.
    if content.labels.contains(where: { $0.utf8.elementsEqual(label.utf8) }) { return label }
    let shown = label.printable(limit: 48)
    if label.contains("-----") {
      throw KeyError(
        "line \(number): a whole PEM block in one line; keep its line breaks (in YAML, write it as a block with |)")
    }
    if content == .certificate {
      throw KeyError("line \(number): a PEM block \"\(shown)\" is no certificate; expected CERTIFICATE")
    }
    if label.hasSuffix("PRIVATE KEY") {
      throw KeyError(
        "line \(number): this is a private key (\(shown)): put only the public key there, and replace the private one, which"
          + " others may have read here")
    }
    if label.hasSuffix("CERTIFICATE") {
      throw KeyError(
        "line \(number): this is a certificate (\(shown)): put its public key there (openssl x509 -in FILE -noout -pubkey)"
      )
    }
    let advice =
      switch label {
      case "PGP PUBLIC KEY BLOCK": "OpenPGP keys do not make Sigstore signatures"
      case "SSH2 PUBLIC KEY": "convert it (ssh-keygen -e -m PKCS8 -f FILE)"
      default: "expected PUBLIC KEY or RSA PUBLIC KEY"
      }
    throw KeyError("line \(number): a PEM block \"\(shown)\" is no public key; \(advice)")
  }

  private static func outside(_ line: ArraySlice<UInt8>, _ content: Content) -> String {
    let text = String(decoding: line.prefix(64), as: UTF8.self)
    if content == .publicKey, text.hasPrefix("ssh-") || text.hasPrefix("ecdsa-sha2-") {
      return "this is a key in OpenSSH's form; convert it (ssh-keygen -e -m PKCS8 -f FILE)"
    }
    return
      "\"\(text.printable(limit: 32))\" stands outside of a PEM block; only -----BEGIN \(content.labels[0])----- blocks may be there"
  }
}
