import CLinux
import Glibc

/// A thread of one's own, for what must not hold up Swift's.
public struct SystemThread: Sendable {
  private final class Work {
    let name: String
    let body: () -> Void
    init(_ name: String, _ body: @escaping () -> Void) {
      self.name = name
      self.body = body
    }
  }

  /// Why there can be no more threads.
  public struct Failure: Error, Sendable, CustomStringConvertible {
    /// As the system puts it.
    public let description: String
  }

  private let handle: pthread_t

  /// Starts a thread with this name (15 bytes of it are kept) and all signals blocked: they are for the program's own
  /// threads. It is to be joined or detached, once.
  public init(name: String, _ body: sending @escaping () -> Void) throws(Failure) {
    var all = sigset_t()
    var before = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_BLOCK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    var thread = pthread_t()
    // The new thread takes over the reference; if there is none it is released here.
    let work = Unmanaged.passRetained(Work(name, body))
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let work = Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
        pinseal_name_thread(work.name)
        work.body()
        return nil
      }, work.toOpaque())
    guard code == 0 else {
      work.release()
      throw Failure(description: String(cString: strerror(code)))
    }
    handle = thread
  }

  /// Waits for its end.
  public func join() { pthread_join(handle, nil) }

  /// Nobody will wait for its end.
  public func detach() { pthread_detach(handle) }
}
