import Primitives
import Sigstore
import Verification

extension Outcome {
  /// Bytes of a refusal's message. It ends up in events and conditions too, which are kept in etcd.
  static let maximumMessageBytes = 4096
  /// The API server advises 256 characters a warning, and cuts off what goes past 4096 in all.
  static let maximumWarningLength = 256
  static let maximumWarnings = 15
  static let maximumAuditAnnotations = 64

  /// One line about everything that refuses the request, led by the code of the first image.
  var message: String { Self.line(failures.filter { $0.excuse == nil }) }

  /// One line about what is let through although it is not verified; nil if there is nothing of the kind.
  var notice: String? {
    let excused = failures.filter { $0.excuse != nil }
    return excused.isEmpty ? nil : Self.line(excused)
  }

  private static func line(_ failures: [Failure]) -> String {
    var message = ""
    for (index, failure) in failures.enumerated() {
      let text = failure.text(imageLimit: 300, messageLimit: 1200)
      let left = failures.count - index
      // Room for "; and 1234 more" is always kept.
      if index > 0, message.utf8.count + text.utf8.count + 40 > maximumMessageBytes {
        return message + "; and \(left) more"
      }
      message += (index > 0 ? "; " : "") + text
    }
    return message.cut(bytes: maximumMessageBytes)
  }

  /// Lines for the user's terminal: about what was let through although it is not verified.
  var warnings: [String] {
    var warnings: [String] = []
    if let warning {
      warnings.append(warning.printable(limit: Self.maximumWarningLength).cut(length: Self.maximumWarningLength))
    }
    let excused = failures.filter { $0.excuse != nil }
    for (index, failure) in excused.enumerated() {
      if warnings.count >= Self.maximumWarnings, index < excused.count {
        warnings.append("and \(excused.count - index) more images are not verified")
        break
      }
      warnings.append(
        failure.text(imageLimit: 120, messageLimit: Self.maximumWarningLength).cut(length: Self.maximumWarningLength))
    }
    return warnings
  }

  /// What goes to the audit log. The API server puts the webhook's name and a slash before each key.
  var auditAnnotations: [(key: String, value: String)] {
    var annotations: [(key: String, value: String)] = []
    for (index, image) in images.enumerated() {
      if index >= Self.maximumAuditAnnotations {
        annotations.append(("images-omitted", "\(images.count - index)"))
        break
      }
      annotations.append(("image-\(index)", image.text))
    }
    return annotations
  }
}

extension Outcome.Failure {
  /// `CODE: container db, image nginx: why`.
  func text(imageLimit: Int, messageLimit: Int) -> String {
    var text = refusal.code.rawValue + ": "
    if !places.isEmpty {
      text += places.prefix(8).joined(separator: ", ")
      if places.count > 8 { text += " and \(places.count - 8) more" }
      if !image.isEmpty { text += ", image " + image.printable(limit: imageLimit) }
      switch excuse {
      case .warn: text += " let in unverified (failure-policy Warn)"
      case .unchanged: text += " left as it was, unverified"
      case nil: break
      }
      text += ": "
    }
    return text + refusal.message.printable(limit: messageLimit)
  }
}

extension Outcome.ImageRecord {
  /// One line for the audit log.
  var text: String {
    let image = place.image.printable(limit: 300)
    switch state {
    case .exempt: return "\(place.description): \(image) exempt"
    case .verified(let verified, let pinned):
      return
        "\(place.description): \(pinned.printable(limit: 500)) verified as \(verified.digest.printable(limit: 160)) "
        + "by \(verified.signature.signer.description) (\(verified.signature.format.rawValue)\(verified.signature.logText))"
    case .failed(let code, nil): return "\(place.description): \(image) refused, \(code.rawValue)"
    case .failed(let code, .warn):
      return "\(place.description): \(image) let in unverified under Warn, \(code.rawValue)"
    case .failed(let code, .unchanged): return "\(place.description): \(image) left as it was, \(code.rawValue)"
    }
  }
}

extension VerifiedSignature {
  /// ", log index N of LOG", or nothing.
  fileprivate var logText: String {
    guard let log else { return "" }
    let name = log.logURL.isEmpty ? Hex.encode(log.logID.prefix(8)) + "…" : log.logURL.printable(limit: 100)
    return ", log index \(log.logIndex) of \(name)"
  }
}

extension String {
  /// At most `length` Unicode scalars, with an ellipsis for what is cut off.
  func cut(length: Int) -> String {
    guard unicodeScalars.count > length else { return self }
    return String(String.UnicodeScalarView(unicodeScalars.prefix(max(0, length - 1)))) + "…"
  }

  /// At most `bytes` bytes of UTF-8, with an ellipsis for what is cut off.
  func cut(bytes: Int) -> String {
    guard utf8.count > bytes else { return self }
    var result = ""
    var count = 3
    for scalar in unicodeScalars {
      count += UTF8.width(scalar)
      if count > bytes { break }
      result.unicodeScalars.append(scalar)
    }
    return result + "…"
  }
}
