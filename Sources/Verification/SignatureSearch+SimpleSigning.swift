import Crypto
import OCI
import Primitives
import Sigstore

extension SignatureSearch {
  /// The place of cosign 1 and 2 and of skopeo: each layer under the tag `sha256-HEX.sig` is a signature.
  func searchSignatureTag() async -> (Place, PlaceReport) {
    let tag = ImageSignature.signatureTag(digest)
    let place = Place.signatureTag(tag)
    var report = PlaceReport()
    do throws(RegistryError) {
      let fetched = try await progress.during(.signatureManifest(tag: tag)) {
        () async throws(RegistryError) -> FetchedManifest? in
        try await registry.manifest(reference, at: .tag(tag), credentials: credentials, deadline: deadline)
      }
      guard let fetched else { return (place, report) }
      guard case .image(_, _, let layers, _, _) = try Manifest(parsing: fetched) else {
        // An index is nothing that anybody signs with; what it lists is not looked at.
        report.others = 1
        return (place, report)
      }
      await judgeLayers(layers, owner: "", budget: Budget(limits.candidatesPerStore), into: &report)
    } catch {
      report.failures.append(error)
    }
    return (place, report)
  }

  /// Judges simple signing layers, the cheap ones first, so that nobody hides a good one behind dear ones: what is plainly
  /// no signature costs nothing of the budget, then come those whose payload is at hand, then each payload is fetched
  /// once, however many signatures lie over it.
  func judgeLayers(
    _ layers: [Descriptor], owner: String, budget: Budget, into report: inout PlaceReport
  ) async {
    var toFetch: [SignedLayer] = []
    let predicted = predictedPayloads
    for (index, layer) in layers.enumerated() {
      guard layer.mediaType == MediaType.simpleSigning else {
        report.others += 1
        continue
      }
      report.present += 1
      let signed = SignedLayer(order: index, label: "\(owner)layer \(index + 1)", descriptor: layer)
      if let flaw = flaw(of: layer) {
        report.judged += 1
        report.findings.append(signed.finding(flaw))
      } else if let payload = predicted.first(where: { layer.describes($0) }) {
        guard !Task.isCancelled, budget.take() else { continue }
        report.judged += 1
        report.absorb(await judge(signed, payload: payload))
        if report.good != nil { return }
      } else {
        toFetch.append(signed)
      }
    }
    var groups: [PayloadLayers] = []
    for layer in toFetch {
      guard budget.take() else { break }
      report.judged += 1
      if let known = groups.firstIndex(where: { $0.shares(layer.descriptor) }) {
        groups[known].layers.append(layer)
      } else {
        groups.append(PayloadLayers(descriptor: layer.descriptor, layers: [layer]))
      }
    }
    await judgeEach(groups, into: &report) { group in await fetchAndJudge(group) }
  }

  private struct SignedLayer: Sendable {
    let order: Int
    let label: String
    let descriptor: Descriptor

    func finding(_ flaw: CandidateRejection) -> Finding {
      Finding(order: order, label: label, kind: .simpleSigning, judgement: .rejected(flaw))
    }
  }

  /// Signatures over one payload.
  private struct PayloadLayers: Sendable {
    let descriptor: Descriptor
    var layers: [SignedLayer]

    func shares(_ other: Descriptor) -> Bool { descriptor.digest == other.digest && descriptor.size == other.size }
  }

  /// What can be said against a layer before anything is fetched for it.
  private func flaw(of layer: Descriptor) -> CandidateRejection? {
    if layer.size < 0 || layer.size > Int64(limits.payloadBytes) {
      return CandidateRejection(
        .malformed, "its payload is declared with \(layer.size) bytes, where at most \(limits.payloadBytes) are read")
    }
    if layer.annotations[MediaType.signatureAnnotation, default: ""].isEmpty {
      return CandidateRejection(.malformed, "it has no annotation \(MediaType.signatureAnnotation)")
    }
    return nil
  }

  /// The payloads that cosign writes by default, one for each name of the repository.
  private var predictedPayloads: [[UInt8]] {
    // cosign writes Docker Hub by its old name; skopeo by the present one (with a tag, which cannot be guessed).
    var names = [reference.name]
    if reference.registry == "docker.io" { names.insert("index.docker.io/" + reference.repository, at: 0) }
    return names.map { ImageSignature.defaultPayload(dockerReference: $0, digest: digest) }
  }

  private func fetchAndJudge(_ group: PayloadLayers) async -> PlaceReport {
    var report = PlaceReport()
    do throws(RegistryError) {
      let step = Step.payload(group.descriptor.digest)
      let payload = try await progress.during(step) { () async throws(RegistryError) -> [UInt8] in
        try await registry.blob(
          reference, descriptor: group.descriptor, maximumBytes: limits.payloadBytes, credentials: credentials,
          deadline: deadline)
      }
      for layer in group.layers where !Task.isCancelled {
        report.absorb(await judge(layer, payload: payload))
        if report.good != nil { break }
      }
    } catch {
      for layer in group.layers {
        report.absorb(error, order: layer.order, label: layer.label, kind: .simpleSigning)
      }
    }
    return report
  }

  private func judge(_ layer: SignedLayer, payload: [UInt8]) async -> PlaceReport {
    // Whatever a registry client lets through, no more than the limit reaches the parsers.
    guard payload.count <= limits.payloadBytes else {
      let flaw = CandidateRejection(
        .malformed, "its payload has \(payload.count) bytes, where at most \(limits.payloadBytes) are read")
      var report = PlaceReport()
      report.findings = [layer.finding(flaw)]
      return report
    }
    return await judge(
      .simpleSigning(
        payload: payload, layerMediaType: layer.descriptor.mediaType, annotations: layer.descriptor.annotations),
      order: layer.order, label: layer.label, kind: .simpleSigning)
  }
}

extension Descriptor {
  /// Whether it is of exactly these bytes.
  fileprivate func describes(_ bytes: [UInt8]) -> Bool {
    size == Int64(bytes.count) && Digest(hashing: bytes, algorithm: digest.algorithm) == digest
  }
}

/// How many more candidates of one store may be judged.
final class Budget: Sendable {
  private let left: Locked<Int>
  private let reserve: Budget?

  /// `count` candidates, and after them those of another budget.
  init(_ count: Int, then reserve: Budget? = nil) {
    left = Locked(count)
    self.reserve = reserve
  }

  /// Takes one if there is one.
  func take() -> Bool {
    let taken = left.withLock { left in
      guard left > 0 else { return false }
      left -= 1
      return true
    }
    return taken || reserve?.take() ?? false
  }
}
