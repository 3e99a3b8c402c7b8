import Crypto
import Kubernetes
import Logging
import Primitives
import Testing

@testable import Webhook

/// Replicas that keep one Secret and two webhook configurations, with a clock that only the test moves.
final class CertificateScene: Sendable {
  static let mutating = id("mutating/pinseal-mutate")
  static let validating = id("validating/pinseal-validate")
  static let names = ["pinseal.pinseal.svc"]

  let objects: FakeCertificateObjects
  let folder: TemporaryFolder
  private let time = Locked<Int64>(1_800_000_000)

  init(secret: KeptSecret? = FakeCertificateObjects.emptySecret) throws {
    objects = FakeCertificateObjects(secret: secret, registrations: [Self.mutating, Self.validating])
    folder = try TemporaryFolder(name: "pinseal-certificates")
  }

  deinit { folder.remove() }

  static func id(_ text: String) -> WebhookRegistrationID {
    guard let id = try? WebhookRegistrationID(parsing: text) else { fatalError("\(text) names nothing") }
    return id
  }

  var now: Int64 { time.withLock { $0 } }
  func advance(_ seconds: Int64) { time.withLock { $0 += seconds } }
  func advance(days: Int64) { advance(days * 86_400) }

  /// A replica; `skew` is by how much its clock is ahead.
  func replica(
    _ name: String, dnsNames: [String] = CertificateScene.names, skew: Int64 = 0, overlap: Int64? = nil
  ) throws -> Replica {
    let configuration = try CertificateKeeper.Configuration(
      secret: try SecretPlace(parsing: "pinseal/pinseal-tls"), dnsNames: dnsNames,
      registrations: [Self.mutating, Self.validating])
    var rules = CertificateRules(dnsNames: dnsNames)
    if let overlap { rules.overlap = overlap }
    let file = "\(folder.path)/\(name).pem"
    let keeper = CertificateKeeper(
      configuration, rules: rules, objects: objects, file: file, clock: { [self] in now + skew },
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    return Replica(keeper: keeper, file: file, scene: self)
  }

  struct Replica: Sendable {
    let keeper: CertificateKeeper
    let file: String
    let scene: CertificateScene

    @discardableResult
    func pass() async throws -> [String] {
      // The objects answer at once: without this a test would keep a thread of the pool to itself for seconds.
      await Task.yield()
      return try await keeper.pass().changes
    }

    /// What its server would show.
    var served: X509Certificate {
      get throws {
        let text = String(decoding: try FileBytes.read(file), as: UTF8.self)
        let end = try #require(text.firstRange(of: "-----END CERTIFICATE-----\n"))
        let certificate = try #require(try X509Certificate.parsePEM(String(text[..<end.upperBound])).first)
        _ = try IssuedCertificate(certificate: certificate, key: try PrivateKey(pem: text))
        return certificate
      }
    }

    /// Whether an API server accepts what it serves now, by each webhook's bundle.
    func expectAccepted(_ what: String = "", location: SourceLocation = #_sourceLocation) throws {
      let leaf = try served
      #expect(leaf.hostNames.isSuperset(of: CertificateScene.names), "\(what)", sourceLocation: location)
      for bundle in Set(scene.objects.bundles) {
        do {
          _ = try CertificatePath.verify(
            leaf: leaf, intermediates: [],
            roots: try X509Certificate.parsePEM(String(decoding: bundle, as: UTF8.self)), at: scene.now,
            purpose: .serverAuthentication)
        } catch {
          Issue.record("\(what) at \(scene.now): \(error)", sourceLocation: location)
        }
      }
    }
  }

  var material: CertificateMaterial { CertificateMaterial(objects.secret) }
}
