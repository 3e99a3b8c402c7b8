import JSON
import Testing

@testable import Admission

@Suite struct PatchTests {
  static let object = #"{"a":{"b/c":["x","y"],"m~n":"z"},"":"e","k\"":"q","n":1,"t":"\u0041"}"#

  private func document(_ text: String) throws -> JSONValue { try JSONDocument(Array(text.utf8)).root }

  @Test(arguments: [
    ("/a/b~1c/0", "x"), ("/a/b~1c/1", "y"), ("/a/m~0n", "z"), ("/", "e"), ("/k\"", "q"), ("/t", "A"),
  ])
  func `a pointer leads to its value`(_ pointer: String, _ value: String) throws {
    #expect(try JSONPatch.resolve(pointer, in: try document(Self.object))?.string() == value)
  }

  @Test(arguments: [
    "a", "/a/b", "/a/b~1c/2", "/a/b~1c/-", "/a/b~1c/01", "/a/b~1c/-1", "/a/m~n", "/a/m~2n", "/n/0", "/a/b~1c/x", "/t/0",
    "/a/b~1c/99999999999999999999",
  ])
  func `a pointer to nothing leads nowhere`(_ pointer: String) throws {
    #expect(JSONPatch.resolve(pointer, in: try document(Self.object)) == nil)
  }

  @Test func `the empty pointer is the whole document`() throws {
    #expect(JSONPatch.resolve("", in: try document(Self.object))?.kind == .object)
  }

  @Test func `a patch replaces strings and leaves every other byte`() throws {
    let patch = #"[{"op":"replace","path":"/t","value":"1"},{"op":"replace","path":"/a/b~1c/0","value":"\"2"}]"#
    let result = try JSONPatch.apply(Array(patch.utf8), to: try document(Self.object))
    #expect(
      String(decoding: result, as: UTF8.self)
        == #"{"a":{"b/c":["\"2","y"],"m~n":"z"},"":"e","k\"":"q","n":1,"t":"1"}"#)
  }

  @Test(arguments: [
    #"[{"op":"remove","path":"/t"}]"#, #"[{"op":"add","path":"/t","value":"1"}]"#,
    #"[{"op":"replace","path":"/n","value":"1"}]"#, #"[{"op":"replace","path":"/t","value":1}]"#,
    #"[{"op":"replace","path":"/x","value":"1"}]"#, #"[{"op":"replace","path":"/a","value":"1"}]"#,
    #"[{"op":"replace","path":"/t"}]"#, #"[{"op":"replace","path":"/t","value":"1","from":"/a"}]"#,
    #"[{"op":"replace","path":"/t","value":"1"},{"op":"replace","path":"/t","value":"2"}]"#,
    #"{"op":"replace","path":"/t","value":"1"}"#, "[", "", #"[["op"]]"#,
  ])
  func `a patch that does anything else is refused`(_ patch: String) throws {
    let object = try document(Self.object)
    #expect(throws: JSONPatch.Failure.self) { try JSONPatch.apply(Array(patch.utf8), to: object) }
  }

  struct Check: Sendable {
    let patch: String
    let isGood: Bool
  }

  @Test(arguments: [
    Check(patch: #"[{"op":"replace","path":"/c/0","value":"pinned"}]"#, isGood: true),
    Check(patch: #"[{"op":"replace","path":"/c/0","value":"else"}]"#, isGood: false),
    Check(patch: #"[{"op":"replace","path":"/c/1","value":"pinned"}]"#, isGood: false),
    Check(patch: #"[]"#, isGood: false),
    Check(
      patch: #"[{"op":"replace","path":"/c/0","value":"pinned"},{"op":"replace","path":"/d","value":"x"}]"#,
      isGood: false),
  ])
  func `a patch that is not the one that was meant is found out`(_ row: Check) throws {
    let object = try document(#"{"c":["image","other"],"d":"keep"}"#)
    let target = try #require(JSONPatch.resolve("/c/0", in: object))
    let meant = [JSONPatch.Replacement(pointer: "/c/0", target: target, value: "pinned")]
    if row.isGood {
      try JSONPatch.check(Array(row.patch.utf8), on: object, does: meant)
    } else {
      #expect(throws: JSONPatch.Failure.self) { try JSONPatch.check(Array(row.patch.utf8), on: object, does: meant) }
    }
  }

  @Test func `an object inside a review is patched by its own pointers`() throws {
    let review = try document(#"{"x":"t","request":{"object":{"t":"image"}}}"#)
    let object = try review.member("request").member("object")
    let target = try object.member("t")
    let replacement = JSONPatch.Replacement(pointer: "/t", target: target, value: "pinned")
    let patch = JSONPatch.encode([replacement])
    #expect(String(decoding: patch, as: UTF8.self) == #"[{"op":"replace","path":"/t","value":"pinned"}]"#)
    #expect(try JSONPatch.apply(patch, to: object) == Array(#"{"t":"pinned"}"#.utf8))
    try JSONPatch.check(patch, on: object, does: [replacement])
  }
}
