import JSON

/// An AdmissionReview as an API server would send it, of a small StatefulSet or of something else.
struct SampleReview {
  enum Content {
    /// A StatefulSet is deleted.
    case deletion
    /// A ConfigMap is made.
    case otherKind
    /// A StatefulSet with this image is made.
    case image(String)
  }

  static let uid = "9f1d2c34-0000-4000-8000-000000000000"

  private let content: Content
  private let name: String
  private let namespace: String
  private let user: String
  private let isDryRun: Bool

  init(_ content: Content, name: String, namespace: String, user: String, isDryRun: Bool) {
    self.content = content
    self.name = name
    self.namespace = namespace
    self.user = user
    self.isDryRun = isDryRun
  }

  /// Its JSON text.
  var body: [UInt8] {
    let isOther = if case .otherKind = content { true } else { false }
    let isDeletion = if case .deletion = content { true } else { false }
    var writer = JSONWriter(capacity: 1024)
    writer.object {
      $0.member("apiVersion", "admission.k8s.io/v1")
      $0.member("kind", "AdmissionReview")
      $0.name("request")
      $0.object {
        $0.member("uid", Self.uid)
        Self.type("kind", "kind", isOther ? "ConfigMap" : "StatefulSet", isOther, into: &$0)
        Self.type("resource", "resource", isOther ? "configmaps" : "statefulsets", isOther, into: &$0)
        $0.member("name", name)
        $0.member("namespace", namespace)
        $0.member("operation", isDeletion ? "DELETE" : "CREATE")
        $0.name("userInfo")
        $0.object { $0.member("username", user) }
        $0.name("object")
        if isDeletion { $0.null() } else { object(isOther, into: &$0) }
        $0.name("oldObject")
        if isDeletion { object(false, into: &$0) } else { $0.null() }
        $0.member("dryRun", isDryRun)
      }
    }
    return writer.bytes
  }

  private static func type(
    _ member: String, _ last: String, _ value: String, _ isCore: Bool, into writer: inout JSONWriter
  ) {
    writer.name(member)
    writer.object {
      $0.member("group", isCore ? "" : "apps")
      $0.member("version", "v1")
      $0.member(last, value)
    }
  }

  private func object(_ isConfigMap: Bool, into writer: inout JSONWriter) {
    let image = if case .image(let name) = content { name } else { "registry.invalid/pinseal/check:none" }
    writer.object {
      $0.member("apiVersion", isConfigMap ? "v1" : "apps/v1")
      $0.member("kind", isConfigMap ? "ConfigMap" : "StatefulSet")
      $0.name("metadata")
      $0.object {
        $0.member("name", name)
        $0.member("namespace", namespace)
      }
      guard !isConfigMap else { return }
      $0.name("spec")
      $0.object {
        $0.member("serviceName", name)
        $0.member("replicas", 1)
        $0.name("selector")
        $0.object {
          $0.name("matchLabels")
          $0.object { $0.member("app", name) }
        }
        $0.name("template")
        $0.object {
          $0.name("metadata")
          $0.object {
            $0.name("labels")
            $0.object { $0.member("app", name) }
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
