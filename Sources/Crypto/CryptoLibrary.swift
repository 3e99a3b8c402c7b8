import COpenSSL

/// OpenSSL as a whole.
public enum CryptoLibrary {
  /// Has OpenSSL leave what it holds to the end of the process instead of clearing it up in `exit`: threads that are still
  /// at work then, an HTTP client's for instance, would use what is gone.
  ///
  /// To be called before anything else of OpenSSL is; later it changes nothing.
  public static func leaveAllAtExit() { _ = OPENSSL_init_crypto(UInt64(OPENSSL_INIT_NO_ATEXIT), nil) }
}
