public import HTTPServer
import Primitives

/// One way in which a registry goes wrong.
public enum Fault: Sendable {
  /// Answers only after this long.
  case delay(Duration)
  /// Answers this; the registry is not asked.
  case answer(Response)
  /// Answers with an error of this status; the registry is not asked.
  case status(Int)
  /// Sends the client there, with this status; the registry is not asked.
  case redirect(to: String, status: Int = 307)
  /// Sets (or, with nil, takes away) a header of the answer; the name is in lower case.
  case header(String, String?)
  /// Sends this body under the headers of the right one.
  case body([UInt8])
  /// Flips the lowest bit of one byte of the body, counted from its start; past the end, of the last one.
  case alteredByte(at: Int)
  /// Cuts the body behind so many bytes.
  case truncated(to: Int)
  /// Adds so many zero bytes to the body, 256 MiB at most.
  case padding(Int)
}

/// Answers a request in the registry's place, or not.
public typealias Interceptor = @Sendable (LoggedRequest) -> Response?

struct FaultRule: Sendable {
  let method: String?
  let path: String
  var remaining: Int?
  let faults: [Fault]

  func matches(_ request: RegistryRequest) -> Bool {
    guard method == nil || method == request.method, remaining != 0 else { return false }
    if path.hasSuffix("*") { return request.path.hasPrefix(path.dropLast()) }
    return path == request.path
  }
}

/// What the faults do to one request.
struct FaultPlan: Sendable {
  var delay: Duration = .zero
  var instead: (@Sendable (RegistryRequest) -> Response)?
  var changes: [@Sendable (inout Response) -> Void] = []
}

extension EmbeddedRegistry {
  /// Lets requests to `path` (exact, or a prefix that ends in `*`) go wrong, `times` of them or all.
  ///
  /// The first rule that matches and is not used up is taken: rules for the same path with `times: 1` make one answer
  /// after another. `method` nil is any; `HEAD` and `GET` are two.
  public func inject(_ faults: Fault..., method: String? = nil, path: String, times: Int? = nil) {
    let rule = FaultRule(method: method, path: path, remaining: times, faults: faults)
    state.withLock { $0.faults.append(rule) }
  }

  /// Lets `interceptor` see every request before the registry, faults included; an answer of it is sent. Nil takes it away.
  public func intercept(_ interceptor: Interceptor?) {
    state.withLock { $0.interceptor = interceptor }
  }

  /// All goes well again.
  public func clearFaults() {
    state.withLock { state in
      state.faults.removeAll()
      state.interceptor = nil
    }
  }

  /// Logs a request and decides what goes wrong with it.
  func plan(for request: RegistryRequest) -> FaultPlan {
    let logged = request.loggable
    let (faults, interceptor): ([Fault], Interceptor?) = state.withLock { state in
      state.record(logged)
      guard let index = state.faults.firstIndex(where: { $0.matches(request) }) else { return ([], state.interceptor) }
      if let remaining = state.faults[index].remaining { state.faults[index].remaining = remaining - 1 }
      return (state.faults[index].faults, state.interceptor)
    }
    var plan = FaultPlan()
    if let answer = interceptor?(logged) {
      plan.instead = { _ in answer }
      return plan
    }
    for fault in faults { plan.add(fault) }
    return plan
  }
}

extension FaultPlan {
  fileprivate mutating func add(_ fault: Fault) {
    switch fault {
    case .delay(let duration): delay += duration
    case .answer(let response): instead = { _ in response }
    case .status(let status):
      instead = { _ in RegistryFault(status: status, code: "UNKNOWN", message: "something went wrong").response }
    case .redirect(let target, let status):
      instead = { _ in Response(status: status, headers: [("location", target)]) }
    case .header(let name, let value):
      changes.append { response in
        response.headers.removeAll { $0.name == name }
        if let value { response.headers.append((name, value)) }
      }
    case .body(let bytes): changes.append { $0.body = bytes }
    case .alteredByte(let offset):
      changes.append { response in
        guard !response.body.isEmpty else { return }
        response.body[min(max(0, offset), response.body.count - 1)] ^= 1
      }
    case .truncated(let count): changes.append { $0.body = Array($0.body.prefix(max(0, count))) }
    case .padding(let count):
      let count = min(max(0, count), 256 << 20)
      changes.append { $0.body += [UInt8](repeating: 0, count: count) }
    }
  }
}

// MARK: - What was asked

extension EmbeddedRegistry {
  /// The requests so far, oldest first.
  public var requests: [LoggedRequest] { state.withLock { $0.log } }

  /// How many requests there were of this method (nil is any) to this path (exact, or a prefix that ends in `*`).
  public func requestCount(method: String? = nil, path: String) -> Int {
    let isPrefix = path.hasSuffix("*")
    let start = isPrefix ? String(path.dropLast()) : path
    return requests.count { request in
      (method == nil || method == request.method) && (isPrefix ? request.path.hasPrefix(start) : request.path == start)
    }
  }

  /// Forgets what was asked.
  public func clearRequests() { state.withLock { $0.clearLog() } }
}
