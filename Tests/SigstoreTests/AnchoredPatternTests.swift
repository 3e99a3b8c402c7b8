import Glibc
import Primitives
import Sigstore
import Testing

@Suite struct AnchoredPatternTests {
  struct Case: CustomTestStringConvertible {
    let pattern: String
    let matching: [String]
    let others: [String]
    var testDescription: String { pattern }

    init(_ pattern: String, _ matching: [String], not others: [String]) {
      (self.pattern, self.matching, self.others) = (pattern, matching, others)
    }
  }

  static let cases: [Case] = [
    Case("a", ["a"], not: ["", "A", "aa", "ba", "ab", "a\n"]),
    Case("abc", ["abc"], not: ["ab", "abcd", "xabc"]),
    Case(".", ["a", "\u{E9}", "\u{1F600}"], not: ["", "\n", "ab", "e\u{301}"]),
    Case("(?s).", ["a", "\n"], not: ["ab"]),
    Case("a*", ["", "a", "aaaa"], not: ["b", "ab"]),
    Case("a+", ["a", "aaaa"], not: ["", "b"]),
    Case("a?", ["", "a"], not: ["aa"]),
    Case("a*?b+?c??", ["b", "aabbc"], not: ["a", "bcc"]),
    Case("a{3}", ["aaa"], not: ["aa", "aaaa"]),
    Case("a{2,}", ["aa", "aaaaa"], not: ["a"]),
    Case("a{2,3}", ["aa", "aaa"], not: ["a", "aaaa"]),
    Case("a{0}b", ["b"], not: ["ab"]),
    Case("(ab){2}", ["abab"], not: ["ab", "aabb"]),
    Case("a|b", ["a", "b"], not: ["", "ab"]),
    Case("a|bc|", ["a", "bc", ""], not: ["b"]),
    Case("(a|b)*c", ["c", "ababc"], not: ["ab"]),
    Case("(?:ab)+", ["ab", "abab"], not: ["aba"]),
    Case("(?P<name>a)(?<other>b)", ["ab"], not: ["a"]),
    Case("()", [""], not: ["a"]),
    Case("(a*)*", ["", "aaa"], not: ["b"]),
    Case("(a|)+b", ["b", "aab"], not: ["a"]),
    Case("^a$", ["a"], not: ["a\n", "\na"]),
    Case("\\Aa\\z", ["a"], not: ["a\n"]),
    Case("^a|b$", ["a", "b"], not: ["ax", "xb"]),
    Case("(^a|b)c$", ["ac", "bc"], not: ["xac"]),
    Case("a$b", [], not: ["ab", "a", "a\nb"]),
    Case("a^b", [], not: ["ab"]),
    Case("^*a", ["a"], not: []),
    Case("[abc]", ["a", "c"], not: ["d", "ab", ""]),
    Case("[a-c0-9_-]+", ["a0-_"], not: ["d", "a b"]),
    Case("[^a-c]", ["d", "\n", "\u{1F600}"], not: ["a", ""]),
    Case("[]a]", ["]", "a"], not: ["b"]),
    Case("[^]a]", ["b"], not: ["]", "a"]),
    Case("[a\\-z]", ["a", "-", "z"], not: ["b"]),
    Case("[\\d\\s]", ["1", " "], not: ["d"]),
    Case("[[:alpha:][:digit:]]+", ["aZ9"], not: ["_", "\u{E9}"]),
    Case("[\u{E0}-\u{FF}]", ["\u{E9}"], not: ["e"]),
    Case("\\d+", ["0123456789"], not: ["\u{663}", "a"]),
    Case("\\w+", ["aZ_0"], not: ["\u{E9}", "-"]),
    Case("\\W\\D\\S", ["- x", "-ab"].filter { $0 == "-ab" }, not: ["a1 "]),
    Case("\\s+", [" \t\n\r"], not: ["\u{A0}", "x"]),
    Case("a\\.b\\/c\\@", ["a.b/c@"], not: ["axb/c@"]),
    Case("\\x41\\x{1F600}\\t", ["A\u{1F600}\t"], not: ["A"]),
    Case("(?i)JaNe@EXAMPLE\\.com", ["jane@example.com", "JANE@EXAMPLE.COM"], not: ["jane@example,com"]),
    Case("(?i)[a-c]", ["A", "b"], not: ["d"]),
    Case("(?i)[^a-c]", ["d", "D"], not: ["A", "a"]),
    Case("(?i)k", ["k", "K"], not: ["\u{212A}"]),
    Case("a(?i:b)c", ["abc", "aBc"], not: ["Abc", "abC"]),
    Case("(?:(?i)a)b", ["ab", "Ab"], not: ["aB"]),
    Case("(?i)a(?-i)b", ["Ab"], not: ["AB"]),
    Case("(?i-s:a.)", ["Ab"], not: ["A\n"]),
    Case("]}", ["]}"], not: [""]),
    Case("\u{E9}", ["\u{E9}"], not: ["e\u{301}"]),
    Case(";", [";"], not: ["\u{37E}"]),
    Case(
      "https://github\\.com/org/.*", ["https://github.com/org/repo/.github/workflows/x.yml@refs/heads/main"],
      not: [
        "https://evil.example/?https://github.com/org/", "https://githubXcom/org/", "https://github.com/org/x\ny",
      ]),
  ]

  @Test(arguments: cases) func `a pattern matches the whole of a text and nothing else`(_ example: Case) throws {
    let pattern = try AnchoredPattern(example.pattern)
    for text in example.matching { #expect(pattern.matches(text), "\(text.debugDescription)") }
    for text in example.others { #expect(!pattern.matches(text), "\(text.debugDescription)") }
  }

  @Test(
    arguments: [
      ("", "a pattern is empty"),
      ("a)", "at character 2 a ) without its ("),
      ("(a", "at character 1 a ( without its )"),
      ("a[b", "at character 2 a [ without its ]"),
      ("[]", "at character 1 a [ without its ]"),
      ("[z-a]", "at character 3 a range in brackets whose ends are no characters in order"),
      ("[a-\\d]", "at character 3 a range in brackets"),
      ("[[:nope:]]", "at character 2 a class [:nope:] that is not known"),
      ("*a", "at character 1 a * with nothing before it"),
      ("a|+", "at character 3 a + with nothing before it"),
      ("(?)", "at character 1 a group with the flag )"),
      ("{2}", "at character 1 a { with nothing before it"),
      ("a**", "at character 3 a repetition of a repetition (*)"),
      ("a++", "at character 3 a repetition of a repetition (+)"),
      ("a{2}{3}", "at character 5 a repetition of a repetition ({)"),
      ("a{", "at character 2 a { that begins no repetition"),
      ("a{x}", "at character 2 a { that begins no repetition"),
      ("a{,3}", "at character 2 a { that begins no repetition"),
      ("a{3,2}", "at character 2 a repetition whose end is below its beginning"),
      ("a{1001}", "at character 3 a repetition of more than 1000 times"),
      ("a{99999999999999999999}", "at character 3 a repetition of more than 1000 times"),
      ("(a)\\1", "at character 4 a back-reference or octal escape, which is not supported"),
      ("a(?=b)", "at character 2 a look-ahead, which is not supported"),
      ("a(?!b)", "at character 2 a look-ahead, which is not supported"),
      ("(?<=a)b", "at character 1 a look-behind, which is not supported"),
      ("(?<!a)b", "at character 1 a look-behind, which is not supported"),
      ("(?>a)", "at character 1 an atomic group, which is not supported"),
      ("\\bfoo", "at character 1 a word boundary, which is not supported"),
      ("\\pL", "at character 1 a Unicode property, which is not supported"),
      ("\\Q", "at character 1 an escape \\Q that means nothing"),
      ("\\Z", "at character 1 an escape \\Z that means nothing"),
      ("a\\", "at character 2 a \\ with nothing behind it"),
      ("\\x4", "at character 1 an escape \\x that names no character"),
      ("\\x{D800}", "at character 1 an escape \\x that names no character"),
      ("\\x{110000}", "at character 1 an escape \\x that names no character"),
      ("(?m)^a", "at character 1 a group with the flag m; taken are i and s"),
      ("(?U)a", "at character 1 a group with the flag U"),
      ("(?P=n)", "at character 1 a group of an unknown kind"),
      ("(?P<>a)", "at character 1 a group whose name is malformed"),
      ("(?#x)", "at character 1 a group with the flag #"),
      ("((a{100}){100}){100}", "a pattern is too large"),
      ("(){1000}(){1000}((((){1000}){1000}){1000}){1000}", "a pattern is too large"),
      ("(a{0,1000}){0,1000}", "a pattern is too large"),
      ("[a-z]{1000}[a-z]{1000}", "a pattern is too large"),
    ])
  func `what is no pattern is refused, with the place`(_ source: String, _ expected: String) throws {
    let error = try #require(throws: PatternError.self) { try AnchoredPattern(source) }
    #expect(error.description.contains(expected), "\(error)")
    #expect(error.description == error.description.printable(limit: 500))
  }

  @Test func `patterns and texts are bounded`() throws {
    #expect(throws: Never.self) { try AnchoredPattern(String(repeating: "a", count: 1000)) }
    let long = try #require(throws: PatternError.self) { try AnchoredPattern(String(repeating: "a", count: 1025)) }
    #expect(long.description == "a pattern has 1025 bytes, at most 1024 are taken")
    let deep = String(repeating: "(", count: 300) + "a" + String(repeating: ")", count: 300)
    let nested = try #require(throws: PatternError.self) { try AnchoredPattern(deep) }
    #expect(nested.description.contains("more than 32 groups within each other"))
    let all = try AnchoredPattern(".*")
    #expect(all.matches(String(repeating: "a", count: 4096)))
    #expect(!all.matches(String(repeating: "a", count: 4097)))
  }

  @Test(
    .timeLimit(.minutes(5)),
    arguments: [
      "(a+)+$", "(a*)*b", "(a|aa)+$", "(a|a?)+b", "(.*a){20}", "(x+x+)+y", "(.*)(.*)(.*)(.*)(.*)[^a!]",
      "(a?){250}a{250}b", "((((a*)*)*)*)*b", "(a{0,20}){0,20}b",
    ])
  func `no pattern makes matching slow`(_ source: String) throws {
    let pattern = try AnchoredPattern(source)
    let text = String(repeating: "a", count: 4095) + "!"
    let begin = Self.processorTime
    #expect(!pattern.matches(text))
    // Generous, for builds without optimisation; backtracking would need longer than the universe.
    #expect(Self.processorTime - begin < .seconds(30))
  }

  /// What this thread has taken, whatever else the machine does.
  private static var processorTime: Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }

  @Test func `patterns are equal by their bytes`() throws {
    #expect(try AnchoredPattern("a") == AnchoredPattern("a"))
    #expect(try AnchoredPattern(";") != AnchoredPattern("\u{37E}"))
    #expect(try Set([AnchoredPattern("K"), AnchoredPattern("\u{212A}"), AnchoredPattern("K")]).count == 2)
  }
}
