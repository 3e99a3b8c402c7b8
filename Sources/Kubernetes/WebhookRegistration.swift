import JSON
import Primitives

/// Which webhook configuration.
public struct WebhookRegistrationID: Sendable, Hashable, CustomStringConvertible {
  /// The two kinds that there are.
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// MutatingWebhookConfiguration.
    case mutating
    /// ValidatingWebhookConfiguration.
    case validating

    /// As `MutatingWebhookConfiguration`.
    public var objectKind: String {
      switch self {
      case .mutating: "MutatingWebhookConfiguration"
      case .validating: "ValidatingWebhookConfiguration"
      }
    }

    /// As it stands in paths and RBAC rules.
    var resource: String { rawValue + "webhookconfigurations" }
  }

  /// Its kind.
  public let kind: Kind
  /// Its name, which Kubernetes allows.
  public let name: String

  /// `mutating/NAME` or `validating/NAME`; anything else is refused.
  public init(parsing text: String) throws(ClusterError) {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard parts.count == 2, let kind = Kind(rawValue: parts[0]), DNSName.isSubdomain(parts[1]) else {
      throw ClusterError(
        .invalid,
        "\"\(text.printable(limit: 128))\" names no webhook configuration; write mutating/NAME or validating/NAME")
    }
    self.kind = kind
    name = parts[1]
  }

  /// `MutatingWebhookConfiguration NAME`.
  public var description: String { "\(kind.objectKind) \(name)" }

  var path: String { "/apis/admissionregistration.k8s.io/v1/\(kind.resource)/\(name)" }
}

/// A webhook configuration, as far as its authorities are concerned.
public struct WebhookRegistration: Sendable {
  /// Which one.
  public let id: WebhookRegistrationID
  /// What it was read as: a write that is based on it holds only while it is so.
  public let resourceVersion: String
  /// The authorities (PEM) of each webhook in it, in their order; empty where there are none.
  public let bundles: [[UInt8]]
  /// The name by which the API server calls each of them: `SERVICE.NAMESPACE.svc`, or the host of its URL.
  public let hosts: [String]
  /// Who else writes them, in words; nil if nothing shows anybody.
  public let otherWriter: String?

  /// A configuration of these parts.
  public init(
    id: WebhookRegistrationID, resourceVersion: String, bundles: [[UInt8]], hosts: [String] = [],
    otherWriter: String? = nil
  ) {
    self.id = id
    self.resourceVersion = resourceVersion
    self.bundles = bundles
    self.hosts = hosts
    self.otherWriter = otherWriter
  }
}

extension WebhookRegistration {
  /// Annotations by which others are told to write the authorities; the value must be `true` where the second says so.
  private static let injectors: [(annotation: String, isSwitch: Bool, who: String)] = [
    ("cert-manager.io/inject-ca-from", false, "cert-manager"),
    ("cert-manager.io/inject-ca-from-secret", false, "cert-manager"),
    ("cert-manager.io/inject-apiserver-ca", true, "cert-manager"),
    ("service.beta.openshift.io/inject-cabundle", true, "OpenShift's service CA operator"),
  ]

  /// What an API server answered for `id`; `manager` is the field manager that is not somebody else.
  init(reading root: JSONValue, id: WebhookRegistrationID, manager: String) throws(JSONError) {
    let metadata = try root.member("metadata")
    var bundles: [[UInt8]] = []
    var hosts: [String] = []
    for webhook in try root.optionalMember("webhooks")?.elements() ?? [] {
      let text = try webhook["clientConfig"]?.optionalMember("caBundle")?.string() ?? ""
      // What is no base64 cannot be what is wanted either.
      bundles.append(Base64.decode(text) ?? Array(text.utf8))
      hosts.append(try Self.host(webhook["clientConfig"]))
    }
    let injector = try Self.injector(metadata)
    let applier = try Self.applier(metadata, besides: manager)
    self.init(
      id: id, resourceVersion: try metadata.member("resourceVersion").string(), bundles: bundles, hosts: hosts,
      otherWriter: injector ?? applier)
  }

  /// Whom the API server expects the certificate to be for.
  private static func host(_ client: JSONValue?) throws(JSONError) -> String {
    if let service = try client?.optionalMember("service") {
      return try service.member("name").string() + "." + service.member("namespace").string() + ".svc"
    }
    let url = try client?.optionalMember("url")?.string() ?? ""
    let authority = url.drop { $0 != "/" }.drop { $0 == "/" }.prefix { $0 != "/" && $0 != "?" }
    return (authority.hasPrefix("[") ? authority : authority.prefix { $0 != ":" }).lowercased()
  }

  private static func injector(_ metadata: JSONValue) throws(JSONError) -> String? {
    guard let annotations = try metadata.optionalMember("annotations") else { return nil }
    for (name, isSwitch, who) in injectors {
      guard let value = try annotations.optionalMember(name)?.string(), isSwitch ? value == "true" : !value.isEmpty
      else { continue }
      return "\(who), by the annotation \(name)"
    }
    return nil
  }

  /// Whoever applies the field server-side will do so again, or fail with a conflict. That somebody wrote it once by
  /// another verb says nothing.
  private static func applier(_ metadata: JSONValue, besides manager: String) throws(JSONError) -> String? {
    for entry in try metadata.optionalMember("managedFields")?.elements() ?? [] {
      guard try entry.optionalMember("operation")?.isString("Apply") == true,
        let name = try entry.optionalMember("manager")?.string(), name != manager,
        let webhooks = entry["fieldsV1"]?["f:webhooks"], webhooks.kind == .object
      else { continue }
      for (key, webhook) in try webhooks.members() where key.hasPrefix("k:") {
        if webhook.kind == .object, webhook["f:clientConfig"]?["f:caBundle"] != nil {
          return "the field manager \(name.printable(limit: 64)), which applies the field caBundle"
        }
      }
    }
    return nil
  }
}
