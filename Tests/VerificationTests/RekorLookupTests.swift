import Crypto
import HTTPClient
import OCI
import Primitives
import Sigstore
import Testing

@testable import Verification

/// A log that is asked over HTTP for proofs that are not attached.
@Suite(.timeLimit(.minutes(5)))
struct RekorLookupTests {
  /// Answers as told, and keeps what it was asked.
  final class FakeHTTP: HTTPExchanging {
    let state: Locked<(answer: Result<HTTPResponse, HTTPClientError>, requests: [HTTPRequest])>

    init(_ answer: Result<HTTPResponse, HTTPClientError>) { state = Locked((answer, [])) }

    func send(_ request: HTTPRequest, deadline: Deadline) async throws(HTTPClientError) -> HTTPResponse {
      let answer = state.withLock { state in
        state.requests.append(request)
        return state.answer
      }
      return try answer.get()
    }

    var requests: [HTTPRequest] { state.withLock { $0.requests } }
  }

  let log: MemoryLog
  let tag = "ghcr.io/team/app:v1"

  init() throws { log = MemoryLog(key: try PrivateKey(generating: .p256), url: "https://rekor.example/") }

  func verdict(
    _ answer: Result<HTTPResponse, HTTPClientError>, layers count: Int = 1, requiresLog: Bool = true,
    attached: Bool = false, by key: PrivateKey = Keys.mine, trust: TrustedRoot? = nil
  ) async throws -> (verdict: Verdict, requests: [HTTPRequest]) {
    let http = FakeHTTP(answer)
    let registry = FakeRegistry()
    let clock = TestClock()
    let verifier = ImageVerifier(
      registry: registry, limits: VerifierLimits(), logLookup: RekorLookup(http: http), timer: clock.timer,
      now: { clock.now })
    // Built beside the scene, whose verifier asks nobody.
    let scene = Scene()
    let digest = scene.pushImage()
    _ = registry.push("{}", to: "unused")
    var layers: [Layer] = []
    for number in 0..<count {
      let layer = try ImageSigner.layer(
        dockerReference: scene.repository, digest: digest, key: key,
        annotations: count > 1 ? ["n": "\(number)"] : [:], log: attached ? log : nil)
      layers.append(
        Layer(
          digest: registry.push(blob: layer.payload, to: scene.repository), size: layer.payload.count,
          annotations: layer.annotations))
    }
    registry.push(
      scene.manifest(layers: layers), to: scene.repository, tag: ImageSignature.signatureTag(digest))
    registry.point("v1", in: scene.repository, to: digest)
    let request = VerificationRequest(
      image: try RequestedImage(parsing: tag),
      demand: SignatureDemand(keys: [Keys.mine.publicKey], requiresLog: requiresLog),
      trust: try trust ?? log.trustedRoot(),
      credentials: Scope(scope: ""))
    return (await verifier.verify(request, deadline: scene.deadline), http.requests)
  }

  /// The log's answer about the signature of `verdict`'s one layer: ECDSA signs anew each time, so the layer is fixed here.
  func answered(status: Int = 200, _ text: String) -> Result<HTTPResponse, HTTPClientError> {
    .success(HTTPResponse(status: status, body: Array(text.utf8)))
  }

  @Test func `a signature without a proof is looked up, and the answer is a proof`() async throws {
    // Ed25519 signs alike each time, so the log can know the signature beforehand.
    let key = try PrivateKey(generating: .ed25519)
    let registry = FakeRegistry()
    let scene = Scene()
    let digest = scene.pushImage()
    let layer = try ImageSigner.layer(dockerReference: scene.repository, digest: digest, key: key)
    let signature = try #require(Base64.decode(layer.annotations[MediaType.signatureAnnotation] ?? ""))
    let entry = try log.logPayload(
      layer.payload, signature: signature, verifierPEM: key.publicKey.pem, at: 1_767_225_700)
    let earlier = try log.logPayload(
      layer.payload, signature: signature, verifierPEM: key.publicKey.pem, at: 1_767_225_600)
    let http = FakeHTTP(answered("[\(entry.answer),\(earlier.answer)]"))
    let verifier = ImageVerifier(registry: registry, logLookup: RekorLookup(http: http))
    let payload = Layer(
      digest: registry.push(blob: layer.payload, to: scene.repository), size: layer.payload.count,
      annotations: layer.annotations)
    registry.push(
      scene.manifest(layers: [payload]), to: scene.repository, tag: ImageSignature.signatureTag(digest))
    registry.point("v1", in: scene.repository, to: digest)
    let request = VerificationRequest(
      image: try RequestedImage(parsing: tag), demand: SignatureDemand(keys: [key.publicKey], requiresLog: true),
      trust: try log.trustedRoot(), credentials: Scope(scope: ""))
    let image = try #require(await verifier.verify(request, deadline: .after(.seconds(20))).image)
    #expect(image.signature.times == [1_767_225_600], "the earliest of several entries")
    #expect(http.requests.map(\.url) == ["https://rekor.example/api/v1/log/entries/retrieve"])
    #expect(http.requests[0].method == .post)
  }

  @Test func `the log has no such entry: the proof is missing`() async throws {
    for answer in [answered("[]"), answered(status: 404, "")] {
      let (verdict, requests) = try await verdict(answer)
      #expect(verdict.code == .logProofMissing)
      #expect(requests.count == 1)
    }
  }

  @Test func `a log's genuine answer about something else is no proof`() async throws {
    let other = try log.logPayload(
      [1], signature: try Keys.mine.sign([1], scheme: .ecdsa(.sha256)), verifierPEM: Keys.mine.publicKey.pem,
      at: 1_767_225_600)
    #expect(try await verdict(answered("[\(other.answer)]")).verdict.code == .logProofMissing)
  }

  @Test func `a log that does not answer, or nonsense, leaves the verdict open`() async throws {
    for answer in [
      answered(status: 500, "no"), answered(status: 302, ""), answered("<html>"), answered("{}"),
      .failure(HTTPClientError(code: .timedOut, description: "rekor.example: timed out")),
    ] {
      let (verdict, _) = try await verdict(answer)
      #expect(verdict.code == .logUnavailable)
      #expect(verdict.message.hasPrefix("a signature lacks a log proof, and the log could not be asked for it: "))
      #expect(verdict.code?.isTransient == true)
    }
  }

  @Test func `nobody is asked about what has a proof, needs none, or is a stranger's`() async throws {
    #expect(try await verdict(answered("[]"), attached: true).requests.isEmpty)
    #expect(try await verdict(answered("[]"), requiresLog: false).requests.isEmpty)
    #expect(try await verdict(answered("[]"), by: Keys.stranger).requests.isEmpty)
  }

  @Test func `however many signatures lack a proof, a log is asked a few times`() async throws {
    #expect(try await verdict(answered("[]"), layers: 12).requests.count == VerifierLimits().logLookups)
  }

  @Test func `of many logs four are asked, and no more than a megabyte is taken of any`() async throws {
    let logs = try (0..<6).map { number in
      try MemoryLog(key: PrivateKey(generating: .p256), url: "https://rekor\(number).example").trustedRoot()
    }
    let (verdict, requests) = try await verdict(answered("[]"), trust: TrustedRoot(combining: logs))
    #expect(verdict.code == .logProofMissing)
    #expect(requests.map(\.url) == (0..<4).map { "https://rekor\($0).example/api/v1/log/entries/retrieve" })
    #expect(requests.allSatisfy { $0.maximumResponseBytes == 1 << 20 })
  }
}
