import HTTPClient
import Primitives

@testable import Kubernetes

/// An API server in memory: objects that can be put and deleted, and whoever watches is told.
final class LiveAPI: HTTPExchanging, HTTPStreaming {
  private struct Stored: Sendable {
    var kind: String
    var name: String
    var version: Int
    /// Members behind the metadata, as `,"data":{…}`, and annotations.
    var annotations: String
    var rest: String
  }

  private struct State: Sendable {
    var version = 100
    /// By the path of a GET.
    var objects: [String: Stored] = [:]
    var streams: [(path: String, name: String?, stream: LiveStream)] = []
    var isDown = false
    var forbidden: Set<String> = []
    var requests: [String] = []
  }

  private let state = Locked(State())

  /// `GET`, `LIST` or `WATCH` with the path, in the order received.
  var requests: [String] { state.withLock { $0.requests } }
  /// Streams that somebody holds.
  var openStreams: Int {
    state.withLock { state in
      state.streams.removeAll { $0.stream.isClosed }
      return state.streams.count
    }
  }

  func forget() { state.withLock { $0.requests = [] } }

  /// From now on nothing of these verbs is allowed.
  func forbid(_ verbs: String...) { state.withLock { $0.forbidden = Set(verbs) } }

  /// No answers, and what was open breaks; or all is well again.
  func setDown(_ isDown: Bool) {
    let broken = state.withLock { state in
      state.isDown = isDown
      defer { if isDown { state.streams = [] } }
      return isDown ? state.streams.map(\.stream) : []
    }
    for stream in broken { stream.end(throwing: .connectionLost) }
  }

  // MARK: Objects

  func put(namespace: String, _ annotations: [String: String] = [:]) {
    let text = annotations.map { #""\#($0.key)":"\#($0.value)""# }.joined(separator: ",")
    put("/api/v1/namespaces", nil, "Namespace", namespace, annotations: "{\(text)}", rest: "")
  }

  func put(secret name: String, in namespace: String, _ data: [String: String]) {
    let text = data.map { #""\#($0.key)":"\#(Base64.encode(Array($0.value.utf8)))""# }.joined(separator: ",")
    put(
      "/api/v1/namespaces/\(namespace)/secrets", namespace, "Secret", name, annotations: "{}",
      rest: #","type":"Opaque","data":{\#(text)}"#)
  }

  func put(configMap name: String, in namespace: String, _ data: [String: String]) {
    let text = data.map { #""\#($0.key)":"\#($0.value)""# }.joined(separator: ",")
    put(
      "/api/v1/namespaces/\(namespace)/configmaps", namespace, "ConfigMap", name, annotations: "{}",
      rest: #","data":{\#(text)}"#)
  }

  func delete(_ path: String) {
    tell { state in
      guard var object = state.objects.removeValue(forKey: path) else { return nil }
      object.version = state.version
      return (path, "DELETED", object)
    }
  }

  private func put(
    _ collection: String, _ namespace: String?, _ kind: String, _ name: String, annotations: String, rest: String
  ) {
    let path = "\(collection)/\(name)"
    tell { state in
      let type = state.objects[path] == nil ? "ADDED" : "MODIFIED"
      let object = Stored(
        kind: kind, name: name, version: state.version, annotations: annotations,
        rest: rest + (namespace.map { ",\u{1}\($0)" } ?? ""))
      state.objects[path] = object
      return (path, type, object)
    }
  }

  private func tell(_ change: @Sendable (inout State) -> (path: String, type: String, object: Stored)?) {
    state.withLock { state in
      state.version += 1
      guard let (path, type, object) = change(&state) else { return }
      let line = #"{"type":"\#(type)","object":\#(Self.text(object))}"# + "\n"
      for (watched, name, stream) in state.streams
      where path == "\(watched)/\(object.name)" && (name == nil || name == object.name) {
        stream.send(line)
      }
    }
  }

  private static func text(_ object: Stored) -> String {
    let parts = object.rest.split(separator: ",\u{1}", omittingEmptySubsequences: false)
    let namespace = parts.count > 1 ? #""namespace":"\#(parts[1])","# : ""
    return #"{"kind":"\#(object.kind)","apiVersion":"v1","metadata":{"name":"\#(object.name)",\#(namespace)"#
      + #""resourceVersion":"\#(object.version)","annotations":\#(object.annotations)}\#(parts[0])}"#
  }

  // MARK: Requests

  private struct Asked {
    let path: String
    let name: String?
    let isWatch: Bool
    let isList: Bool

    init(_ url: String) {
      let rest = url.drop { $0 != "/" }.dropFirst(2).drop { $0 != "/" }
      path = String(rest.prefix { $0 != "?" })
      let query = rest.drop { $0 != "?" }.dropFirst().split(separator: "&")
      name = query.first { $0.hasPrefix("fieldSelector=metadata.name%3D") }.map { String($0.dropFirst(30)) }
      isWatch = query.contains("watch=1")
      isList = !query.isEmpty && !isWatch
    }

    var verb: String { isWatch ? "WATCH" : isList ? "LIST" : "GET" }
  }

  private func take(_ asked: Asked, _ state: inout State) throws(HTTPClientError) {
    state.requests.append("\(asked.verb) \(asked.path)\(asked.name.map { "/" + $0 } ?? "")")
    if state.isDown { throw ScriptedAPI.error(.cannotConnect) }
  }

  func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse {
    let asked = Asked(request.url)
    let (status, body): (Int, String) = try state.withLock { state throws(HTTPClientError) in
      try take(asked, &state)
      if state.forbidden.contains(asked.verb) { return (403, APIClusterTests.status(403, "Forbidden", "no")) }
      if asked.isList {
        let items = state.objects.filter { path, object in
          path == "\(asked.path)/\(object.name)" && (asked.name == nil || asked.name == object.name)
        }
        let kind = asked.path.hasSuffix("secrets") ? "Secret" : asked.path.hasSuffix("maps") ? "ConfigMap" : "Namespace"
        return (
          200,
          #"{"kind":"\#(kind)List","apiVersion":"v1","metadata":{"resourceVersion":"\#(state.version)"},"#
            + #""items":[\#(items.values.map(Self.text).joined(separator: ","))]}"#
        )
      }
      guard let object = state.objects[asked.path] else { return (404, APIClusterTests.status(404, "NotFound", "no")) }
      return (200, Self.text(object))
    }
    return HTTPResponse(status: status, body: Array(body.utf8))
  }

  func open(
    _ request: HTTPRequest, deadline: Deadline, silence: Duration
  ) async throws(HTTPClientError) -> any HTTPStream {
    let asked = Asked(request.url)
    return try state.withLock { state throws(HTTPClientError) in
      try take(asked, &state)
      let isForbidden = state.forbidden.contains("WATCH")
      let stream = LiveStream(status: isForbidden ? 403 : 200)
      if isForbidden { stream.end() } else { state.streams.append((asked.path, asked.name, stream)) }
      return stream
    }
  }
}

private final class LiveStream: HTTPStream {
  let status: Int
  let headers: [(name: String, value: String)] = []
  private let closed = Locked(false)
  private let pieces: AsyncThrowingStream<[UInt8], any Error>
  private let continuation: AsyncThrowingStream<[UInt8], any Error>.Continuation

  init(status: Int) {
    self.status = status
    (pieces, continuation) = AsyncThrowingStream.makeStream()
  }

  var isClosed: Bool { closed.withLock { $0 } }

  func send(_ line: String) { continuation.yield(Array(line.utf8)) }

  func end(throwing code: HTTPClientError.Code? = nil) { continuation.finish(throwing: code.map(ScriptedAPI.error)) }

  func next() async throws(HTTPClientError) -> [UInt8]? {
    do {
      for try await piece in pieces { return piece }
      return nil
    } catch {
      throw error as? HTTPClientError ?? ScriptedAPI.error(.cancelled)
    }
  }

  func close() {
    closed.withLock { $0 = true }
    continuation.finish(throwing: ScriptedAPI.error(.cancelled))
  }
}
