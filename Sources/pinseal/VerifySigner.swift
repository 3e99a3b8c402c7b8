import ArgumentParser
import Crypto
import Primitives
import Sigstore

/// Whose signature is wanted: a key's or an identity's, as `verify` and `verify-bundle` take it.
struct VerifySigner: ParsableArguments {
  @Option(help: "The public key that must have signed, a PEM file; of several in it, any.")
  var key: String?

  @Option(help: "Who must have signed, as the certificate names it: a mail address, a URI.")
  var certificateIdentity: String?

  @Option(help: "The same as a regular expression, which must match all of it.")
  var certificateIdentityRegexp: String?

  @Option(help: "The OpenID Connect issuer that must have vouched for the identity.")
  var certificateOidcIssuer: String?

  @Option(help: "The same as a regular expression, which must match all of it.")
  var certificateOidcIssuerRegexp: String?

  /// What was asked for, once it is read and makes sense.
  enum Wanted: Sendable {
    case keys([PublicKey])
    case identity(IdentityMatcher)
  }

  /// Exactly one signer: a key, or an identity with its issuer.
  func wanted() throws -> Wanted {
    let hasIdentity = [
      certificateIdentity, certificateIdentityRegexp, certificateOidcIssuer, certificateOidcIssuerRegexp,
    ].contains { $0 != nil }
    guard let key else {
      guard hasIdentity else {
        throw ValidationError("--key FILE, or --certificate-identity and --certificate-oidc-issuer, are expected")
      }
      return .identity(
        IdentityMatcher(
          identity: try Self.matcher("certificate-identity", certificateIdentity, certificateIdentityRegexp),
          issuer: try Self.matcher("certificate-oidc-issuer", certificateOidcIssuer, certificateOidcIssuerRegexp)))
    }
    guard !hasIdentity else { throw ValidationError("--key and --certificate-… exclude each other") }
    return .keys(try VerifyFiles.keys(key, option: "key"))
  }

  private static func matcher(_ name: String, _ exact: String?, _ pattern: String?) throws -> TextMatcher {
    switch (exact, pattern) {
    case (let exact?, nil):
      guard !exact.isEmpty else { throw ValidationError("--\(name) is empty, which names nobody") }
      return .exact(exact)
    case (nil, let pattern?):
      do { return .pattern(try AnchoredPattern(pattern)) } catch {
        throw ValidationError("--\(name)-regexp: \(error)")
      }
    case (nil, nil): throw ValidationError("--\(name) (or --\(name)-regexp) is missing")
    case (.some, .some): throw ValidationError("--\(name) and --\(name)-regexp exclude each other")
    }
  }
}

/// Files that the commands are given.
enum VerifyFiles {
  /// The public keys of a PEM file, at least one.
  static func keys(_ path: String, option: String) throws -> [PublicKey] {
    let bytes = try read(path, option: option)
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw ValidationError("--\(option) \(path.printable()): not text; a PEM file is expected")
    }
    do { return try PublicKey.parsePEM(text) } catch {
      throw ValidationError("--\(option) \(path.printable()): \(error)")
    }
  }

  /// A trusted root in JSON.
  static func trustedRoot(_ path: String) throws -> TrustedRoot {
    do { return try TrustedRoot(parsing: try read(path, option: "trusted-root")) } catch let error as TrustedRootError {
      throw ValidationError("--trusted-root \(path.printable()): \(error)")
    }
  }

  static func read(_ path: String, option: String) throws -> [UInt8] {
    do { return try FileBytes.read(path) } catch { throw ValidationError("--\(option) \(error)") }
  }
}
