import CNghttp2

/// Owns an nghttp2 session and knows how it is set up.
final class HTTP2Session {
  let pointer: OpaquePointer

  /// A server's session that calls back with `context`, which must outlive every call on the session. nil without
  /// memory.
  init?(limits: ServerLimits, context: UnsafeMutableRawPointer) {
    var options: OpaquePointer?
    guard nghttp2_option_new(&options) == 0, let options else { return nil }
    defer { nghttp2_option_del(options) }
    // Windows are ours to open: see `WindowBudget`.
    nghttp2_option_set_no_auto_window_update(options, 1)
    nghttp2_option_set_no_closed_streams(options, 1)
    // Rapid reset (CVE-2023-44487), floods of CONTINUATION (CVE-2024-28182), of SETTINGS, and of frames to be acknowledged.
    nghttp2_option_set_stream_reset_rate_limit(options, Self.resetBurst, Self.resetRate)
    nghttp2_option_set_max_continuations(options, 8)
    nghttp2_option_set_max_settings(options, 32)
    nghttp2_option_set_max_outbound_ack(options, 256)

    var callbacks: OpaquePointer?
    guard nghttp2_session_callbacks_new(&callbacks) == 0, let callbacks else { return nil }
    defer { nghttp2_session_callbacks_del(callbacks) }
    HTTP2Callbacks.install(callbacks)

    var session: OpaquePointer?
    guard nghttp2_session_server_new2(&session, callbacks, context, options) == 0, let session else { return nil }
    pointer = session

    var settings = [
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue), value: UInt32(limits.streamsPerConnection)
      ),
      nghttp2_settings_entry(
        settings_id: Int32(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE.rawValue), value: UInt32(limits.headerBytes)),
    ]
    // The connection's window never holds anybody up: the streams' windows are the bound.
    guard nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), &settings, settings.count) == 0,
      nghttp2_session_set_local_window_size(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, 1 << 30) == 0
    else { return nil }
  }

  deinit { nghttp2_session_del(pointer) }

  /// Resets that a client may send at once, and a second: an API server's requests do run out of time in bursts.
  static let resetBurst: UInt64 = 256
  static let resetRate: UInt64 = 32
}
