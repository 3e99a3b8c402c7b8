import JSON
import Primitives

/// The AdmissionReviews that the demo sends, as an API server would.
struct DemoReview {
  let endpoint: String
  let namespace: String
  let name: String
  let image: String

  /// The review's JSON text.
  var body: [UInt8] {
    var writer = JSONWriter(capacity: 2048)
    writer.object {
      $0.member("apiVersion", "admission.k8s.io/v1")
      $0.member("kind", "AdmissionReview")
      $0.name("request")
      $0.object {
        $0.member("uid", "00000000-0000-4000-8000-" + String(repeating: "0", count: 12))
        Self.type("kind", "kind", "StatefulSet", into: &$0)
        Self.type("resource", "resource", "statefulsets", into: &$0)
        $0.member("name", name)
        $0.member("namespace", namespace)
        $0.member("operation", "CREATE")
        $0.name("userInfo")
        $0.object { $0.member("username", "demo") }
        $0.name("object")
        object(into: &$0)
        $0.name("oldObject")
        $0.null()
        $0.member("dryRun", false)
      }
    }
    return writer.bytes
  }

  private static func type(_ member: String, _ last: String, _ value: String, into writer: inout JSONWriter) {
    writer.name(member)
    writer.object {
      $0.member("group", "apps")
      $0.member("version", "v1")
      $0.member(last, value)
    }
  }

  private func object(into writer: inout JSONWriter) {
    func labels(_ writer: inout JSONWriter) {
      writer.object { $0.member("app", name) }
    }
    writer.object {
      $0.member("apiVersion", "apps/v1")
      $0.member("kind", "StatefulSet")
      $0.name("metadata")
      $0.object {
        $0.member("name", name)
        $0.member("namespace", namespace)
      }
      $0.name("spec")
      $0.object {
        $0.member("serviceName", name)
        $0.member("replicas", 1)
        $0.name("selector")
        $0.object {
          $0.name("matchLabels")
          labels(&$0)
        }
        $0.name("template")
        $0.object {
          $0.name("metadata")
          $0.object {
            $0.name("labels")
            labels(&$0)
          }
          $0.name("spec")
          $0.object {
            $0.name("containers")
            $0.array {
              $0.object {
                $0.member("name", "app")
                $0.member("image", image)
              }
            }
          }
        }
      }
    }
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
