import Crypto
import JSON
import Primitives
import Testing

@testable import Sigstore

/// Changes within values: other capitals in names, other numbers, other bits.
extension Tree {
  /// A string or number somewhere inside.
  private struct Scalar {
    let path: String
    let text: String
    let replaced: (String) -> Tree

    /// What the string says; nil for what is none.
    var string: String? { text.first == "\"" ? try? JSONDocument(Array(text.utf8)).root.string() : nil }
  }

  private func scalars(_ path: String = "", _ rebuild: @escaping (Tree) -> Tree = { $0 }) -> [Scalar] {
    switch self {
    case .scalar(let text): return [Scalar(path: path, text: text) { rebuild(.scalar($0)) }]
    case .array(let elements):
      return elements.indices.flatMap { index in
        elements[index].scalars("\(path)[\(index)]") { new in
          var changed = elements
          changed[index] = new
          return rebuild(.array(changed))
        }
      }
    case .object(let members):
      return members.indices.flatMap { index in
        members[index].value.scalars(path.isEmpty ? members[index].name : "\(path).\(members[index].name)") { new in
          var changed = members
          changed[index].value = new
          return rebuild(.object(changed))
        }
      }
    }
  }

  private static func quoted(_ bytes: [UInt8]) -> String {
    "\""
      + bytes.map { byte in
        switch byte {
        case 0x22, 0x5C, ..<0x20: "\\u00" + Hex.encode([byte])
        case 0x80...: ""
        default: String(UnicodeScalar(byte))
        }
      }.joined() + "\""
  }

  /// This text with every member's name in turn in other capitals.
  func caseFolds(_ path: String = "") -> [Mutation] {
    switch self {
    case .scalar: return []
    case .array(let elements):
      return elements.indices.flatMap { index in
        elements[index].caseFolds("\(path)[\(index)]").map { inner in
          var changed = elements
          changed[index] = inner.tree
          return Mutation(inner.name, .array(changed))
        }
      }
    case .object(let members):
      return members.indices.flatMap { index in
        let member = members[index]
        let name = path.isEmpty ? member.name : "\(path).\(member.name)"
        let spellings = [
          member.name.uppercased(), member.name.lowercased(),
          member.name.prefix(1).uppercased() + member.name.dropFirst(),
          // What Unicode takes for equal, or folds to the same.
          member.name.replacing("k", with: "\u{212A}").replacing("K", with: "\u{212A}"),
          member.name.replacing("s", with: "\u{17F}"),
        ]
        func with(_ new: Tree.Member) -> Tree {
          var changed = members
          changed[index] = new
          return .object(changed)
        }
        return spellings.filter { !$0.isExactly(member.name) }.map {
          Mutation("\(name) folded", with(Member(name: $0, value: member.value)))
        }
          + spellings.prefix(1).map {
            Mutation("\(name) and folded", .object(members + [Member(name: $0, value: member.value)]))
          }
          + member.value.caseFolds(name).map {
            Mutation($0.name, with(Member(name: member.name, value: $0.tree)))
          }
      }
    }
  }

  /// This text with every integer in turn one more and one less, and every base64 spelt otherwise.
  func nudges() -> [Mutation] {
    scalars().flatMap { scalar -> [Mutation] in
      let digits = scalar.string ?? scalar.text
      if let number = Int64(digits) {
        return [number + 1, number - 1, -number, number + 1 << 32].map {
          Mutation("\(scalar.path) + n", scalar.replaced(scalar.string == nil ? "\($0)" : "\"\($0)\""))
        }
      }
      guard let text = scalar.string, Base64.decode(text, dialect: .protobuf)?.isEmpty == false else { return [] }
      var spellings: [(String, String)] = [
        ("with a line feed", text + "\n"), ("with a space", " " + text), ("padded more", text + "="),
        ("with more", text + "AAAA"), ("cut", String(text.dropLast(4))),
      ]
      // The bits behind the last byte.
      let bare = text.filter { $0 != "=" }
      let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
      if bare != text, let last = bare.last, let place = alphabet.firstIndex(of: last) {
        spellings.append(("with odd bits", bare.dropLast() + String(alphabet[place + 1]) + text.dropFirst(bare.count)))
      }
      return spellings.map { Mutation("\(scalar.path) \($0.0)", scalar.replaced(Self.quoted(Array($0.1.utf8)))) }
    }
  }

  /// This text with every base64 in turn as protobuf's JSON may spell it as well: of the same bytes.
  func respellings() -> [Mutation] {
    scalars().flatMap { scalar -> [Mutation] in
      guard let text = scalar.string, text.utf8.count >= 12, Base64.decode(text)?.isEmpty == false else { return [] }
      let urlSafe = text.replacing("+", with: "-").replacing("/", with: "_")
      return [("URL-safe", urlSafe), ("unpadded", text.filter { $0 != "=" })].filter { $0.1 != text }.map {
        Mutation("\(scalar.path) \($0.0)", scalar.replaced("\"\($0.1)\""))
      }
    }
  }

  /// One string, with one bit changed in each of its bytes; of base64 and PEM, in what they encode.
  struct Flips {
    let path: String
    let trees: [(byte: Int, tree: Tree)]
  }

  /// Of each string, as many bytes as `limit` at equal distances; of certificates and tokens as many as `limitDER`.
  func flips(limit: Int, limitDER: Int) -> [Flips] {
    scalars().compactMap { scalar in
      guard let text = scalar.string, !text.isEmpty, Int64(text) == nil else { return nil }
      let (bytes, encode) = Self.decoded(text)
      let limit = bytes.count > 256 && bytes[0] == 0x30 ? limitDER : limit
      let step = max(1, (bytes.count - 1) / limit + 1)
      let positions = stride(from: 0, to: bytes.count, by: step).filter { bytes[$0] < 0x80 || encode != nil }
      return Flips(
        path: scalar.path,
        trees: positions.map { position in
          var changed = bytes
          changed[position] ^= 1 << UInt8(position % (encode == nil ? 7 : 8))
          return (position, scalar.replaced(encode?(changed) ?? Self.quoted(changed)))
        })
    }
  }

  private static func decoded(_ text: String) -> (bytes: [UInt8], encode: (([UInt8]) -> String)?) {
    let (begin, end) = ("-----BEGIN CERTIFICATE-----\n", "\n-----END CERTIFICATE-----\n")
    if text.hasPrefix(begin), text.hasSuffix(end),
      let der = Base64.decode(text.dropFirst(begin.count).dropLast(end.count).filter { $0 != "\n" })
    {
      return (der, { "\"" + (begin + Base64.encode($0) + end).replacing("\n", with: "\\n") + "\"" })
    }
    if text.utf8.count >= 12, let bytes = Base64.decode(text, dialect: .protobuf) {
      return (bytes, { "\"\(Base64.encode($0))\"" })
    }
    return (Array(text.utf8), nil)
  }
}

extension Tree {
  /// A layer's annotations, those that are JSON as what they say.
  init(annotations: [String: String]) throws {
    self = .object(
      try annotations.sorted { $0.key < $1.key }.map { name, text in
        Member(
          name: name, value: text.first == "{" ? try Tree(Array(text.utf8)) : .scalar(Self.quoted(Array(text.utf8))))
      })
  }

  /// The annotations again. What no registry's manifest can hold is refused as its reader refuses it.
  func annotations() throws -> [String: String] {
    guard case .object(let members) = self else { throw CandidateRejection(.malformed, "annotations are no object") }
    var result: [String: String] = [:]
    for member in members {
      var text = member.value.text
      if case .scalar = member.value { text = try JSONDocument(Array(text.utf8)).root.annotation }
      guard result.updateValue(text, forKey: member.name) == nil else {
        throw CandidateRejection(.malformed, "an annotation twice")
      }
    }
    return result
  }
}

extension JSONValue {
  fileprivate var annotation: String {
    get throws { kind == .string ? try string() : String(decoding: bytes, as: UTF8.self) }
  }
}
