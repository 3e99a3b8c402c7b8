import CCurl
import Glibc
import Primitives

/// Bytes at a fixed address, which libcurl reads without copying for as long as a handle lives.
final class Blob: @unchecked Sendable {
  // Written in `init` alone.
  let bytes: UnsafeMutableRawBufferPointer

  init(_ content: [UInt8]) {
    bytes = .allocate(byteCount: content.count, alignment: 1)
    bytes.copyBytes(from: content)
  }

  deinit {
    if let base = bytes.baseAddress { explicit_bzero(base, bytes.count) }
    bytes.deallocate()
  }
}

/// Whom a client trusts, and how it proves who it is itself.
struct TrustMaterial: Sendable {
  enum Authorities: Sendable {
    /// libcurl keeps what it parsed of a file; this is the way of the system's store.
    case file(String)
    /// Parsed anew for each connection; beside libcurl's default folder, or alone.
    case blob(Blob, keepsFolder: Bool)
    /// What libcurl was built with, where it names no file.
    case builtIn
  }

  let authorities: Authorities
  let clientCertificate: Blob?
  let clientKey: Blob?
  let verifiesPeer: Bool

  private static let maximumFileBytes = 8 << 20

  init(_ configuration: HTTPClient.Configuration) throws(HTTPClientError) {
    let system = pinseal_curl_system_authorities().map { String(cString: $0) }
    if let only = configuration.onlyAuthorities {
      authorities = .blob(Blob(try Self.checked(only, "the authorities given")), keepsFolder: false)
    } else if let file = configuration.additionalAuthoritiesFile {
      // libcurl takes a blob or a file: the system's store and the extra authorities are made one blob. A system
      // without a store has nothing to add to.
      var all: [UInt8] = []
      if let system, access(system, F_OK) == 0 { all = try Self.read(system) }
      all.append(UInt8(ascii: "\n"))
      all += try Self.checked(Self.read(file), "the authorities file \(file.printable())")
      authorities = .blob(Blob(all), keepsFolder: system == nil)
    } else if let system {
      authorities = .file(system)
    } else {
      authorities = .builtIn
    }
    guard (configuration.clientCertificatePEM == nil) == (configuration.clientKeyPEM == nil) else {
      throw HTTPClientError(
        code: .invalidConfiguration, description: "a client certificate needs its key, and a key its certificate")
    }
    clientCertificate = try configuration.clientCertificatePEM.map { pem throws(HTTPClientError) in
      Blob(try Self.checked(pem, "the client certificate"))
    }
    clientKey = configuration.clientKeyPEM.map { Blob($0) }
    verifiesPeer = configuration.verifiesPeer
  }

  private static func checked(_ pem: [UInt8], _ what: String) throws(HTTPClientError) -> [UInt8] {
    guard String(decoding: pem, as: UTF8.self).contains("-----BEGIN CERTIFICATE-----") else {
      throw HTTPClientError(
        code: .invalidConfiguration, description: "\(what) holds no PEM block -----BEGIN CERTIFICATE-----")
    }
    return pem
  }

  private static func read(_ name: String) throws(HTTPClientError) -> [UInt8] {
    func failure(_ reason: String) -> HTTPClientError {
      HTTPClientError(
        code: .invalidConfiguration, description: "cannot read the authorities file \(name.printable()): \(reason)")
    }
    let descriptor = open(name, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure(String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var content: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = Glibc.read(descriptor, &chunk, chunk.count)
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw failure(String(cString: strerror(errno))) }
      if count == 0 { return content }
      content += chunk[..<count]
      guard content.count <= maximumFileBytes else { throw failure("more than \(maximumFileBytes) bytes") }
    }
  }
}
