import Crypto
import OCI
import Primitives
import Sigstore

/// What a signature is judged by: the demand, whom to trust for evidence, the image that it is for, and the time.
struct Terms: Sendable {
  let demand: SignatureDemand
  let trust: TrustedRoot
  let reference: ImageReference
  let clock: @Sendable () -> UnixTime

  init(_ request: VerificationRequest, clock: @escaping @Sendable () -> UnixTime) {
    demand = request.demand
    trust = request.trust
    reference = request.image.reference
    self.clock = clock
  }

  /// Why a fact does not suffice, or nil if it does.
  func objection(to signature: VerifiedSignature) -> CandidateRejection? {
    demand.objection(to: signature, now: clock()) ?? repositoryObjection(to: signature)
  }

  private func repositoryObjection(to signature: VerifiedSignature) -> CandidateRejection? {
    guard demand.signedIdentity == .repository else { return nil }
    let prefix = "signed by \(signature.signer.short), but"
    guard let text = signature.dockerReference else {
      let what = signature.format == .bundle ? "a bundle names no repository" : "its payload names no repository"
      return CandidateRejection(
        .signedIdentityMismatch,
        "\(prefix) \(what), and pinseal.dev/signed-identity asks for \(reference.name); "
          + "sign in the older format (cosign 3: --new-bundle-format=false), which names it, or set it to any")
    }
    guard let named = try? ImageReference(parsing: text), named.name.utf8.elementsEqual(reference.name.utf8) else {
      return CandidateRejection(
        .signedIdentityMismatch, "\(prefix) as \"\(text.printable(limit: 200))\", not as \(reference.name)")
    }
    return nil
  }
}
