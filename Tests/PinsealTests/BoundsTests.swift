import Admission
import ArgumentParser
import HTTPClient
import HTTPServer
import OCI
import Testing
import Verification
import Webhook

@testable import pinseal

@Suite struct BoundsTests {
  struct Applied {
    var configuration = WebhookConfiguration(
      listen: "127.0.0.1:0", tls: TLSConfiguration(certificateFile: "c", keyFile: "k"),
      operationsListen: "127.0.0.1:0")
    var registry = RegistryLimits()
    var http = HTTPClient.Configuration()

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
      try Bounds.parse(arguments).apply(
        Settings(environment: environment), to: &configuration, registry: &registry, http: &http)
    }
  }

  static let memory: [(name: String, value: @Sendable (Applied) -> Int, standard: Int)] = [
    ("max-buffered-bytes", { $0.configuration.serverLimits.bufferedBytes }, 134_217_728),
    ("max-fetched-bytes", { $0.http.maximumBufferedBytes }, 268_435_456),
    ("cache-bytes", { $0.configuration.verifierLimits.cachedFactBytes }, 67_108_864),
  ]

  @Test(arguments: memory.indices) func `the memory that many share has a bound that may be set`(index: Int) throws {
    let (name, value, standard) = Self.memory[index]
    #expect(try value(Applied([])) == standard)
    #expect(try value(Applied(["--\(name)", "50000000"])) == 50_000_000)
    #expect(try value(Applied([], environment: [Settings.variable(name): "50000001"])) == 50_000_001)
    for text in ["1048575", "17179869185", "0", "64MiB", "-1"] {
      #expect(throws: ValidationError.self) { try Applied([], environment: [Settings.variable(name): text]) }
    }
    #expect(Bounds.names.contains(name))
  }

  /// README.md has the same numbers.
  @Test func `bounds that nobody sets are the documented ones`() throws {
    let applied = try Applied([])
    let (registry, verifier) = (applied.registry, applied.configuration.verifierLimits)
    #expect(registry.manifestBytes == 4 << 20 && registry.blobBytes == 1 << 20 && registry.tokenBytes == 1 << 20)
    #expect(registry.referrerPages == 3 && registry.redirects == 5 && registry.requestTimeout == .seconds(10))
    #expect(verifier.payloadBytes == 1 << 20 && verifier.bundleBytes == 1 << 20 && verifier.candidatesPerStore == 50)
    #expect(applied.configuration.admission.margin == .seconds(2))
  }

  @Test func `an answer of the largest size always fits`() throws {
    let applied = try Applied(["--max-fetched-bytes", "1048576", "--max-manifest-bytes", "8388608"])
    #expect(applied.http.maximumBufferedBytes == 8_388_608)
  }
}
