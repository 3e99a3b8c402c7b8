import CCurl
import Glibc
import Primitives
import Synchronization

/// One exchange under way. Once submitted, all but `isCancelled` belongs to the loop's thread.
final class Transfer: @unchecked Sendable {
  typealias Continuation = CheckedContinuation<Result<HTTPResponse, HTTPClientError>, Never>

  /// What a transfer has whose body is read while it arrives.
  struct Stream: Sendable {
    let pipe: StreamPipe
    /// How long nothing may come once the header is there.
    let silence: Duration
  }

  /// Each open stream has a buffer of so many bytes in libcurl, whose own is 16 KiB.
  private static let streamBufferBytes = 4 << 10

  let id: UInt64
  let request: HTTPRequest
  let url: HTTPURL
  /// Nil asks the host directly.
  let proxy: String?
  /// Nil reads the whole answer.
  let stream: Stream?
  let isCancelled = Atomic<Bool>(false)

  /// Of a stream that has its header: until when the next byte must come.
  private(set) var deadline: Deadline
  /// Of a transfer that is no stream.
  var continuation: Continuation?
  var reader: ResponseReader
  private(set) var streamedBytes = 0
  private(set) var isPaused = false
  /// Whether what still comes is for nobody.
  var isGivenUp = false
  /// Of a stream: what libcurl keeps while it waits for its reader, as far as it is counted.
  var keptBytes = 0
  var refusedPlace: LocalPlace?
  /// The loop's, while the transfer is under way.
  var room: ResponseRoom?
  var alarm: Alarm?
  /// Freed with this object, after the handle has let go of it.
  var headerList: UnsafeMutablePointer<curl_slist>?
  let errorText = UnsafeMutablePointer<CChar>.allocate(capacity: Int(CURL_ERROR_SIZE))

  init(id: UInt64, request: HTTPRequest, url: HTTPURL, proxy: String?, deadline: Deadline, stream: Stream?) {
    self.id = id
    self.request = request
    self.url = url
    self.proxy = proxy
    self.deadline = deadline
    self.stream = stream
    reader = ResponseReader(maximumBodyBytes: max(0, request.maximumResponseBytes))
    errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
  }

  deinit {
    curl_slist_free_all(headerList)
    errorText.deallocate()
  }

  /// A line of the answer's header; false stops the transfer.
  func readHeader(_ bytes: UnsafeRawBufferPointer) -> Bool {
    let hadHeader = reader.hasHeader
    guard reader.readHeader(bytes) else { return false }
    if let stream, reader.hasHeader {
      setDeadline(.after(stream.silence))
      if !hadHeader { stream.pipe.deliver(StreamPipe.Head(status: reader.status, headers: reader.headers)) }
    }
    return true
  }

  enum Taken { case all, notYet, never }

  /// A piece of the answer's body.
  func readBody(_ bytes: UnsafeRawBufferPointer) -> Taken {
    if isGivenUp { return .all }
    guard let stream else { return collect(bytes) ? .all : .never }
    let isTaken = stream.pipe.write(bytes)
    isPaused = !isTaken
    if isPaused { room?.paused.insert(id) }
    // A peer that waits for the reader is not silent.
    setDeadline(isTaken ? .after(stream.silence) : Deadline(nanoseconds: .max))
    if isTaken { streamedBytes &+= bytes.count }
    return isTaken ? .all : .notYet
  }

  /// The reader has made room.
  func willResume() {
    isPaused = false
    if let stream { setDeadline(.after(stream.silence)) }
  }

  private func setDeadline(_ deadline: Deadline) {
    self.deadline = deadline
    alarm?.note(deadline)
  }

  private func collect(_ bytes: UnsafeRawBufferPointer) -> Bool {
    guard reader.readBody(bytes) else { return false }
    guard let room, !room.take(bytes.count, total: reader.body.count) else { return true }
    reader.giveUp(.connectionLost, room.overflow)
    return false
  }

  func complete(_ result: Result<HTTPResponse, HTTPClientError>) {
    stream?.pipe.end(result.map { _ in })
    continuation?.resume(returning: result)
    continuation = nil
  }

  func fail(_ code: HTTPClientError.Code, _ reason: String) {
    complete(.failure(HTTPClientError(code: code, description: "\(url.authority): \(reason)")))
  }
}

extension Transfer {
  /// Sets every option of a handle that is as good as new.
  func configure(
    _ handle: UnsafeMutableRawPointer, trust: TrustMaterial, connectTimeout: Duration, userAgent: String,
    pinnedNames: UnsafeMutablePointer<curl_slist>?
  ) -> CURLcode {
    var options = OptionSetter(handle: handle)
    let context = Unmanaged.passUnretained(self).toOpaque()
    options.set(CURLOPT_URL, url.description)
    options.check(pinseal_curl_set_protocols(handle, request.allowsPlainHTTP ? 1 : 0))
    options.set(CURLOPT_NOSIGNAL, 1)
    options.check(pinseal_curl_set_quick_exit(handle))
    options.set(CURLOPT_FOLLOWLOCATION, 0)
    options.set(CURLOPT_PATH_AS_IS, 1)
    options.set(CURLOPT_HTTP_VERSION, Int(CURL_HTTP_VERSION_2TLS))
    options.set(CURLOPT_HTTP_CONTENT_DECODING, 0)
    options.set(CURLOPT_NETRC, 0)
    // A peer that has died is noticed although nobody sends anything.
    options.set(CURLOPT_TCP_KEEPALIVE, 1)
    options.set(CURLOPT_TCP_KEEPIDLE, 30)
    options.set(CURLOPT_TCP_KEEPINTVL, 15)
    if stream != nil {
      options.set(CURLOPT_BUFFERSIZE, Self.streamBufferBytes)
      // To wait for a connection that may turn out to speak HTTP/2, and be one of its many streams. Without TLS none does.
      if url.isSecure { options.set(CURLOPT_PIPEWAIT, 1) }
    }
    options.set(CURLOPT_CONNECTTIMEOUT_MS, max(1, min(connectTimeout.milliseconds, Int(Int32.max))))
    options.set(CURLOPT_ERRORBUFFER, pointer: errorText)
    options.set(CURLOPT_PRIVATE, pointer: context)

    // An empty name of a proxy, and an empty list of exceptions, keep libcurl from reading the environment itself.
    options.set(CURLOPT_PROXY, proxy ?? "")
    options.set(CURLOPT_NOPROXY, "")
    options.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)

    options.check(pinseal_curl_set_data_callback(handle, CURLOPT_WRITEFUNCTION, onBody))
    options.set(CURLOPT_WRITEDATA, pointer: context)
    options.check(pinseal_curl_set_data_callback(handle, CURLOPT_HEADERFUNCTION, onHeader))
    options.set(CURLOPT_HEADERDATA, pointer: context)
    if request.refusesLocalAddresses, proxy == nil {
      options.check(pinseal_curl_set_socket_callback(handle, onSocket))
      options.set(CURLOPT_OPENSOCKETDATA, pointer: context)
    }
    if let pinnedNames { options.check(pinseal_curl_set_list(handle, CURLOPT_RESOLVE, pinnedNames)) }
    configureTrust(&options, trust)
    configureMessage(&options, userAgent: userAgent)
    return options.failure
  }

  private func configureTrust(_ options: inout OptionSetter, _ trust: TrustMaterial) {
    options.set(CURLOPT_SSLVERSION, Int(CURL_SSLVERSION_TLSv1_2))
    options.set(CURLOPT_SSL_VERIFYPEER, trust.verifiesPeer ? 1 : 0)
    options.set(CURLOPT_SSL_VERIFYHOST, trust.verifiesPeer ? 2 : 0)
    switch trust.authorities {
    case .file(let name):
      // Only a file alone is kept parsed; and the folder would be the system's, whatever the file is.
      for option in [CURLOPT_CAINFO, CURLOPT_PROXY_CAINFO] { options.set(option, name) }
      for option in [CURLOPT_CAPATH, CURLOPT_PROXY_CAPATH] { options.set(option, nil) }
      options.check(pinseal_curl_set_authorities_cache(options.handle, 300))
    case .blob(let blob, let keepsFolder):
      for option in [CURLOPT_CAINFO, CURLOPT_PROXY_CAINFO] { options.set(option, nil) }
      if !keepsFolder {
        for option in [CURLOPT_CAPATH, CURLOPT_PROXY_CAPATH] { options.set(option, nil) }
      }
      options.set(CURLOPT_CAINFO_BLOB, blob)
      options.set(CURLOPT_PROXY_CAINFO_BLOB, blob)
    case .builtIn: break
    }
    if let certificate = trust.clientCertificate, let key = trust.clientKey {
      options.set(CURLOPT_SSLCERT_BLOB, certificate)
      options.set(CURLOPT_SSLCERTTYPE, "PEM")
      options.set(CURLOPT_SSLKEY_BLOB, key)
      options.set(CURLOPT_SSLKEYTYPE, "PEM")
    }
  }

  private func configureMessage(_ options: inout OptionSetter, userAgent: String) {
    switch request.method {
    case .get: options.set(CURLOPT_HTTPGET, 1)
    case .head: options.set(CURLOPT_NOBODY, 1)
    case .delete where request.body.isEmpty: options.set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
    case .post, .put, .patch, .delete:
      options.set(CURLOPT_POST, 1)
      options.set(CURLOPT_CUSTOMREQUEST, request.method.rawValue)
      options.check(
        pinseal_curl_set_offset(options.handle, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(request.body.count)))
      request.body.withUnsafeBytes { bytes in
        // Copied; an empty body has no address of its own.
        var nothing: UInt8 = 0
        withUnsafeMutablePointer(to: &nothing) { empty in
          let start = bytes.baseAddress.map { UnsafeMutableRawPointer(mutating: $0) } ?? UnsafeMutableRawPointer(empty)
          options.set(CURLOPT_COPYPOSTFIELDS, pointer: start)
        }
      }
    }
    options.set(CURLOPT_USERAGENT, userAgent)
    var lines = request.headers.map { $0.value.isEmpty ? "\($0.name);" : "\($0.name): \($0.value)" }
    // No waiting for 100 Continue, and no media type that nobody gave.
    lines.append("Expect:")
    if !request.headers.contains(where: { $0.name.lowercased() == "content-type" }) { lines.append("Content-Type:") }
    for line in lines {
      guard let list = curl_slist_append(headerList, line) else {
        options.check(CURLE_OUT_OF_MEMORY)
        return
      }
      headerList = list
    }
    options.check(pinseal_curl_set_list(options.handle, CURLOPT_HTTPHEADER, headerList))
  }
}

/// Sets options and remembers the first failure.
private struct OptionSetter {
  let handle: UnsafeMutableRawPointer
  private(set) var failure = CURLE_OK

  init(handle: UnsafeMutableRawPointer) { self.handle = handle }

  mutating func check(_ code: CURLcode) {
    if failure == CURLE_OK { failure = code }
  }

  mutating func set(_ option: CURLoption, _ value: Int) {
    check(pinseal_curl_set_long(handle, option, value))
  }

  mutating func set(_ option: CURLoption, _ value: String?) {
    check(pinseal_curl_set_string(handle, option, value))
  }

  mutating func set(_ option: CURLoption, pointer: UnsafeMutableRawPointer) {
    check(pinseal_curl_set_pointer(handle, option, pointer))
  }

  mutating func set(_ option: CURLoption, _ blob: Blob) {
    check(pinseal_curl_set_blob(handle, option, blob.bytes.baseAddress, blob.bytes.count))
  }
}

// libcurl calls these on the loop's thread only, while the transfer is among the loop's.

private func transfer(_ context: UnsafeMutableRawPointer) -> Transfer {
  Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
}

private let onBody: pinseal_curl_data_callback = { data, size, count, context in
  guard let data, let context else { return 0 }
  let bytes = UnsafeRawBufferPointer(start: data, count: size &* count)
  return switch transfer(context).readBody(bytes) {
  case .all: bytes.count
  case .notYet: Int(CURL_WRITEFUNC_PAUSE)
  case .never: bytes.count &+ 1
  }
}

private let onHeader: pinseal_curl_data_callback = { data, size, count, context in
  guard let data, let context else { return 0 }
  let bytes = UnsafeRawBufferPointer(start: data, count: size &* count)
  return transfer(context).readHeader(bytes) ? bytes.count : bytes.count &+ 1
}

private let onSocket: curl_opensocket_callback = { context, _, address in
  guard let context, let address else { return -1 }
  let place = withUnsafePointer(to: &address.pointee.addr) { IPAddress.bytes(of: $0) }
    .flatMap { LocalPlace(address: $0) }
  if let place {
    transfer(context).refusedPlace = place
    return -1
  }
  return socket(
    address.pointee.family, address.pointee.socktype | Int32(SOCK_CLOEXEC.rawValue), address.pointee.protocol)
}
