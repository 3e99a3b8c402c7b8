/// Where a server's certificate lies.
public struct TLSConfiguration: Sendable {
  /// PEM: the server's certificate, then the intermediates that lead to its authority.
  public var certificateFile: String
  /// PEM: the certificate's private key, without a passphrase.
  public var keyFile: String
  /// Require and verify client certificates against these authorities (`--client-ca`).
  public var clientAuthoritiesFile: String?
  /// How often the files are looked at for a change.
  public var reloadInterval: Duration = .seconds(1)

  /// A configuration for these files, which need not exist before the server starts.
  public init(certificateFile: String, keyFile: String, clientAuthoritiesFile: String? = nil) {
    self.certificateFile = certificateFile
    self.keyFile = keyFile
    self.clientAuthoritiesFile = clientAuthoritiesFile
  }
}
