import Crypto
import OCI
import Primitives
import Sigstore

/// One look for signatures of one digest: everywhere at once, until one that counts is found.
///
/// Sequential round trips, with places asked side by side: a signature at the `.sig` tag takes one (the manifest; the
/// payload cosign writes by default is rebuilt and recognised by its hash, so that it need not be fetched), another
/// payload one more; a bundle takes three (list, manifest, bundle). Resolving a tag comes before that.
///
/// Where the reference brought its digest, nobody has said yet that the image exists. A signature over a digest that the
/// registry does not have must not count (sigstore/cosign issue 542), so the registry is asked, side by side with the
/// places: one more request, no more round trips. "It is not there" and "it is not yours" refuse; a registry that does
/// not answer this one question while the signature is at hand does not, but then nothing is remembered.
struct SignatureSearch: Sendable {
  let registry: any RegistryReading
  let reference: ImageReference
  let digest: Digest
  let terms: Terms
  let asksForImage: Bool
  let credentials: any CredentialsProviding
  let limits: VerifierLimits
  let deadline: Deadline
  let progress: Progress
  /// Which store this looks through; of use only to whoever watches.
  var observedStore = ObservedStore.signatureTag
  /// Who asks logs for proofs that are not attached, if they may be asked.
  let logLookup: (any LogLookup)?
  /// How many more questions may go to logs.
  let lookups: Budget

  /// What the registry said of the image itself.
  enum Existence: Sendable {
    case confirmed
    case unanswered(RegistryError)
    case denied(RegistryError)
  }

  /// All that was found.
  struct Findings: Sendable {
    let existence: Existence
    let places: [(place: Place, report: PlaceReport)]
  }

  func run() async -> Findings {
    async let existence = existence()
    let places = await askPlaces()
    return await Findings(existence: existence, places: places)
  }

  private func existence() async -> Existence {
    guard asksForImage else { return .confirmed }
    do throws(RegistryError) {
      let found = try await progress.during(.askingForImage) { () async throws(RegistryError) -> Digest in
        try await registry.resolve(reference, credentials: credentials, deadline: deadline)
      }
      guard found == digest else {
        return .denied(
          RegistryError(.digestMismatch, "asked for \(digest), the registry answered with \(found)"))
      }
      return .confirmed
    } catch {
      return error.code.isTransient ? .unanswered(error) : .denied(error)
    }
  }

  /// In a fixed order, whichever answered first. A place that was given up because the other had what was looked for is
  /// left out.
  private func askPlaces() async -> [(place: Place, report: PlaceReport)] {
    await withTaskGroup(of: (index: Int, place: Place, report: PlaceReport).self) { group in
      group.addTask {
        let (place, report) = await observing(.signatureTag) { await $0.searchSignatureTag() }
        return (0, place, report)
      }
      group.addTask {
        let (place, report) = await observing(.referrers) { await $0.searchReferrers() }
        return (1, place, report)
      }
      var found: [(index: Int, place: Place, report: PlaceReport)] = []
      while let next = await group.next() {
        if next.report.good != nil {
          group.cancelAll()
          return [(next.place, next.report)]
        }
        found.append(next)
      }
      return found.sorted { $0.index < $1.index }.map { ($0.place, $0.report) }
    }
  }

  /// Judges items, several at a time and begun in their order, until one of them holds a signature that counts.
  func judgeEach<Item: Sendable>(
    _ items: [Item], into report: inout PlaceReport, _ judge: @escaping @Sendable (Item) async -> PlaceReport
  ) async {
    let merged = await withTaskGroup(of: PlaceReport.self) { group in
      var merged = PlaceReport()
      var waiting = items[...]
      for item in waiting.prefix(max(1, limits.concurrentFetches)) { group.addTask { await judge(item) } }
      waiting = waiting.dropFirst(max(1, limits.concurrentFetches))
      while let next = await group.next() {
        merged.absorb(next)
        if merged.good != nil {
          group.cancelAll()
          break
        }
        if let item = waiting.popFirst() { group.addTask { await judge(item) } }
      }
      return merged
    }
    report.absorb(merged)
  }

  /// Judges one candidate by its own content; a log is asked only for a signature by a trusted key that lacks a proof.
  func judge(
    _ candidate: SignatureCandidate, order: Int, label: String, kind: Finding.Kind
  ) async -> PlaceReport {
    var report = PlaceReport()
    let recorder = progress.observer.map { _ in CandidateRecorder() }
    defer { note(recorder, label, kind, report) }
    do throws(CandidateRejection) {
      var signature = try verified(candidate, recorder)
      if signature.log == nil, terms.demand.requiresLog, signature.key != nil {
        do throws(RegistryError) {
          signature = try await lookedUp(candidate) ?? signature
        } catch {
          report.failures.append(error)
        }
      }
      let objection = terms.objection(to: signature)
      recorder?.noteObjection(objection)
      if let objection {
        report.verified = [signature]
        report.findings = [Finding(order: order, label: label, kind: kind, judgement: .rejected(objection))]
      } else {
        report.good = signature
      }
    } catch {
      if error.reason == .notAnImageSignature {
        report.others = 1
        report.remarks = [error.description]
      } else {
        report.findings = [Finding(order: order, label: label, kind: kind, judgement: .rejected(error))]
      }
    }
    return report
  }

  private func verified(
    _ candidate: SignatureCandidate, _ recorder: CandidateRecorder?
  ) throws(CandidateRejection) -> VerifiedSignature {
    let start = Deadline.now
    defer { progress.judged(since: start) }
    return try ImageSignature.verify(
      candidate, imageDigest: digest, demand: terms.demand, trust: terms.trust, observer: recorder)
  }

  /// What the candidate is found to prove with a proof that a log gave when asked; nil if there is none.
  ///
  /// With what the log answered it is another candidate, and judged as one, from its form on: the only signature that is
  /// read and verified twice, on purpose, so that an answer has no way of its own through the checks.
  private func lookedUp(_ candidate: SignatureCandidate) async throws(RegistryError) -> VerifiedSignature? {
    guard let logLookup, let proposal = LogProposal(candidate, demand: terms.demand, trust: terms.trust),
      lookups.take()
    else { return nil }
    let answers = try await progress.during(.logEntry) { () async throws(RegistryError) -> [SignatureCandidate] in
      try await logLookup.completed(proposal, deadline: min(deadline, .after(limits.logLookupTime)))
    }
    // As cosign: of several entries the earliest counts.
    return answers.compactMap { completed in
      try? ImageSignature.verify(completed, imageDigest: digest, demand: terms.demand, trust: terms.trust)
    }.filter(\.isLogged).min { ($0.times.min() ?? .max) < ($1.times.min() ?? .max) }
  }
}
