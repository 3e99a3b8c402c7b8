import HTTPClient
import Logging
import Primitives

/// Makes the HTTP client for a connection; tests give their own.
typealias HTTPFactory = @Sendable (HTTPClient.Configuration) throws(HTTPClientError) -> any HTTPExchanging

/// Makes the client that a connection's watches stream through.
typealias StreamingFactory = @Sendable (HTTPClient.Configuration) throws(HTTPClientError) -> any HTTPStreaming

/// The HTTP clients of a connection, made anew when the file with the authorities changes.
///
/// Watches have one of their own: their streams last, and no request has to wait behind them.
final class APITransport: Sendable {
  private struct Current: Sendable {
    var http: any HTTPExchanging
    /// Made when the first watch opens.
    var streaming: (any HTTPStreaming)?
    /// What both trust.
    var authorities: [UInt8]?
    var version: Int
  }

  let connection: Connection
  private let make: HTTPFactory
  private let makeStreaming: StreamingFactory
  private let current: Locked<Current>
  private let logger = Logger(label: "pinseal.kubernetes")

  init(
    _ connection: Connection, make: @escaping HTTPFactory,
    makeStreaming: @escaping StreamingFactory = { configuration throws(HTTPClientError) in
      try HTTPClient(configuration)
    }
  ) throws(ClusterError) {
    self.connection = connection
    self.make = make
    self.makeStreaming = makeStreaming
    let (authorities, version) = Self.authorities(of: connection)
    do throws(HTTPClientError) {
      let http = try make(Self.configuration(connection, authorities))
      current = Locked(Current(http: http, authorities: authorities, version: version))
    } catch {
      throw ClusterError(
        .invalid,
        "the connection to \(connection.server.url) cannot be set up: \(error.description.printable(limit: 300))")
    }
  }

  /// The client to use now.
  var http: any HTTPExchanging {
    let (authorities, version) = Self.authorities(of: connection)
    return current.withLock { current in
      renew(&current, authorities, version)
      return current.http
    }
  }

  /// The client to open streams with now. One that is replaced ends its streams, so watches come here again.
  var streaming: any HTTPStreaming {
    get throws(HTTPClientError) {
      let (authorities, version) = Self.authorities(of: connection)
      return try current.withLock { current throws(HTTPClientError) in
        renew(&current, authorities, version)
        if let streaming = current.streaming { return streaming }
        let made = try makeStreaming(Self.configuration(connection, current.authorities))
        current.streaming = made
        return made
      }
    }
  }

  private func renew(_ current: inout Current, _ authorities: [UInt8]?, _ version: Int) {
    guard version != current.version else { return }
    // Tried once for each content: what is no authority today will not become one by trying.
    current.version = version
    guard PEM.holds("CERTIFICATE", authorities ?? []) else {
      logger.error("the changed authorities are not used: they hold no certificate in PEM")
      return
    }
    do throws(HTTPClientError) {
      current.http = try make(Self.configuration(connection, authorities))
      current.authorities = authorities
      current.streaming = nil
    } catch {
      logger.error("the changed authorities are not used: \(error.description.printable(limit: 300))")
    }
  }

  private static func authorities(of connection: Connection) -> (pem: [UInt8]?, version: Int) {
    switch connection.authorities {
    case .system: return (nil, 0)
    case .fixed(let pem): return (pem, 0)
    case .file(let file):
      let (bytes, version) = file.content()
      return (bytes, version)
    }
  }

  private static func configuration(_ connection: Connection, _ authorities: [UInt8]?) -> HTTPClient.Configuration {
    var configuration = HTTPClient.Configuration()
    configuration.onlyAuthorities = authorities
    configuration.clientCertificatePEM = connection.clientCertificatePEM
    configuration.clientKeyPEM = connection.clientKeyPEM
    configuration.verifiesPeer = connection.verifiesPeer
    return configuration
  }
}
