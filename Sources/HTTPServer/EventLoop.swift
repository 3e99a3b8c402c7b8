import CLinux
import Glibc
import Logging
import Primitives

/// One thread's loop: epoll, its connections, its timers. All of it is touched by that thread only, after the start.
final class EventLoop {
  /// Keys of epoll events and timers that are no connection's: a connection's has a generation in its upper half.
  private enum Key {
    static let mailbox: UInt64 = 0
    static let listener: UInt64 = 1
    static let certificates: UInt64 = 2
    static let drainDeadline: UInt64 = 3
  }

  private struct Slot {
    var generation: UInt32
    var connection: Connection?
  }

  let core: ServerCore
  let mailbox: Mailbox
  let counters: LoopCounters
  /// Where sockets are read into; what must outlive the event is copied out.
  let scratch: UnsafeMutableRawBufferPointer
  /// The monotonic clock when the present round of events began, in nanoseconds.
  private(set) var now = Deadline.now.nanoseconds
  private(set) var isDraining = false
  private(set) var drainStartedAt: UInt64 = 0
  var dates = DateCache()

  private let index: Int
  private let epoll: Int32
  private var listener: Listener?
  private var listenerIsPaused = false
  private var slots: [Slot] = []
  private var freeSlots: [Int] = []
  private var connectionCount = 0
  private var timers = TimerHeap()
  /// Connections that have more to read although epoll may not say so.
  private var unfinished: [Connection] = []
  /// Connections that have something to write at the end of the round.
  private var dirty: [Connection] = []
  private var spareBuffers: [[UInt8]] = []
  private var refusedConnections = 0
  private var lastRefusalReport: UInt64 = 0
  private var lastRoomReport: UInt64 = 0

  init(core: ServerCore, index: Int, listener: sending Listener?) throws(ServerError) {
    self.core = core
    self.index = index
    self.listener = listener
    mailbox = core.loops[index].mailbox
    counters = core.loops[index].counters
    epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
    guard epoll >= 0 else { throw ServerError("cannot make an epoll instance: \(systemMessage(errno))") }
    scratch = .allocate(byteCount: 64 << 10, alignment: 64)
    _ = register(mailbox.descriptor, EPOLLIN.rawValue, Key.mailbox)
    if let listener { _ = register(listener.descriptor, EPOLLIN.rawValue, Key.listener) }
    if index == 0, let certificates = core.certificates {
      timers.insert(.init(time: now &+ certificates.reloadInterval.loopNanoseconds, key: Key.certificates))
    }
  }

  deinit {
    close(epoll)
    scratch.deallocate()
  }

  // MARK: Running

  /// Runs until a drain has ended.
  func run() {
    let capacity = 256
    let events = UnsafeMutablePointer<epoll_event>.allocate(capacity: capacity)
    defer { events.deallocate() }
    while !(isDraining && connectionCount == 0) {
      let count = epoll_wait(epoll, events, Int32(capacity), waitMilliseconds())
      now = Deadline.now.nanoseconds
      for position in 0..<Int(max(0, count)) {
        dispatch(pinseal_epoll_event_key(events + position), pinseal_epoll_event_events(events + position))
      }
      resumeUnfinished()
      fireTimers()
      while let connection = dirty.popLast() {
        connection.isDirty = false
        connection.flush()
      }
    }
    finish()
  }

  private func waitMilliseconds() -> Int32 {
    if !unfinished.isEmpty { return 0 }
    guard let next = timers.nextTime else { return -1 }
    let present = Deadline.now.nanoseconds
    guard next > present else { return 0 }
    // Rounded up: waking early would only mean to look again.
    return Int32(clamping: min((next - present) / 1_000_000 + 1, 3_600_000))
  }

  private func dispatch(_ key: UInt64, _ events: UInt32) {
    switch key {
    case Key.mailbox: for message in mailbox.take() { receive(message) }
    case Key.listener: acceptConnections()
    default: connection(key)?.handleEvents(events)
    }
  }

  private func receive(_ message: LoopMessage) {
    switch message {
    case .adopt(let descriptor): adopt(descriptor)
    case .answer(let key, let request, let response): connection(key)?.deliver(response, to: request)
    case .drain(let deadline): beginDraining(deadline)
    }
  }

  private func resumeUnfinished() {
    guard !unfinished.isEmpty else { return }
    let connections = unfinished
    unfinished = []
    for connection in connections {
      connection.isUnfinished = false
      connection.readAvailable()
    }
  }

  private func finish() {
    for case .adopt(let descriptor) in mailbox.close() {
      close(descriptor)
      forgetConnection()
    }
    core.ending.loopEnded()
  }

  // MARK: Timers

  /// Wakes `connection` at `time`, or before.
  func wake(_ connection: Connection, at time: UInt64) {
    guard time < connection.wakesAt else { return }
    connection.wakesAt = time
    timers.insert(.init(time: time, key: connection.key))
  }

  private func fireTimers() {
    while let entry = timers.popDue(now) {
      switch entry.key {
      case Key.certificates:
        guard let certificates = core.certificates, !isDraining else { continue }
        certificates.reloadIfChanged()
        timers.insert(.init(time: now &+ certificates.reloadInterval.loopNanoseconds, key: Key.certificates))
      case Key.listener:
        listenerIsPaused = false
        if let listener { _ = register(listener.descriptor, EPOLLIN.rawValue, Key.listener) }
      case Key.drainDeadline: closeAll()
      default:
        guard let connection = connection(entry.key), connection.wakesAt == entry.time else { continue }
        connection.wakesAt = .max
        connection.checkDeadline()
      }
    }
  }

  // MARK: Connections

  private func connection(_ key: UInt64) -> Connection? {
    let position = Int(UInt32(truncatingIfNeeded: key))
    guard position < slots.count, slots[position].generation == UInt32(key >> 32) else { return nil }
    return slots[position].connection
  }

  private func acceptConnections() {
    guard let listener, !listenerIsPaused else { return }
    // Not without end: the connections that are there shall have their turn.
    for _ in 0..<64 {
      switch listener.accept() {
      case .connection(let descriptor): place(descriptor)
      case .none: return
      case .exhausted(let reason):
        core.logger.error("cannot accept connections for now", metadata: ["reason": "\(reason)"])
        listenerIsPaused = true
        unregister(listener.descriptor)
        timers.insert(.init(time: now &+ 100_000_000, key: Key.listener))
        return
      }
    }
  }

  /// Gives a new connection to the loop with the fewest, or closes it if there are enough.
  private func place(_ descriptor: Int32) {
    guard core.admitConnection() else {
      close(descriptor)
      reportRefusal()
      return
    }
    var chosen = index
    if !isDraining {
      for (candidate, loop) in core.loops.enumerated()
      where loop.counters.openConnections.current < core.loops[chosen].counters.openConnections.current {
        chosen = candidate
      }
    }
    let loop = core.loops[chosen]
    loop.counters.openConnections.increment()
    if chosen == index {
      adopt(descriptor)
    } else if !loop.mailbox.post(.adopt(descriptor: descriptor)) {
      close(descriptor)
      loop.counters.openConnections.decrement()
      core.connections.decrement()
    }
  }

  private func reportRefusal() {
    refusedConnections += 1
    guard now &- lastRefusalReport > 10_000_000_000 || lastRefusalReport == 0 else { return }
    lastRefusalReport = now
    core.logger.warning(
      "too many connections: new ones are closed",
      metadata: ["limit": "\(core.limits.connections)", "closed": "\(refusedConnections)"])
    refusedConnections = 0
  }

  /// Says, once in a while, that requests are refused for want of room.
  func reportNoRoom() {
    guard now &- lastRoomReport > 10_000_000_000 || lastRoomReport == 0 else { return }
    lastRoomReport = now
    core.logger.warning(
      "too much waits to be answered: requests are refused with 503",
      metadata: ["limit": "\(core.limits.bufferedBytes)"])
  }

  private func adopt(_ descriptor: Int32) {
    guard let transport = Transport(descriptor: descriptor, context: core.certificates?.current) else {
      forgetConnection()
      return
    }
    let position: Int
    if let free = freeSlots.popLast() {
      position = free
    } else {
      position = slots.count
      slots.append(Slot(generation: 0, connection: nil))
    }
    // Generation 0 is left to the keys that are no connection's.
    let generation = slots[position].generation == .max ? 1 : slots[position].generation + 1
    let key = UInt64(generation) << 32 | UInt64(position)
    let connection = Connection(loop: self, key: key, transport: transport)
    slots[position] = Slot(generation: generation, connection: connection)
    connectionCount += 1
    guard register(descriptor, connection.interest, key) else {
      connection.close()
      return
    }
    connection.begin()
  }

  /// Called by a connection that has closed.
  func remove(_ connection: Connection) {
    let position = Int(UInt32(truncatingIfNeeded: connection.key))
    guard position < slots.count, slots[position].connection === connection else { return }
    slots[position].connection = nil
    freeSlots.append(position)
    connectionCount -= 1
    forgetConnection()
  }

  private func forgetConnection() {
    counters.openConnections.decrement()
    core.connections.decrement()
  }

  func resume(_ connection: Connection) {
    guard !connection.isUnfinished else { return }
    connection.isUnfinished = true
    unfinished.append(connection)
  }

  func flushLater(_ connection: Connection) {
    guard !connection.isDirty else { return }
    connection.isDirty = true
    dirty.append(connection)
  }

  // MARK: Draining

  private func beginDraining(_ deadline: UInt64) {
    guard !isDraining else { return }
    isDraining = true
    drainStartedAt = now
    if let listener {
      // Who waits in the queue already has a connection as far as he knows: he is served like the others.
      unregister(listener.descriptor)
      acceptConnections()
      self.listener = nil
      for (other, loop) in core.loops.enumerated() where other != index {
        loop.mailbox.post(.drain(deadline: deadline))
      }
    }
    timers.insert(.init(time: deadline, key: Key.drainDeadline))
    for slot in slots { slot.connection?.beginDraining() }
  }

  private func closeAll() {
    for slot in slots { slot.connection?.close() }
  }

  // MARK: epoll and buffers

  func register(_ descriptor: Int32, _ events: UInt32, _ key: UInt64) -> Bool {
    pinseal_epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, events, key) == 0
  }

  func change(_ descriptor: Int32, _ events: UInt32, _ key: UInt64) {
    _ = pinseal_epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, events, key)
  }

  private func unregister(_ descriptor: Int32) {
    _ = pinseal_epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, 0, 0)
  }

  /// An empty buffer for output. Connections give theirs back when all is written, so that idle ones hold none.
  func takeBuffer() -> [UInt8] {
    if let buffer = spareBuffers.popLast() { return buffer }
    var buffer: [UInt8] = []
    buffer.reserveCapacity(16 << 10)
    return buffer
  }

  func giveBack(_ buffer: consuming [UInt8]) {
    guard buffer.capacity <= 128 << 10, spareBuffers.count < 32 else { return }
    buffer.removeAll(keepingCapacity: true)
    spareBuffers.append(buffer)
  }
}
