import JSON
import Primitives

/// The AdmissionReviews that the demo sends.
struct DemoReview {
  let endpoint: String
  let namespace: String
  let name: String
  let image: String

  /// The review's JSON text.
  var body: [UInt8] {
    SampleReview(.image(image), name: name, namespace: namespace, user: "demo", isDryRun: false).body
  }
}

/// What the webhook answered, read from its JSON.
struct DemoAnswer {
  let isAllowed: Bool
  let message: String
  let warnings: [String]
  /// The decoded JSON Patch, empty if there was none.
  let patch: String
  /// The image that the patch puts in place.
  let pinnedImage: String?

  init(_ body: [UInt8]) throws {
    let response = try JSONDocument(body).root.member("response")
    isAllowed = try response.member("allowed").bool()
    message = try response["status"]?["message"]?.string() ?? ""
    warnings = try response["warnings"]?.elements().map { element throws(JSONError) in try element.string() } ?? []
    let patchBytes = try response["patch"].flatMap { Self.decode(try $0.string()) } ?? []
    patch = String(decoding: patchBytes, as: UTF8.self)
    pinnedImage =
      patchBytes.isEmpty ? nil : try JSONDocument(patchBytes).root.elements().first?.member("value").string()
  }

  private static func decode(_ text: String) -> [UInt8]? { Base64.decode(text) }
}
