import Crypto
import OCI
import Primitives
import Sigstore

extension SignatureSearch {
  /// The place of cosign 3: manifests that refer to the image, by the referrers API or the fallback tag.
  ///
  /// What a descriptor claims to be decides only the order, since fallback tags are written by clients that know no better
  /// than `application/vnd.oci.empty.v1+json`; each manifest is fetched and judged by its content. Which subject it claims
  /// does not matter either: the digest that is signed does.
  func searchReferrers() async -> (Place, PlaceReport) {
    var report = PlaceReport()
    let listed: Referrers
    do throws(RegistryError) {
      listed = try await progress.during(.referrersList) { () async throws(RegistryError) -> Referrers in
        try await registry.referrers(reference, of: digest, credentials: credentials, deadline: deadline)
      }
    } catch {
      report.failures.append(error)
      return (.referrers(nil), report)
    }
    report.isTruncated = listed.isTruncated

    var seen: Set<Digest> = []
    var candidates: [Descriptor] = []
    for descriptor in listed.descriptors where seen.insert(descriptor.digest).inserted {
      // Indexes inside the list are not descended into.
      if descriptor.isIndex { report.others += 1 } else { candidates.append(descriptor) }
    }
    let ordered = candidates.enumerated()
      .sorted { ($0.element.unlikelihood, $0.offset) < ($1.element.unlikelihood, $1.offset) }
      .map { Referrer(order: $0.offset, descriptor: $0.element) }

    let budget = Budget(limits.candidatesPerStore)
    let affordable = Array(ordered.prefix { _ in budget.take() })
    report.present = ordered.count
    report.judged = affordable.count
    await judgeEach(affordable, into: &report) { referrer in await judge(referrer, budget: budget) }
    return (.referrers(listed.place), report)
  }

  private struct Referrer: Sendable {
    let order: Int
    let descriptor: Descriptor
  }

  private func judge(_ referrer: Referrer, budget: Budget) async -> PlaceReport {
    var report = PlaceReport()
    let digest = referrer.descriptor.digest
    let label = "referrer \(digest.short)"
    let kind: Finding.Kind = referrer.descriptor.claimsSimpleSigning ? .simpleSigning : .bundle
    do throws(RegistryError) {
      let fetched = try await progress.during(.referrerManifest(digest)) {
        () async throws(RegistryError) -> FetchedManifest? in
        try await registry.manifest(reference, at: .digest(digest), credentials: credentials, deadline: deadline)
      }
      guard let fetched else {
        report.missing = 1
        return report
      }
      guard case .image(let artifactType, let config, let layers, _, _) = try Manifest(parsing: fetched) else {
        report.others = 1
        return report
      }
      if layers.count == 1, layers[0].mediaType.hasPrefix(MediaType.bundlePrefix) {
        return await judgeBundle(layers[0], order: referrer.order)
      }
      if config.mediaType == MediaType.cosignSignatureArtifact || artifactType == MediaType.cosignSignatureArtifact {
        // The referrer itself has paid for one layer.
        await judgeLayers(layers, owner: label + " ", budget: Budget(1, then: budget), into: &report)
        report.present = max(0, report.present - 1)
        report.judged = max(0, report.judged - 1)
        if layers.isEmpty { report.others = 1 }
        return report
      }
      report.others = 1
    } catch {
      report.absorb(error, order: referrer.order, label: label, kind: kind)
    }
    return report
  }

  private func judgeBundle(_ layer: Descriptor, order: Int) async -> PlaceReport {
    let label = "bundle \(layer.digest.short)"
    var report = PlaceReport()
    func reject(_ size: Int64) {
      let flaw = CandidateRejection(.malformed, "it has \(size) bytes, where at most \(limits.bundleBytes) are read")
      report.findings = [Finding(order: order, label: label, kind: .bundle, judgement: .rejected(flaw))]
    }
    guard layer.size >= 0, layer.size <= Int64(limits.bundleBytes) else {
      reject(layer.size)
      return report
    }
    do throws(RegistryError) {
      let bytes = try await progress.during(.bundle(layer.digest)) { () async throws(RegistryError) -> [UInt8] in
        try await registry.blob(
          reference, descriptor: layer, maximumBytes: limits.bundleBytes, credentials: credentials, deadline: deadline)
      }
      guard bytes.count <= limits.bundleBytes else {
        reject(Int64(bytes.count))
        return report
      }
      return await judge(.bundle(bytes), order: order, label: label, kind: .bundle)
    } catch {
      report.absorb(error, order: order, label: label, kind: .bundle)
      return report
    }
  }
}

extension Descriptor {
  fileprivate var isIndex: Bool {
    mediaType == "application/vnd.oci.image.index.v1+json"
      || mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
  }

  fileprivate var claimsSimpleSigning: Bool { artifactType == MediaType.cosignSignatureArtifact }

  /// How late it is fetched, by what it claims to be: an order, never a verdict.
  fileprivate var unlikelihood: Int {
    let predicate = annotations["dev.sigstore.bundle.predicateType"]
    let type = artifactType ?? ""
    if predicate == "https://sigstore.dev/cosign/sign/v1" { return 0 }
    if claimsSimpleSigning { return 2 }
    if type.hasPrefix(MediaType.bundlePrefix) { return predicate == nil ? 1 : 4 }
    if type.isEmpty || type == "application/vnd.oci.empty.v1+json" || type.hasSuffix("image.config.v1+json") {
      return 3
    }
    return 5
  }
}
