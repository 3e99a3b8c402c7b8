import CCurl
import Glibc
import Primitives

extension Transfer {
  /// What to tell the caller now that libcurl is done with `handle`.
  func result(of code: CURLcode, _ handle: UnsafeMutableRawPointer) -> Result<HTTPResponse, HTTPClientError> {
    guard code == CURLE_OK, reader.refusal == nil else { return .failure(failure(code, handle)) }
    // libcurl lets a header pass that breaks off.
    guard reader.hasHeader else {
      return .failure(
        HTTPClientError(
          code: .connectionLost, description: "\(url.authority): the connection broke amid the answer's header"))
    }
    var status = 0
    pinseal_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &status)
    return .success(HTTPResponse(status: status, headers: reader.headers, body: reader.body))
  }

  /// What to say when the deadline has passed.
  func lateness(_ handle: UnsafeMutableRawPointer) -> String {
    guard let stream, reader.hasHeader else { return "timed out \(step(handle))" }
    return "timed out: nothing came for \(stream.silence) (\(streamedBytes) bytes of body before)"
  }

  /// Where a stream stands on its way to a connection.
  enum Place { case none, onNewConnection, settled }

  func place(_ handle: UnsafeMutableRawPointer) -> Place {
    if reader.hasHeader { return .settled }
    guard isPast(CURLINFO_PRETRANSFER_TIME_T, handle) else { return .none }
    var connects = 0
    pinseal_curl_get_long(handle, CURLINFO_NUM_CONNECTS, &connects)
    return connects > 0 ? .onNewConnection : .settled
  }

  /// What libcurl has read of a stream that waits for its reader and could not hand over.
  func kept(_ handle: UnsafeMutableRawPointer) -> Int {
    guard isPaused else { return 0 }
    var read: curl_off_t = 0
    pinseal_curl_get_offset(handle, CURLINFO_SIZE_DOWNLOAD_T, &read)
    return max(0, Int(read) - streamedBytes)
  }

  private func isPast(_ info: CURLINFO, _ handle: UnsafeMutableRawPointer) -> Bool {
    var microseconds: curl_off_t = 0
    pinseal_curl_get_offset(handle, info, &microseconds)
    return microseconds > 0
  }

  /// How far the exchange got, for a message about its having been given up.
  func step(_ handle: UnsafeMutableRawPointer) -> String {
    if reader.hasHeader {
      let count = stream == nil ? reader.body.count : streamedBytes
      return "reading the answer's body (\(count) bytes came)"
    }
    if isPast(CURLINFO_PRETRANSFER_TIME_T, handle) { return "waiting for the answer" }
    if isPast(CURLINFO_CONNECT_TIME_T, handle) { return url.isSecure ? "negotiating TLS" : "sending the request" }
    if isPast(CURLINFO_NAMELOOKUP_TIME_T, handle) { return "connecting" }
    return "resolving the name"
  }

  func failure(_ code: CURLcode, _ handle: UnsafeMutableRawPointer) -> HTTPClientError {
    func error(_ code: HTTPClientError.Code, _ reason: String) -> HTTPClientError {
      HTTPClientError(code: code, description: "\(url.authority): \(reason)")
    }
    if let refusal = reader.refusal { return error(refusal.code, refusal.reason) }
    if let refusedPlace {
      return error(
        .cannotConnect, "not asked: the name leads to \(refusedPlace), and it was not the operator who chose it")
    }
    let detail = detail(code)
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY: return error(.cannotResolve, detail)
    case CURLE_COULDNT_CONNECT:
      var number = 0
      pinseal_curl_get_long(handle, CURLINFO_OS_ERRNO, &number)
      let reason = number > 0 ? String(cString: strerror(Int32(truncatingIfNeeded: number))) : detail
      return error(.cannotConnect, "cannot connect: \(reason)")
    case CURLE_OPERATION_TIMEDOUT: return error(.timedOut, "timed out \(step(handle))")
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
      CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR, CURLE_SSL_CRL_BADFILE, CURLE_SSL_PINNEDPUBKEYNOTMATCH,
      CURLE_SSL_INVALIDCERTSTATUS, CURLE_SSL_CLIENTCERT, CURLE_USE_SSL_FAILED, CURLE_SSL_ENGINE_NOTFOUND,
      CURLE_SSL_ENGINE_SETFAILED, CURLE_SSL_ENGINE_INITFAILED, CURLE_SSL_SHUTDOWN_FAILED:
      return error(.tlsFailed, "TLS failed: \(detail)")
    case CURLE_PARTIAL_FILE, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING, CURLE_HTTP2, CURLE_HTTP2_STREAM,
      CURLE_PROXY:
      var answer = 0
      pinseal_curl_get_long(handle, CURLINFO_HTTP_CONNECTCODE, &answer)
      if proxy != nil, answer >= 300 { return error(.cannotConnect, "the proxy refused to connect (\(answer))") }
      return error(.connectionLost, "the connection broke \(step(handle)): \(detail)")
    case CURLE_OUT_OF_MEMORY where !reader.hasHeader:
      // libcurl's own bound for one line.
      return error(.headersTooLarge, "the answer's header has more than \(ResponseReader.maximumHeaderBytes) bytes")
    default: return error(.protocolError, "the exchange failed \(step(handle)): \(detail)")
    }
  }

  private func detail(_ code: CURLcode) -> String {
    let text = String(cString: errorText)
    return (text.isEmpty ? String(cString: curl_easy_strerror(code)) : text).printable(limit: 200)
  }
}
