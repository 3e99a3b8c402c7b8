public import Primitives

extension HTTPClient: HTTPStreaming {
  /// Opens a stream. The client need not be kept for it, but when it closes, its streams fail with `cancelled`.
  ///
  /// Streams have a bound of their own, `Configuration.maximumStreams`, beyond which `cannotConnect` is thrown at once.
  /// Up to 256 KiB of a stream stay unread before the peer has to wait; while it waits, `silence` does not run. Over
  /// HTTP/2 the peer may send 32 MiB more before it has to; they count in `Configuration.maximumBufferedBytes`.
  public func open(
    _ request: HTTPRequest, deadline: Deadline, silence: Duration
  ) async throws(HTTPClientError) -> any HTTPStream {
    let pipe = StreamPipe(authority: try HTTPURL(parsing: request.url).authority)
    let transfer = try transfer(request, deadline: deadline, stream: Transfer.Stream(pipe: pipe, silence: silence))
    let loop = loop
    // The client must not close while somebody waits.
    defer { withExtendedLifetime(self) {} }
    let head = await withTaskCancellationHandler {
      await withCheckedContinuation { (opener: StreamPipe.Opener) in
        pipe.awaitHead(opener)
        loop.submit(transfer)
      }
    } onCancel: {
      loop.cancel(transfer)
    }
    return ResponseStream(try head.get(), pipe: pipe, transfer: transfer, loop: loop)
  }
}

/// The reader's end of a transfer: the transfer ends with it.
private final class ResponseStream: HTTPStream {
  let status: Int
  let headers: [(name: String, value: String)]
  private let pipe: StreamPipe
  private let transfer: Transfer
  /// A client that has closed lets go of its connections, whoever still holds streams.
  private weak let loop: TransferLoop?

  init(_ head: StreamPipe.Head, pipe: StreamPipe, transfer: Transfer, loop: TransferLoop) {
    (status, headers) = (head.status, head.headers)
    (self.pipe, self.transfer, self.loop) = (pipe, transfer, loop)
  }

  deinit { close() }

  func next() async throws(HTTPClientError) -> [UInt8]? {
    let answer = await withTaskCancellationHandler {
      await withCheckedContinuation { (reader: StreamPipe.Reader) in
        if pipe.read(reader) { loop?.resume(transfer) }
      }
    } onCancel: {
      close()
    }
    return try answer.get()
  }

  func close() {
    if pipe.close() { loop?.cancel(transfer) }
  }
}
