public import Crypto

/// The public-good instance of Sigstore as it was when Pinseal was built: `certs/trusted_root.json` and `certs/root.json`,
/// which lie in the binary, so that nothing has to be found or fetched at start. `certs/README.md` names their origin.
public enum BundledTrustRoot {
  /// The trusted root (protobuf-specs `trustroot.proto`, in JSON): the bytes of `certs/trusted_root.json`.
  public static var trustedRoot: [UInt8] { PackageResources.trusted_root_json }

  /// The root metadata of the repository that publishes it (TUF 1.0), where the chain of roots begins: the bytes of
  /// `certs/root.json`.
  public static var tufRoot: [UInt8] { PackageResources.root_json }

  /// The day on which both were what the public repository had, as seconds since 1970: 2026-08-21. To be moved when the
  /// files are.
  public static let asOf: UnixTime = 1_787_270_400
}
