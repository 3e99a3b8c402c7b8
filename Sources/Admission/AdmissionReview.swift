import JSON
import Primitives

/// The request of an `AdmissionReview` of `admission.k8s.io/v1`, as far as a decision needs it.
///
/// Strings that only decide something are compared in place; nothing is decoded that nobody asks for.
struct AdmissionReview: Sendable {
  /// What is being done to the object.
  enum Operation: Sendable, Equatable {
    case create, update, delete, connect
    /// One that this version of the API does not have.
    case unknown(String)
  }

  /// To be echoed, exactly.
  let uid: String
  let operation: Operation
  /// Empty where there is none.
  let subResource: String
  let namespace: String
  let name: String
  let isDryRun: Bool
  /// `kind` of the request: an object with `group`, `version` and `kind`.
  let kind: JSONValue
  /// Nil where absent or null.
  let object: JSONValue?
  let oldObject: JSONValue?

  /// Why bytes are not an AdmissionReview.
  struct Malformed: Error {
    let reason: String
  }

  /// Levels of nesting, above what any StatefulSet needs.
  static let maximumDepth = 128
  /// Values and names in one review.
  static let maximumValues = 524_288

  init(parsing body: [UInt8], maximumBytes: Int) throws(Malformed) {
    do {
      let limits = JSONDocument.Limits(bytes: maximumBytes, depth: Self.maximumDepth, values: Self.maximumValues)
      let root = try JSONDocument(body, limits: limits).root
      guard root.kind == .object else {
        throw Malformed(reason: "the body is of type \(root.kind), expected an object")
      }
      let version = try root.member("apiVersion")
      let kind = try root.member("kind")
      guard kind.isString("AdmissionReview"), version.isString("admission.k8s.io/v1") else {
        throw Malformed(
          reason:
            "the body is \(Self.spelling(version)) \(Self.spelling(kind)), expected admission.k8s.io/v1 AdmissionReview"
        )
      }
      try self.init(request: try root.member("request"))
    } catch let error as JSONError {
      throw Malformed(reason: error.description)
    } catch let error as Malformed {
      throw error
    } catch {
      throw Malformed(reason: "the body cannot be read")
    }
  }

  private init(request: JSONValue) throws {
    uid = try request.member("uid").string()
    guard !uid.isEmpty, uid.utf8.count <= 256 else {
      throw Malformed(reason: "request.uid has \(uid.utf8.count) bytes, expected 1 to 256")
    }
    kind = try request.member("kind")
    for part in ["group", "version", "kind"] { _ = try kind.member(part).string() }
    let operation = try request.member("operation").string()
    self.operation =
      switch operation {
      case "CREATE": .create
      case "UPDATE": .update
      case "DELETE": .delete
      case "CONNECT": .connect
      default: .unknown(operation)
      }
    subResource = try request.optionalMember("subResource")?.string() ?? ""
    namespace = try request.optionalMember("namespace")?.string() ?? ""
    name = try request.optionalMember("name")?.string() ?? ""
    isDryRun = try request.optionalMember("dryRun")?.bool() ?? false
    object = try request.optionalMember("object")
    oldObject = try request.optionalMember("oldObject")
  }

  /// Whether the object is one that this webhook is built for.
  var isStatefulSet: Bool {
    kind["kind"]?.isString("StatefulSet") == true && kind["group"]?.isString("apps") == true
      && kind["version"]?.isString("v1") == true
  }

  /// `apps/v1 StatefulSet`, for messages.
  var kindDescription: String {
    func text(_ name: String) -> String { ((try? kind[name]?.string()) ?? "").printable(limit: 64) }
    let group = text("group")
    return (group.isEmpty ? "" : group + "/") + text("version") + " " + text("kind")
  }

  private static func spelling(_ value: JSONValue) -> String {
    guard let text = try? value.string() else { return "(\(value.kind))" }
    return text.printable(limit: 64)
  }
}
