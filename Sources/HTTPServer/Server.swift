import CLinux
import Glibc
public import Logging
import Primitives

/// A running server: event loops on epoll, OpenSSL, HTTP/1.1 and HTTP/2.
///
/// It runs until it is drained, whether or not anybody holds this object.
public final class Server: Sendable {
  private enum Lifecycle {
    case running([SystemThread])
    case draining
  }

  private let core: ServerCore
  private let lifecycle: Locked<Lifecycle>
  /// `HOST:PORT` as bound.
  public let boundAddress: String
  /// The port as bound.
  public let port: Int

  /// Binds and starts the loops.
  ///
  /// `address` is `HOST:PORT` (IPv6 in brackets; no host is every address; port 0 picks one). Without `tls` the server
  /// speaks plain HTTP/1.1, and HTTP/2 to clients that begin with its preface (h2c by prior knowledge, RFC 9113 §3.3).
  /// `loops` is one for each processor that this process may use if it is not given. The error says what cannot be
  /// bound, read or used.
  public static func start(
    address: String, tls: TLSConfiguration?, limits: ServerLimits = .init(), loops: Int? = nil,
    handler: any RequestHandler, logger: Logger
  ) throws(ServerError) -> Server {
    // OpenSSL writes with write(2), which has no MSG_NOSIGNAL.
    pinseal_ignore_sigpipe()
    var certificates: CertificateStore?
    if let tls { certificates = try CertificateStore(tls, logger: logger) }
    let listener = try Listener(ListenAddress(parsing: address))

    var handles: [ServerCore.LoopHandle] = []
    for _ in 0..<min(max(1, loops ?? LoopProcessors.usefulCount), 256) {
      handles.append(ServerCore.LoopHandle(mailbox: try Mailbox(), counters: LoopCounters()))
    }
    let core = ServerCore(
      handler: handler, limits: limits, logger: logger, certificates: certificates, loops: handles)
    let (boundAddress, port) = (listener.address, listener.port)
    let threads = try startLoops(core, listener)
    return Server(core: core, threads: threads, boundAddress: boundAddress, port: port)
  }

  private init(core: ServerCore, threads: [SystemThread], boundAddress: String, port: Int) {
    self.core = core
    lifecycle = Locked(.running(threads))
    self.boundAddress = boundAddress
    self.port = port
  }

  private static func startLoops(_ core: ServerCore, _ listener: sending Listener) throws(ServerError) -> [SystemThread]
  {
    var threads: [SystemThread] = []
    do throws(ServerError) {
      // The first loop comes last, so that nothing is accepted before the others run.
      for index in core.loops.indices.dropFirst() { threads.append(try startLoop(core, index, nil)) }
      threads.append(try startLoop(core, 0, listener))
      return threads
    } catch {
      for loop in core.loops { loop.mailbox.post(.drain(deadline: 0)) }
      for thread in threads { thread.join() }
      throw error
    }
  }

  private static func startLoop(
    _ core: ServerCore, _ index: Int, _ listener: sending Listener?
  ) throws(ServerError) -> SystemThread {
    let loop = try EventLoop(core: core, index: index, listener: listener)
    do throws(SystemThread.Failure) {
      return try SystemThread(name: "pinseal-loop-\(index)") { loop.run() }
    } catch {
      throw ServerError("cannot start a thread: \(error)")
    }
  }

  /// What the server has done so far.
  public var statistics: Statistics {
    var result = Statistics()
    for loop in core.loops {
      result.openConnections += loop.counters.openConnections.current
      result.http1Requests += loop.counters.http1Requests.current
      result.http2Requests += loop.counters.http2Requests.current
      result.handshakes += loop.counters.handshakes.current
      result.failedHandshakes += loop.counters.failedHandshakes.current
    }
    if let certificates = core.certificates {
      result.certificateReloads = certificates.reloads
      result.certificateNotAfter = certificates.current.notAfter
    }
    return result
  }

  /// Stops accepting, sends GOAWAY / `Connection: close`, finishes what is in flight within `drainTimeout`, cancels
  /// what is left, closes, joins the loops. Later calls wait for the same end.
  public func drain() async {
    let threads = lifecycle.withLock { state -> [SystemThread] in
      guard case .running(let threads) = state else { return [] }
      state = .draining
      return threads
    }
    if !threads.isEmpty {
      let deadline = Deadline.now.nanoseconds &+ core.timeouts.drain
      // The first loop closes the listener, and then tells the others.
      core.loops.first?.mailbox.post(.drain(deadline: deadline))
    }
    await core.ending.wait()
    // They have done their last act: joining waits for no more than their return.
    for thread in threads { thread.join() }
  }
}
