import Glibc

/// A program of the machine that a test drives.
struct Tool: Sendable {
  struct Result: Sendable {
    let status: Int32
    let output: String
    let errors: String
  }

  let path: String

  /// Fails, rather than skips, where the program is missing.
  init(_ name: String, package: String) throws {
    let folders = String(cString: getenv("PATH") ?? strdup("/usr/bin:/bin")).split(separator: ":")
    guard let folder = folders.first(where: { access("\($0)/\(name)", X_OK) == 0 }) else {
      throw TestFailure("\(name) is not installed, and this test needs it: apt-get install \(package)")
    }
    path = "\(folder)/\(name)"
  }

  static func curl() throws -> Tool { try Tool("curl", package: "curl") }
  static func openssl() throws -> Tool { try Tool("openssl", package: "openssl") }

  func run(_ arguments: [String], input: String = "") async throws -> Result {
    let path = path
    return try await blocking {
      let child = try Child(path, arguments)
      child.write(input)
      child.endInput()
      // The errors are few; the output may be much.
      let output = child.readToEnd(child.output)
      let errors = child.readToEnd(child.errors)
      return Result(status: child.wait(), output: output, errors: errors)
    }
  }
}

/// A program that runs, with pipes to its standard streams.
///
/// Not Foundation's `Process`: children that it starts side by side inherit each other's pipes, and then wait for ends of
/// input that never come.
final class Child: @unchecked Sendable {
  // Used by one thread after the other.
  private let identifier: pid_t
  private let input: Int32
  let output: Int32
  let errors: Int32
  private var inputIsOpen = true
  private var isRunning = true

  init(_ path: String, _ arguments: [String]) throws {
    let pipes = try (0..<3).map { _ in try Self.pipe() }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, pipes[0].read, 0)
    posix_spawn_file_actions_adddup2(&actions, pipes[1].write, 1)
    posix_spawn_file_actions_adddup2(&actions, pipes[2].write, 2)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Threads of the pool block signals, and the server ignores SIGPIPE: a child would inherit both.
    var none = sigset_t()
    sigemptyset(&none)
    var pipeSignal = sigset_t()
    sigemptyset(&pipeSignal)
    sigaddset(&pipeSignal, SIGPIPE)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &pipeSignal)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var words: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var identifier = pid_t()
    let code = posix_spawn(&identifier, path, &actions, &attributes, &words, environ)
    for end in [pipes[0].read, pipes[1].write, pipes[2].write] { close(end) }
    (input, output, errors) = (pipes[0].write, pipes[1].read, pipes[2].read)
    self.identifier = identifier
    guard code == 0 else {
      isRunning = false
      throw TestFailure("cannot start \(path): \(String(cString: strerror(code)))")
    }
  }

  deinit {
    endInput()
    if isRunning {
      kill(identifier, SIGKILL)
      _ = wait()
    }
    close(output)
    close(errors)
  }

  private static func pipe() throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [0, 0]
    // Two connected sockets: unlike a pipe's ends they are never without FD_CLOEXEC, not even for a moment.
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw TestFailure("cannot make a pipe")
    }
    return (ends[0], ends[1])
  }

  func write(_ text: String) {
    var bytes = Array(text.utf8)[...]
    while !bytes.isEmpty {
      let count = bytes.withUnsafeBytes { Glibc.write(input, $0.baseAddress, $0.count) }
      guard count > 0 else { return }
      bytes = bytes.dropFirst(count)
    }
  }

  func endInput() {
    if inputIsOpen { close(input) }
    inputIsOpen = false
  }

  /// What comes next; empty at the end.
  func read(_ stream: Int32) -> [UInt8] {
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    let count = Glibc.read(stream, &chunk, chunk.count)
    return Array(chunk.prefix(max(0, count)))
  }

  func readToEnd(_ stream: Int32) -> String {
    var bytes: [UInt8] = []
    while true {
      let more = read(stream)
      if more.isEmpty { return String(decoding: bytes, as: UTF8.self) }
      bytes += more
    }
  }

  /// Waits for its end: the exit status, or 128 and the signal.
  func wait() -> Int32 {
    var status: Int32 = 0
    while waitpid(identifier, &status, 0) < 0, errno == EINTR {}
    isRunning = false
    return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
  }
}
