import COpenSSL

/// OpenSSL's queue of errors, which is each thread's own.
enum OpenSSLErrors {
  /// Empties the queue before a call whose errors will be read.
  static func clear() { ERR_clear_error() }

  /// Takes the whole queue and says what is in it, the first error first; nil if it was empty.
  static func drain() -> String? {
    var reasons: [String] = []
    while true {
      let code = ERR_get_error()
      if code == 0 { break }
      guard reasons.count < 4 else { continue }
      if let reason = ERR_reason_error_string(code) {
        reasons.append(String(cString: reason))
      } else {
        reasons.append("error \(String(code, radix: 16))")
      }
    }
    return reasons.isEmpty ? nil : reasons.joined(separator: ", ")
  }
}
