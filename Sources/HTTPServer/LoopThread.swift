import CLinux
import Glibc

/// The threads that loops run on.
enum LoopThread {
  private final class Box {
    let name: String
    let body: () -> Void
    init(_ name: String, _ body: @escaping () -> Void) {
      self.name = name
      self.body = body
    }
  }

  /// Starts a thread with all signals blocked: they are for the program's own threads.
  static func start(name: String, _ body: sending @escaping () -> Void) throws(ServerError) -> pthread_t {
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    // The new thread takes over the reference; if there is none it is released here.
    let box = Unmanaged.passRetained(Box(name, body))
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let box = Unmanaged<Box>.fromOpaque(argument).takeRetainedValue()
        pinseal_name_thread(box.name)
        box.body()
        return nil
      }, box.toOpaque())
    guard code == 0 else {
      box.release()
      throw ServerError("cannot start a thread: \(systemMessage(code))")
    }
    return thread
  }

  /// How many loops are worth having: the processors this process may use, or what its control group grants if less.
  static var usefulCount: Int {
    let allowed = max(1, Int(pinseal_allowed_processors()))
    guard let granted = grantedProcessors else { return allowed }
    return min(allowed, max(1, granted))
  }

  /// `cpu.max` of this control group, rounded up; nil without a quota.
  private static var grantedProcessors: Int? {
    guard let bytes = try? SmallFile.read("/sys/fs/cgroup/cpu.max", as: "the CPU quota") else { return nil }
    let parts = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    guard parts.count == 2, let quota = Int(parts[0]), let period = Int(parts[1]), quota > 0, period > 0 else {
      return nil
    }
    return (quota - 1) / period + 1
  }
}
