import OCI
import Primitives
import Sigstore

/// A place where signatures of an image may lie.
enum Place: Sendable, Hashable {
  /// The tag `sha256-HEX.sig`.
  case signatureTag(String)
  /// What refers to the image, by the API or the fallback tag; nil before it is known which.
  case referrers(Referrers.Place?)
}

/// A candidate that did not count, and why.
struct Finding: Sendable {
  /// What it would have been.
  enum Kind: Sendable { case simpleSigning, bundle }

  enum Judgement: Sendable {
    case rejected(CandidateRejection)
    /// The registry has it and does not give it, or not what its digest says.
    case unreadable(RegistryError)
  }

  /// Position among its place's candidates, from 0, so that reports read the same however the fetches ended.
  let order: Int
  /// `layer 2`, `bundle sha256:0123456789ab…`.
  let label: String
  let kind: Kind
  let judgement: Judgement
}

/// What one place, or one candidate of it, came to.
struct PlaceReport: Sendable {
  /// A signature that counts.
  var good: VerifiedSignature?
  /// Signatures that verify, though what the demand asks beside that speaks against them; `findings` says what.
  var verified: [VerifiedSignature] = []
  var findings: [Finding] = []
  /// How many things lay there that are no signatures at all: SBOMs, attestations, layers of an ordinary image.
  var others = 0
  /// What the first few of those are, where it is known.
  var remarks: [String] = []
  /// How many the list names that are not in the registry.
  var missing = 0
  /// How many candidates lay there, and how many of them were judged before the limit.
  var present = 0
  var judged = 0
  /// More lay there than was read.
  var isTruncated = false
  /// Why the place, or a candidate of it, could not be read although it may be there.
  var failures: [RegistryError] = []

  /// How many signatures lay there that did not count.
  var signatures: Int { findings.count }

  /// Whether candidates were left unjudged.
  var isOverLimit: Bool { isTruncated || judged < present }

  /// Takes in what one more candidate came to.
  mutating func absorb(_ report: PlaceReport) {
    good = good ?? report.good
    verified += report.verified
    findings += report.findings
    others += report.others
    remarks += report.remarks.prefix(max(0, 3 - remarks.count))
    missing += report.missing
    present += report.present
    judged += report.judged
    isTruncated = isTruncated || report.isTruncated
    failures += report.failures
  }

  /// Takes in an error of the registry: what speaks only of this candidate, or what leaves open what lies there.
  mutating func absorb(_ error: RegistryError, order: Int, label: String, kind: Finding.Kind) {
    switch error.code {
    case .digestMismatch, .imageNotFound, .registryMisbehaved:
      findings.append(Finding(order: order, label: label, kind: kind, judgement: .unreadable(error)))
    default:
      failures.append(error)
    }
  }
}
