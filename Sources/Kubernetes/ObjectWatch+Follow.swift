import HTTPClient
import Primitives

extension ObjectWatch {
  /// Follows what happens behind `version`, which moves on with it, until the server ends the stream.
  func follow(from version: inout String?, backoff: inout WatchBackoff) async throws(WatchFailure) {
    let call = APICall(
      path: target.watchPath(from: version ?? "", seconds: 300 + Int(pace.random() * 300)), subject: target.subject,
      permission: "watch on \(target.permission)")
    let stream = try await open(call)
    let opened = pace.now()
    defer {
      stream.close()
      // It worked, though nothing happened meanwhile: what broke it is a new trouble.
      if opened.advanced(by: .seconds(5)) <= pace.now() { backoff.reset() }
    }
    noteOpen()
    var splitter = LineSplitter(limit: limits.lineBytes)
    while let piece = try await next(of: stream, call, &version) {
      guard let lines = splitter.lines(adding: piece) else {
        throw WatchFailure(
          error: unusable(ClusterError(.invalid, "an event has more than \(limits.lineBytes) bytes")), listsAnew: true)
      }
      for line in lines {
        version = try take(line, call)
        noteSign()
        backoff.reset()
      }
    }
  }

  private func open(_ call: APICall) async throws(WatchFailure) -> any HTTPStream {
    let stream: any HTTPStream
    do throws(ClusterError) {
      stream = try await client.open(call, deadline: .after(limits.requestTimeout), silence: limits.silence)
    } catch {
      throw WatchFailure(error: error)
    }
    guard stream.status == 200 else {
      defer { stream.close() }
      throw .refused(
        client.failure(status: stream.status, body: await beginning(of: stream), of: call),
        retryAfter: stream.headers.first { $0.name.lowercased() == "retry-after" }?.value)
    }
    return stream
  }

  /// What a failure says of itself: it is short and comes at once, or is not waited for.
  private func beginning(of stream: any HTTPStream) async -> [UInt8] {
    let timer = Task { [time = limits.requestTimeout] in
      try? await Task.sleep(for: time)
      if !Task.isCancelled { stream.close() }
    }
    defer { timer.cancel() }
    var body: [UInt8] = []
    for _ in 0..<8 where body.count < 64 << 10 {
      guard let piece = try? await stream.next() else { break }
      body += piece
    }
    return body
  }

  /// The next piece; nil at the end, which silence is too: a connection that is dead says nothing. Nor does a server that
  /// was set back to an older state and waits for `version` to come, so the whole is then listed anew.
  private func next(
    of stream: any HTTPStream, _ call: APICall, _ version: inout String?
  ) async throws(WatchFailure) -> [UInt8]? {
    do throws(HTTPClientError) {
      return try await stream.next()
    } catch {
      if error.code == .timedOut {
        version = nil
        return nil
      }
      throw WatchFailure(error: client.failure(error, of: call))
    }
  }

  /// Tells of one event; gives its version.
  private func take(_ line: [UInt8], _ call: APICall) throws(WatchFailure) -> String {
    do {
      switch try WatchEvent(line, of: target, limits: limits) {
      case .bookmark(let version): return version
      case .stored(let object, let version):
        onChange(.stored(try decode(object)))
        return version
      case .deleted(let object, let version):
        onChange(.deleted(try decode(object)))
        return version
      case .error(let status, let body):
        throw WatchFailure.refused(client.failure(status: status, body: body, of: call), retryAfter: nil)
      }
    } catch let failure as WatchFailure {
      throw failure
    } catch {
      // Going on would only bring the same again.
      throw WatchFailure(error: unusable(error), listsAnew: true)
    }
  }
}
