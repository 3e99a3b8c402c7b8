import Crypto
import Logging
import Primitives
import Testing

@testable import TrustRoot

let now = TUFWorkshop.now

/// Runs `body`, which must be refused by this rule, with this text in the message.
func expectRefusal(
  _ code: TUFError.Code, _ text: String, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () async throws -> Void
) async {
  do {
    try await body()
    Issue.record("nothing was refused", sourceLocation: sourceLocation)
  } catch let error as TUFError {
    #expect(error.code == code, "\(error)", sourceLocation: sourceLocation)
    #expect(error.description.contains(text), sourceLocation: sourceLocation)
  } catch {
    Issue.record(error, sourceLocation: sourceLocation)
  }
}

func refresh(_ client: inout TUFClient, at time: UnixTime = now) async throws -> [UInt8] {
  try await client.refresh(at: time, deadline: .after(.seconds(60)))
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A folder that goes away with this value.
final class Folder {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder(name: "pinseal-trustroot-test") }
  deinit { folder.remove() }

  var path: String { folder.path }
  func path(_ name: String) -> String { "\(folder.path)/\(name)" }
  func write(_ name: String, _ bytes: [UInt8]) throws {
    try FileBytes.replace(path(name), with: bytes)
  }
}
