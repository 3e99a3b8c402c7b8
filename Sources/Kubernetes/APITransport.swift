import HTTPClient
import Logging
import Primitives

/// Makes the HTTP client for a connection; tests give their own.
typealias HTTPFactory = @Sendable (HTTPClient.Configuration) throws(HTTPClientError) -> any HTTPExchanging

/// The HTTP client of a connection, made anew when the file with the authorities changes.
final class APITransport: Sendable {
  private struct Current: Sendable {
    var http: any HTTPExchanging
    var version: Int
  }

  let connection: Connection
  private let make: HTTPFactory
  private let current: Locked<Current>
  private let logger = Logger(label: "pinseal.kubernetes")

  init(_ connection: Connection, make: @escaping HTTPFactory) throws(ClusterError) {
    self.connection = connection
    self.make = make
    let (authorities, version) = Self.authorities(of: connection)
    do throws(HTTPClientError) {
      let http = try make(Self.configuration(connection, authorities))
      current = Locked(Current(http: http, version: version))
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
      guard version != current.version else { return current.http }
      // Tried once for each content: what is no authority today will not become one by trying.
      current.version = version
      guard PEM.holds("CERTIFICATE", authorities ?? []) else {
        logger.error("the changed authorities are not used: they hold no certificate in PEM")
        return current.http
      }
      do throws(HTTPClientError) {
        current.http = try make(Self.configuration(connection, authorities))
      } catch {
        logger.error("the changed authorities are not used: \(error.description.printable(limit: 300))")
      }
      return current.http
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
