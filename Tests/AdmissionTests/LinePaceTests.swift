import Primitives
import Testing

@testable import Admission

@Suite struct LinePaceTests {
  @Test func `one line passes in an interval, and the next says how many did not`() {
    let pace = LinePace(every: .seconds(1))
    let start = Deadline(nanoseconds: 5_000_000_000)
    #expect(pace.admit(at: start) == 0)
    for _ in 0..<41 { #expect(pace.admit(at: start.advanced(by: .milliseconds(999))) == nil) }
    #expect(pace.admit(at: start.advanced(by: .seconds(1))) == 41)
    #expect(pace.admit(at: start.advanced(by: .seconds(1))) == nil)
    #expect(pace.admit(at: start.advanced(by: .seconds(60))) == 1)
  }
}
