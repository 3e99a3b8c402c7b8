import Logging
import Primitives

/// A file whose content is read again when it changes: a token that the kubelet renews, an authority that is replaced.
///
/// Looked at by `stat` at most once an interval. What cannot be read leaves the last good content in use.
final class ReloadingFile: Sendable {
  private struct State: Sendable {
    var bytes: [UInt8]
    var version: Int
    var stamp: FileStamp
    var isYoung: Bool
    var nextLook: Deadline
    var failure: String?
  }

  let path: String
  private let limit: Int
  private let interval: Duration
  private let state: Locked<State>
  private let logger = Logger(label: "pinseal.kubernetes")

  /// Reads the file for the first time; `purpose` is for the message if that fails.
  init(path: String, purpose: String, limit: Int, interval: Duration = .seconds(1)) throws(ClusterError) {
    self.path = path
    self.limit = limit
    self.interval = interval
    do throws(FileError) {
      let (bytes, stamp) = try FileAccess.read(path, limit: limit)
      state = Locked(
        State(bytes: bytes, version: 1, stamp: stamp, isYoung: stamp.isYoung(), nextLook: .after(interval)))
    } catch {
      throw ClusterError(.invalid, "the \(purpose) \(path.printable(limit: 1024)) cannot be read: \(error.description)")
    }
  }

  /// The content, and a number that changes with it. `force` looks at the file although the interval is not over.
  func content(force: Bool = false) -> (bytes: [UInt8], version: Int) {
    state.withLock { state in
      if force || state.nextLook <= .now { look(&state) }
      return (state.bytes, state.version)
    }
  }

  /// Why the file as it is now is not what is in use; nil if it is.
  var failure: String? {
    state.withLock { state in
      if state.nextLook <= .now { look(&state) }
      return state.failure
    }
  }

  private func look(_ state: inout State) {
    state.nextLook = .after(interval)
    do throws(FileError) {
      guard try FileStamp(path: path) != state.stamp || state.isYoung else {
        state.failure = nil
        return
      }
      let (bytes, stamp) = try FileAccess.read(path, limit: limit)
      if bytes != state.bytes {
        state.bytes = bytes
        state.version += 1
      }
      state.stamp = stamp
      state.isYoung = stamp.isYoung()
      state.failure = nil
    } catch {
      let failure = "\(path.printable(limit: 1024)) cannot be read any more: \(error.description)"
      if failure != state.failure { logger.error("\(failure)") }
      state.failure = failure
    }
  }
}
