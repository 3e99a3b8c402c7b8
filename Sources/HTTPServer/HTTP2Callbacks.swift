import CNghttp2

/// What nghttp2 calls. The context is the `HTTP2Connection`, which is alive whenever it calls into nghttp2.
enum HTTP2Callbacks {
  static func install(_ callbacks: OpaquePointer) {
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, context in
      guard let frame, let context else { return 0 }
      HTTP2Callbacks.with(context) { $0.headersBegin(frame.pointee) }
      return 0
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks) {
      _, frame, name, nameCount, value, valueCount, _, context in
      guard let frame, let context else { return 0 }
      HTTP2Callbacks.with(context) {
        $0.header(
          frame.pointee, UnsafeBufferPointer(start: name, count: nameCount),
          UnsafeBufferPointer(start: value, count: valueCount))
      }
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, context in
      guard let frame, let context else { return 0 }
      HTTP2Callbacks.with(context) { $0.frameReceived(frame.pointee) }
      return 0
    }
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks) { _, frame, _, context in
      guard let frame, let context else { return 0 }
      HTTP2Callbacks.with(context) { $0.invalidFrameReceived(frame.pointee) }
      return 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, stream, bytes, count, context in
      guard let context else { return 0 }
      HTTP2Callbacks.with(context) { $0.dataReceived(stream, UnsafeBufferPointer(start: bytes, count: count)) }
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks) { _, frame, context in
      guard let frame, let context else { return 0 }
      HTTP2Callbacks.with(context) { $0.frameSent(frame.pointee) }
      return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, stream, code, context in
      guard let context else { return 0 }
      HTTP2Callbacks.with(context) { $0.streamClosed(stream, code) }
      return 0
    }
  }

  /// Copies the next piece of an answer's body to nghttp2.
  static let readBody: nghttp2_data_source_read_callback = { _, stream, buffer, count, flags, _, context in
    guard let context, let buffer, let flags else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
    var result = 0
    HTTP2Callbacks.with(context) {
      let (copied, isLast) = $0.copyBody(of: stream, to: UnsafeMutableRawBufferPointer(start: buffer, count: count))
      if isLast { flags.pointee |= UInt32(NGHTTP2_DATA_FLAG_EOF.rawValue) }
      result = copied
    }
    return result
  }

  /// Without taking a reference, which would cost more than the call.
  private static func with(_ context: UnsafeMutableRawPointer, _ body: (HTTP2Connection) -> Void) {
    Unmanaged<HTTP2Connection>.fromOpaque(context)._withUnsafeGuaranteedRef { body($0) }
  }
}
