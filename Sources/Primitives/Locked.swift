import Glibc

/// A value that one thread at a time may touch.
///
/// Built on `pthread_mutex_t` because ThreadSanitizer cannot see `Synchronization.Mutex`. The closure is synchronous, so
/// the lock cannot be held across an `await`.
public final class Locked<Value>: @unchecked Sendable {
  // The mutex lives on the heap at a fixed address for as long as this object does, as POSIX demands.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private var value: Value

  /// Guards `value`.
  public init(_ value: sending Value) {
    self.value = value
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
  }

  deinit {
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
  }

  /// Runs `body` alone with the value.
  public func withLock<Result, Failure: Error>(
    _ body: (inout sending Value) throws(Failure) -> sending Result
  ) throws(Failure) -> sending Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body(&value)
  }
}
