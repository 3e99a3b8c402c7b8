import JSON
import Testing

@testable import Kubernetes

@Suite struct YAMLTests {
  /// The nodes as compact text: strings in quotes, the rest bare.
  static func text(_ node: Node) -> String {
    switch node.content {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let number): number
    case .string(let string): "'" + string + "'"
    case .sequence(let elements): "[" + elements.map(text).joined(separator: ",") + "]"
    case .mapping(let members): "{" + members.map { $0.key + ":" + text($0.value) }.joined(separator: ",") + "}"
    }
  }

  static func read(_ yaml: String, limits: YAML.Limits = .init()) throws -> [String] {
    try YAML.documents(Array(yaml.utf8), limits: limits).map(text)
  }

  @Test(arguments: [
    ("", []), ("# nothing\n", []), ("---\n", ["null"]),
    ("--- \n---\na: 1\n...\n---\n- b\n", ["null", "{a:1}", "['b']"]),
    ("a: b", ["{a:'b'}"]), ("\u{FEFF}a: b", ["{a:'b'}"]),
    ("{\"a\": [1, \"2\", null, true]}", ["{a:[1,'2',null,true]}"]),
    ("a: |\n  x\n  y\n", ["{a:'x\ny\n'}"]), ("a: >-\n  x\n  y\n", ["{a:'x y'}"]), ("a: |-\n  x\n\n", ["{a:'x'}"]),
    ("a: \"\\u00e9\\n\\0\"", ["{a:'é\n\u{0}'}"]), ("a: 'it''s'", ["{a:'it''s'}".replacing("''", with: "'")]),
    ("1: x\ntrue: y\n", ["{1:'x',true:'y'}"]), ("a:\n- 1\n- b: {}\n  c: []\n", ["{a:[1,{b:{},c:[]}]}"]),
    ("%YAML 1.2\n---\na: b", ["{a:'b'}"]),
    ("a: !!str 1\nb: ! 2\nc: !!seq []\nd: !!map {}", ["{a:'1',b:'2',c:[],d:{}}"]),
    ("<<: x", ["{<<:'x'}"]), ("a: b\r\nc: d\r\n", ["{a:'b',c:'d'}"]),
  ])
  func `documents are read`(yaml: String, expected: [String]) throws {
    #expect(try Self.read(yaml) == expected)
  }

  @Test(arguments: [
    ("null", "null"), ("Null", "null"), ("NULL", "null"), ("~", "null"), ("nULL", "'nULL'"),
    ("true", "true"), ("True", "true"), ("TRUE", "true"), ("false", "false"), ("False", "false"), ("tRUE", "'tRUE'"),
    ("yes", "'yes'"), ("no", "'no'"), ("on", "'on'"), ("Off", "'Off'"), ("y", "'y'"), ("NO", "'NO'"),
    ("0", "0"), ("-12", "-12"), ("+3", "+3"), ("0777", "0777"), ("0o17", "0o17"), ("0o18", "'0o18'"), ("0x1F", "0x1F"),
    ("0xg", "'0xg'"), ("0x", "'0x'"), ("0b1", "'0b1'"), ("1_000", "'1_000'"), ("1:30", "'1:30'"),
    ("1.5", "1.5"), (".5", ".5"), ("1.", "1."), (".", "'.'"), ("1e3", "1e3"), ("1E-3", "1E-3"), ("1e", "'1e'"),
    ("-x", "'-x'"), ("+", "'+'"), ("-.inf", "-.inf"), (".NaN", ".NaN"), ("+.nan", "'+.nan'"), ("1.2.3", "'1.2.3'"),
    ("2001-12-14", "'2001-12-14'"), ("=", "'='"), ("v1", "'v1'"), ("\"true\"", "'true'"), ("'1'", "'1'"),
    ("\"\"", "''"),
    ("|\n  true", "'true'"),
  ])
  func `plain scalars mean what YAML 1_2 says`(scalar: String, expected: String) throws {
    #expect(try Self.read("--- " + scalar) == [expected])
  }

  struct Hostile: CustomTestStringConvertible {
    let name: String
    let yaml: [UInt8]
    let says: String
    var line: Int?
    var testDescription: String { name }

    init(_ name: String, _ yaml: String, _ says: String, line: Int? = nil) {
      self.init(name, bytes: Array(yaml.utf8), says, line: line)
    }

    init(_ name: String, bytes: [UInt8], _ says: String, line: Int? = nil) {
      self.name = name
      yaml = bytes
      self.says = says
      self.line = line
    }
  }

  static let bomb = """
    a: &a [x,x,x,x,x,x,x,x,x]
    b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]
    c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]
    """

  static let hostile: [Hostile] = [
    Hostile("alias bomb", bomb, "an anchor (&) or an alias (*)", line: 1),
    Hostile("alias", "a: *b", "alias", line: 1),
    Hostile("anchored mapping", "\na: &x\n  b: c", "anchor"),
    Hostile("recursive alias", "&a [*a]", "anchor"),
    Hostile("anchored key", "&a b: c", "anchor"),
    Hostile("deep flow", String(repeating: "[", count: 100_000), "nested deeper than 64 levels", line: 1),
    Hostile("deep flow mappings", String(repeating: "{a: ", count: 10_000), "nested deeper than 64 levels"),
    Hostile("deep block", String(repeating: "- ", count: 100_000), "nested deeper than 64 levels"),
    Hostile("too many bytes", String(repeating: "#", count: (4 << 20) + 1), "at most 4194304 are read"),
    Hostile("too many nodes", "[" + String(repeating: "a,", count: 200_000) + "]", "more than 200000 values"),
    Hostile("too many documents", String(repeating: "---\n", count: 2002), "more than 2000 documents"),
    Hostile(
      "too many directives", (0..<65).map { "%TAG !a\($0)! tag:x\n" }.joined() + "--- a",
      "more than 64 lines that begin with %"),
    Hostile("duplicate key", "a: 1\nb: 2\na: 3\n", "the key \"a\" twice", line: 3),
    Hostile("duplicate key in other quotes", "{a: 1, \"a\": 3}", "the key \"a\" twice", line: 1),
    Hostile("duplicate key by escape", "{a: 1, \"\\u0061\": 3}", "the key \"a\" twice"),
    Hostile("duplicate inner key", "x:\n  a\u{7F}: 1\n".replacing("\u{7F}", with: "") + "  a: 2\n", "twice", line: 3),
    Hostile("unprintable duplicate key", "{\"\\a\": 1, \"\\a\": 2}", "\\u{7}"),
    Hostile("null key", "? \n: x", "an empty key"),
    Hostile("mapping key", "? {a: b}\n: x", "a list or a mapping for a key"),
    Hostile("list key", "[a]: x", "a list or a mapping for a key"),
    Hostile("tab as indentation", "a:\n\tb: c", "is not YAML", line: 2),
    Hostile("binary tag", "a: !!binary aGk=", "a tag that is not read", line: 1),
    Hostile("own tag", "a: !evil x", "a tag that is not read"),
    Hostile("wrong collection tag", "a: !!seq {}", "a tag that is not read"),
    Hostile("python tag", "!!python/object/apply:os.system [x]", "a tag that is not read"),
    Hostile("not UTF-8", bytes: [0x61, 0x3a, 0x20, 0xff, 0xfe], "not YAML in UTF-8", line: 0),
    Hostile("overlong UTF-8", bytes: [0x61, 0xc0, 0x80], "not YAML in UTF-8"),
    Hostile("surrogate in UTF-8", bytes: [0xed, 0xa0, 0x80], "not YAML in UTF-8"),
    Hostile("UTF-16", bytes: [0xff, 0xfe, 0x61, 0x00, 0x3a, 0x00], "not YAML in UTF-8"),
    Hostile("control character", bytes: [0x61, 0x3a, 0x20, 0x00], "not YAML"),
    Hostile("escaped surrogate", "\"\\ud800\"", "is not YAML"),
    Hostile("open quote", "a: \"x", "is not YAML"),
    Hostile("open list", "a: [x", "is not YAML"),
    Hostile("two roots", "a: b\n- c", "is not YAML"),
    Hostile("unknown directive version", "%YAML 9.9\n---\na", "is not YAML"),
  ]

  @Test(arguments: hostile)
  func `hostile text is refused`(case hostile: Hostile) {
    let error = #expect(throws: NodeError.self) { try YAML.documents(hostile.yaml) }
    #expect(error?.description.contains(hostile.says) == true, "\(error?.description ?? "")")
    if let line = hostile.line { #expect(error?.line == line) }
  }

  @Test func `any prefix of a document is read or refused`() {
    let document = Array("a: [1, {b: \"\\u00e9\"}, 'c']\n--- |\n  text\n...\n? k\n: - v\n".utf8)
    var refused = 0
    for count in 0...document.count {
      do { _ = try YAML.documents(Array(document.prefix(count))) } catch { refused += 1 }
    }
    #expect(refused > 0 && refused < document.count)
  }

  @Test func `JSON becomes the same nodes`() throws {
    let text = "{\"a\":[1.50,\"b\",null,false,{}]}"
    let node = try Node(JSONDocument(Array(text.utf8)).root)
    #expect(Self.text(node) == "{a:[1.50,'b',null,false,{}]}")
  }
}
