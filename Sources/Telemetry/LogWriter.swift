import Glibc
import Primitives

/// Writes log lines on a thread of its own, so that no reader who is slow (a full pipe, a busy disk) holds up who logs.
///
/// Lines come out in the order in which they came in. What waits is bounded: a line that finds no room is dropped, and in its
/// place one line says how many were. A process that is killed or traps may lose what has not been written yet; `flush` is
/// for all other ends.
public final class LogWriter: @unchecked Sendable {
  /// What waits at most.
  public struct Limits: Sendable {
    /// Lines.
    public var lines = 16384
    /// Their bytes.
    public var bytes = 8 << 20

    /// The defaults.
    public init() {}
  }

  // Guarded by the mutex, which with its conditions lives on the heap at a fixed address, as POSIX demands.
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let wake: UnsafeMutablePointer<pthread_cond_t>
  private let idle: UnsafeMutablePointer<pthread_cond_t>
  private var lines: [[UInt8]] = []
  private var bytes = 0
  /// Lines that were dropped after those that wait.
  private var dropped = 0
  private var isWriting = false
  private var isClosed = false

  private let limits: Limits
  private let write: @Sendable ([UInt8]) -> Void
  private let note: @Sendable (Int) -> [UInt8]

  /// A writer that hands lines to `write`, one by one, and where some were dropped the line that `note` makes of their number.
  public init(
    limits: Limits = .init(), write: @escaping @Sendable ([UInt8]) -> Void, note: @escaping @Sendable (Int) -> [UInt8]
  ) {
    self.limits = limits
    self.write = write
    self.note = note
    mutex = .allocate(capacity: 1)
    mutex.initialize(to: pthread_mutex_t())
    pthread_mutex_init(mutex, nil)
    wake = Self.condition()
    idle = Self.condition()
  }

  private static func condition() -> UnsafeMutablePointer<pthread_cond_t> {
    let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    condition.initialize(to: pthread_cond_t())
    var attributes = pthread_condattr_t()
    pthread_condattr_init(&attributes)
    // So that setting the clock makes nobody wait.
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    pthread_cond_init(condition, &attributes)
    pthread_condattr_destroy(&attributes)
    return condition
  }

  deinit {
    pthread_cond_destroy(idle)
    pthread_cond_destroy(wake)
    pthread_mutex_destroy(mutex)
    idle.deallocate()
    wake.deallocate()
    mutex.deallocate()
  }

  /// Starts the thread; false if there can be none. It ends at `close`.
  public func start() -> Bool {
    guard let thread = try? SystemThread(name: "pinseal-log", { self.run() }) else { return false }
    thread.detach()
    return true
  }

  /// Queues a line, or counts it as dropped. Never waits for who reads.
  public func enqueue(_ line: [UInt8]) {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    // Where some were dropped the next ones are too, until their note is written: nothing is put out of order.
    if isClosed || dropped > 0 || lines.count >= limits.lines || bytes + line.count > limits.bytes {
      dropped += 1
      return
    }
    lines.append(line)
    bytes += line.count
    pthread_cond_signal(wake)
  }

  /// Waits until all is written that was queued before, but no longer than `limit`. Whether it is.
  @discardableResult
  public func flush(within limit: Duration) -> Bool {
    var end = timespec()
    clock_gettime(CLOCK_MONOTONIC, &end)
    let nanoseconds = min(max(0, limit.milliseconds), 3_600_000) * 1_000_000
    let total = end.tv_nsec + nanoseconds
    end.tv_sec += total / 1_000_000_000
    end.tv_nsec = total % 1_000_000_000
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    while isWriting || !lines.isEmpty || dropped > 0 {
      if pthread_cond_timedwait(idle, mutex, &end) == ETIMEDOUT { return false }
    }
    return true
  }

  /// Takes no more lines; the thread ends after it has written what is queued.
  public func close() {
    pthread_mutex_lock(mutex)
    isClosed = true
    pthread_cond_signal(wake)
    pthread_mutex_unlock(mutex)
  }

  private func run() {
    pthread_mutex_lock(mutex)
    while true {
      while lines.isEmpty, dropped == 0, !isClosed { pthread_cond_wait(wake, mutex) }
      if lines.isEmpty, dropped == 0 { break }
      let batch = lines
      lines = []
      isWriting = true
      // Until the batch is out its bytes count: they are in memory.
      pthread_mutex_unlock(mutex)
      for line in batch { write(line) }
      pthread_mutex_lock(mutex)
      bytes = lines.reduce(0) { $0 + $1.count }
      // What was dropped came after all that waits now.
      if lines.isEmpty, dropped > 0 {
        let count = dropped
        dropped = 0
        pthread_mutex_unlock(mutex)
        write(note(count))
        pthread_mutex_lock(mutex)
      }
      isWriting = false
      if lines.isEmpty, dropped == 0 { pthread_cond_broadcast(idle) }
    }
    pthread_cond_broadcast(idle)
    pthread_mutex_unlock(mutex)
  }
}
