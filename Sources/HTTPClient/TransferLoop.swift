import CCurl
import Glibc
import Primitives
import Synchronization

/// libcurl's multi handle and the thread that alone drives it.
///
/// The thread and the client each hold this object; the multi handle ends with the last of them, so that
/// `curl_multi_wakeup`, which any thread may call, never meets a dead one.
final class TransferLoop: @unchecked Sendable {
  private struct Inbox: Sendable {
    var submitted: [Transfer] = []
    var cancelled: [UInt64] = []
    var resumed: [UInt64] = []
    var isStopping = false
  }

  private struct Active {
    let handle: UnsafeMutableRawPointer
    let transfer: Transfer
  }

  private static let maximumIdleHandles = 32
  private static let initialised = curl_global_init(Int(CURL_GLOBAL_DEFAULT))

  private let multi: UnsafeMutableRawPointer
  private let inbox = Locked(Inbox())
  private let trust: TrustMaterial
  private let connectTimeout: Duration
  private let userAgent: String
  private let pinnedNames: UnsafeMutablePointer<curl_slist>?

  // Of the loop's thread alone.
  private var active: [UInt64: Active] = [:]
  private var line: TransferLine
  private let room: ResponseRoom
  private var idle: [UnsafeMutableRawPointer] = []
  private let alarm = Alarm()
  private var streams: StreamLine

  init(_ configuration: HTTPClient.Configuration) throws(HTTPClientError) {
    guard Self.initialised == CURLE_OK, let multi = curl_multi_init() else {
      throw HTTPClientError(code: .invalidConfiguration, description: "libcurl cannot be initialised")
    }
    do throws(HTTPClientError) {
      trust = try TrustMaterial(configuration)
    } catch {
      curl_multi_cleanup(multi)
      throw error
    }
    self.multi = multi
    connectTimeout = configuration.connectTimeout
    userAgent = configuration.userAgent
    streams = StreamLine(limit: configuration.maximumStreams)
    pinnedNames = configuration.pinnedNames.reduce(nil) { curl_slist_append($0, $1) ?? $0 }
    // libcurl's own bounds leave transfers waiting for seconds although connections are free (7.88), and without a
    // time-out: the queue is kept here.
    line = TransferLine(perHost: configuration.maximumConnectionsPerHost, inAll: configuration.maximumConnections)
    room = ResponseRoom(limit: max(0, configuration.maximumBufferedBytes))
    pinseal_curl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, max(1, configuration.maximumConnections))
    // As many on a connection as the server allows; libcurl itself would stop at 100.
    pinseal_curl_multi_set_long(multi, CURLMOPT_MAX_CONCURRENT_STREAMS, max(100, configuration.maximumStreams))
  }

  deinit {
    curl_multi_cleanup(multi)
    curl_slist_free_all(pinnedNames)
  }

  /// Starts the thread.
  func start() throws(HTTPClientError) {
    do throws(SystemThread.Failure) {
      try SystemThread(name: "pinseal-http") { self.run() }.detach()
    } catch {
      throw HTTPClientError(code: .invalidConfiguration, description: "no thread for HTTP: \(error)")
    }
  }

  /// Hands a transfer with its continuation over.
  func submit(_ transfer: Transfer) {
    inbox.withLock { $0.submitted.append(transfer) }
    curl_multi_wakeup(multi)
  }

  /// Gives the transfer up if it still is under way.
  func cancel(_ transfer: Transfer) {
    // The mark comes first: a transfer that the thread has yet to take up is met by it.
    transfer.isCancelled.store(true, ordering: .sequentiallyConsistent)
    inbox.withLock { $0.cancelled.append(transfer.id) }
    curl_multi_wakeup(multi)
  }

  /// Lets a stream go on that waited for its reader.
  func resume(_ transfer: Transfer) {
    inbox.withLock { $0.resumed.append(transfer.id) }
    curl_multi_wakeup(multi)
  }

  /// Gives all transfers up and ends the thread.
  func stop() {
    inbox.withLock { $0.isStopping = true }
    curl_multi_wakeup(multi)
  }

  // MARK: On the thread

  private func run() {
    while true {
      var work = Inbox()
      inbox.withLock { inbox in
        work = inbox
        inbox.submitted = []
        inbox.cancelled = []
        inbox.resumed = []
      }
      for transfer in work.submitted {
        alarm.note(transfer.deadline)
        if transfer.stream == nil { line.join(transfer) }
      }
      for id in work.cancelled { giveUp(id, .cancelled) { _ in "the request was cancelled" } }
      // After the places of those that were closed before have come free.
      for transfer in work.submitted where transfer.stream != nil { join(transfer) }
      for id in work.resumed { resume(id) }
      if work.isStopping { break }
      while let transfer = line.next() ?? streams.next() { begin(transfer) }
      var running: Int32 = 0
      let performed = curl_multi_perform(multi, &running)
      collect()
      countKept()
      if let look = streams.review({ id in active[id].map { $0.transfer.place($0.handle) } }) { alarm.note(look) }
      expire()
      if performed != CURLM_OK {
        failAll(.connectionLost, "libcurl: \(String(cString: curl_multi_strerror(performed)))")
      }
      if line.hasNext || streams.hasNext { continue }
      let wait = min(alarm.earliest.remaining, .seconds(60))
      // Rounded up: a millisecond early would spin.
      let polled = curl_multi_poll(multi, nil, 0, Int32(truncatingIfNeeded: wait.milliseconds + 1), nil)
      if polled != CURLM_OK { usleep(10_000) }
    }
    failAll(.cancelled, "the client was closed")
    for handle in idle { curl_easy_cleanup(handle) }
    idle = []
  }

  private func join(_ transfer: Transfer) {
    guard !streams.join(transfer) else { return }
    transfer.fail(.cannotConnect, "not asked: \(streams.count) streams are open, and \(streams.limit) are allowed")
  }

  private func resume(_ id: UInt64) {
    guard let entry = active[id] else { return }
    entry.transfer.willResume()
    // What libcurl kept is handed over in this call.
    let code = curl_easy_pause(entry.handle, CURLPAUSE_RECV_CONT)
    guard code != CURLE_OK else { return }
    let failure = entry.transfer.failure(code, entry.handle)
    release(entry)
    entry.transfer.complete(.failure(failure))
  }

  /// The transfer no longer counts.
  private func leave(_ transfer: Transfer) {
    if transfer.stream == nil { line.leave(transfer) } else { streams.leave(transfer) }
  }

  private func begin(_ transfer: Transfer) {
    func refuse(_ code: HTTPClientError.Code, _ reason: String) {
      leave(transfer)
      transfer.fail(code, reason)
    }
    if transfer.isCancelled.load(ordering: .sequentiallyConsistent) {
      return refuse(.cancelled, "the request was cancelled")
    }
    // The size of a buffer is settled when a handle is first used.
    let kept = transfer.stream == nil ? idle.popLast() : nil
    guard let handle = kept ?? curl_easy_init() else { return refuse(.protocolError, "out of memory") }
    let configured = transfer.configure(
      handle, trust: trust, connectTimeout: connectTimeout, userAgent: userAgent, pinnedNames: pinnedNames)
    guard configured == CURLE_OK else {
      curl_easy_cleanup(handle)
      return refuse(.invalidRequest, "libcurl: \(String(cString: curl_easy_strerror(configured)))")
    }
    transfer.room = room
    transfer.alarm = alarm
    active[transfer.id] = Active(handle: handle, transfer: transfer)
    let added = curl_multi_add_handle(multi, handle)
    guard added == CURLM_OK else {
      active[transfer.id] = nil
      curl_easy_cleanup(handle)
      return refuse(.protocolError, "libcurl: \(String(cString: curl_multi_strerror(added)))")
    }
  }

  private func collect() {
    var left: Int32 = 0
    while let message = curl_multi_info_read(multi, &left) {
      guard message.pointee.msg == CURLMSG_DONE, let handle = message.pointee.easy_handle else { continue }
      var context: UnsafeMutableRawPointer?
      pinseal_curl_get_pointer(handle, CURLINFO_PRIVATE, &context)
      guard let context, let entry = active[Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue().id]
      else { continue }
      let result = entry.transfer.result(of: message.pointee.data.result, handle)
      release(entry)
      entry.transfer.complete(result)
    }
  }

  private func countKept() {
    for id in room.paused {
      guard let (handle, transfer) = active[id].map({ ($0.handle, $0.transfer) }) else { continue }
      let kept = transfer.kept(handle)
      let fits = room.take(kept - transfer.keptBytes, total: kept)
      transfer.keptBytes = kept
      if !transfer.isPaused { room.paused.remove(id) }
      if !fits { giveUp(id, .connectionLost) { _ in room.overflow } }
    }
  }

  private func expire() {
    guard alarm.earliest.hasPassed else { return }
    let now = Deadline.now
    for (id, entry) in active where entry.transfer.deadline <= now {
      giveUp(id, .timedOut) { $0.map(entry.transfer.lateness) ?? "timed out" }
    }
    for transfer in line.waiting + streams.waiting where transfer.deadline <= now {
      giveUp(transfer.id, .timedOut) { _ in "timed out waiting for a free connection" }
    }
    let deadlines = active.values.map(\.transfer.deadline) + (line.waiting + streams.waiting).map(\.deadline)
    alarm.set(deadlines.min())
  }

  private func giveUp(_ id: UInt64, _ code: HTTPClientError.Code, _ reason: (UnsafeMutableRawPointer?) -> String) {
    if let transfer = line.remove(id) ?? streams.remove(id) {
      return transfer.fail(code, reason(nil))
    }
    guard let entry = active[id] else { return }
    let text = reason(entry.handle)
    release(entry)
    entry.transfer.fail(code, text)
  }

  private func failAll(_ code: HTTPClientError.Code, _ reason: String) {
    for id in (line.waiting + streams.waiting).map(\.id) + active.keys { giveUp(id, code) { _ in reason } }
  }

  /// Takes the handle back; its connection stays in the multi handle's pool if it is still good.
  private func release(_ entry: Active) {
    active[entry.transfer.id] = nil
    leave(entry.transfer)
    room.giveBack(entry.transfer.reader.body.count + entry.transfer.keptBytes)
    room.paused.remove(entry.transfer.id)
    if entry.transfer.isPaused {
      // What libcurl (7.88) keeps of a paused transfer is lost for good if others use its connection: it is handed over
      // first, to nobody.
      entry.transfer.isGivenUp = true
      curl_easy_pause(entry.handle, CURLPAUSE_RECV_CONT)
    }
    curl_multi_remove_handle(multi, entry.handle)
    guard entry.transfer.stream == nil, idle.count < Self.maximumIdleHandles else {
      return curl_easy_cleanup(entry.handle)
    }
    curl_easy_reset(entry.handle)
    idle.append(entry.handle)
  }
}
