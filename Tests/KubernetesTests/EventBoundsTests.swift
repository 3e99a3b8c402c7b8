import HTTPClient
import JSON
import Logging
import Primitives
import Testing

@testable import Kubernetes

@Suite struct EventBoundsTests {
  @Test func `notes are cut to what the API takes, at whole scalars`() throws {
    for character in ["x", "é", "漢", "👍"] {
      let event = failure(String(repeating: character, count: 2000), subject: .namespace(mentioning: "db"))
      let note = event.sentNote
      #expect(note.utf8.count <= 1024 && note.utf8.count > 1015 && note.hasSuffix("…"), "\(character)")
      #expect(!note.unicodeScalars.contains("\u{FFFD}"))
    }
    #expect(failure("short").sentNote == "short")
    #expect(failure("a\nb\u{202E}").sentNote == "a\\u{a}b\\u{202e}")
  }

  @Test func `names of Events are names that Kubernetes allows`() throws {
    let long = String(repeating: "a", count: 229) + "-." + String(repeating: "b", count: 20)
    for name in ["db", "a.b-c", String(repeating: "a", count: 253), long, String(repeating: "a.", count: 126) + "a"] {
      let made = failure(subject: .namespace(mentioning: name)).about(.statefulSet(name: name, uid: "u"))
        .objectName(nanoseconds: .max)
      #expect(DNSName.isSubdomain(made), "\(made)")
    }
    #expect(failure(subject: .namespace(mentioning: "Ä")).objectName(nanoseconds: 255) == "shop.ff")
  }

  @Test func `the reporting instance is never empty and never too long`() throws {
    for (given, length) in [("", 7), (String(repeating: "x", count: 300), 128), ("pod-1", 5)] {
      let stage = try EventStage(instance: given) { _ in (201, "{}") }
      let transport = try APITransport(Connection(server: try ServerAddress(parsing: "https://a.example"))) {
        _ throws(HTTPClientError) in stage.http
      }
      let instance = EventAPI(client: APIClient(transport: transport), instance: given).instance
      #expect(instance.utf8.count <= 128 && !instance.isEmpty && (instance.utf8.count == length || length == 128))
    }
  }

  @Test func `a pace lets a burst through, then one at a time, and holds no more keys than it may`() {
    var pace = KeyedPace<Int>((burst: 3, pace: .seconds(1)), capacity: 4)
    let start = Deadline(nanoseconds: 1_000_000_000_000)
    func takes(_ count: Int, _ moment: Deadline) -> [Bool] {
      var taken: [Bool] = []
      for _ in 0..<count { taken.append(pace.take(0, now: moment)) }
      return taken
    }
    #expect(takes(5, start) == [true, true, true, false, false])
    #expect(pace.next(0, now: start) == start.advanced(by: .seconds(1)))
    #expect(takes(1, start.advanced(by: .milliseconds(999))) == [false])
    #expect(takes(2, start.advanced(by: .seconds(1))) == [true, false])
    let later = start.advanced(by: .seconds(100))
    #expect(takes(5, later) == [true, true, true, false, false])
    for key in 1..<100 {
      let isTaken = pace.take(key, now: later)
      #expect(isTaken)
    }
  }
}
