import ArgumentParser
import Crypto
import Primitives
import Sigstore
import TrustRoot

/// `pinseal verify-bundle`: judges one Sigstore bundle over a file. The protocol of sigstore-conformance's clients.
struct VerifyBundle: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify-bundle",
    abstract: "Verify a Sigstore bundle (0.1 to 0.3) over a file or digest.",
    discussion: """
      Exit status 0: valid. 1: not valid. 2: wrong usage, or a file that cannot be read. Bundles of image signatures in \
      registries are another thing: see verify.
      """)

  @Flag(help: "Trust Sigstore's staging instance. It is not built in: give its root with --trusted-root.")
  var staging = false

  @Option(help: "The bundle, JSON.")
  var bundle: String

  @OptionGroup(title: "Signer") var signer: VerifySigner

  @Option(help: "A trusted root, JSON, in place of the public-good one that is built in.")
  var trustedRoot: String?

  @Argument(help: "What was signed: a file, or sha256:HEX.")
  var artifact: String

  func run() throws {
    switch try judgement() {
    case .success(let signature): StandardOutput.write("valid: signed by \(signature.signer.description)")
    case .failure(let rejection):
      StandardError.write("not valid (\(rejection.reason.rawValue)): \(rejection.description)")
      throw ExitCode(VerifyExit.refused)
    }
  }

  /// The verdict; throws where there can be none.
  func judgement() throws -> Result<VerifiedSignature, CandidateRejection> {
    let demand: SignatureDemand
    switch try signer.wanted() {
    case .keys(let keys): demand = SignatureDemand(keys: keys, requiresLog: true)
    case .identity(let identity): demand = SignatureDemand(keys: [], identities: [identity], requiresLog: true)
    }
    guard !staging || trustedRoot != nil else {
      throw ValidationError("--staging: the staging root is not built in; give it with --trusted-root")
    }
    let trust = try VerifyTrust.root(file: trustedRoot)
    let json = try VerifyFiles.read(bundle, option: "bundle")
    let signed = try VerifyArtifact.read(artifact)
    return Result { () throws(CandidateRejection) in
      try ImageSignature.verifyBundle(json, artifact: signed, demand: demand, trust: trust, now: WallClock.seconds)
    }
  }
}

/// What was signed, as the command line names it.
enum VerifyArtifact {
  /// Files up to here are held, since some schemes sign the bytes and no digest of them.
  private static let heldByteCount = 16 << 20

  /// `sha256:HEX` (or `sha384:`, `sha512:`), or a file of any size.
  static func read(_ text: String) throws -> SignedArtifact {
    if HashAlgorithm.allCases.contains(where: { text.hasPrefix($0.rawValue + ":") }) {
      do { return SignedArtifact(digest: try Digest(parsing: text)) } catch {
        throw ValidationError("\(text.printable(limit: 100)): \(error)")
      }
    }
    var hashes = ArtifactHashes()
    var held: [UInt8]? = []
    do {
      try FileBytes.readChunks(text) { chunk in
        hashes.update(chunk)
        held = (held?.count ?? 0) + chunk.count <= heldByteCount ? held.map { $0 + chunk } : nil
      }
    } catch { throw ValidationError("\(error)") }
    if let held { return SignedArtifact(bytes: held) }
    return SignedArtifact(digests: hashes.finish())
  }
}

/// The hashes of a file, taken in one pass.
private struct ArtifactHashes: ~Copyable {
  private var sha256 = HashStream(.sha256)
  private var sha384 = HashStream(.sha384)
  private var sha512 = HashStream(.sha512)

  mutating func update(_ bytes: [UInt8]) {
    sha256.update(bytes)
    sha384.update(bytes)
    sha512.update(bytes)
  }

  consuming func finish() -> [HashAlgorithm: [UInt8]] {
    [.sha256: sha256.finish(), .sha384: sha384.finish(), .sha512: sha512.finish()]
  }
}
