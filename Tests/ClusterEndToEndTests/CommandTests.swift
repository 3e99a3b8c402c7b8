import EndToEndSupport
import Testing

/// How the tests run programs.
@Suite(.enabled(if: EndToEnd.isWanted, "\(EndToEnd.reason)")) struct CommandTests {
  @Test func `a program that leaves its input unread does not take the tests along`() async throws {
    // More than a pipe holds; a signal would end this process.
    try await command("true", [], input: String(repeating: "x", count: 1 << 20)).checked()
    #expect(try await command("cat", [], input: "read").checked().output == "read")
  }
}
