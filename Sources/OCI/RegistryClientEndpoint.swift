import HTTPClient
import Primitives

/// Where one repository is asked.
struct RepositoryEndpoint: Sendable {
  /// The registry as images name it: `docker.io`.
  let registry: String
  /// The repository in it.
  let repository: String
  /// The root of the registry's own host.
  let base: HTTPURL

  /// Plain HTTP is for the registries of exactly this name in `insecureRegistries`.
  init(_ reference: ImageReference, insecureRegistries: Set<String>) throws(RegistryError) {
    registry = reference.registry
    repository = reference.repository
    let isInsecure =
      insecureRegistries.contains(reference.registry) || insecureRegistries.contains(reference.endpoint)
    do throws(HTTPClientError) {
      base = try HTTPURL(parsing: (isInsecure ? "http://" : "https://") + reference.endpoint)
    } catch {
      throw RegistryError(
        .imageReferenceInvalid, "registry \(reference.endpoint.printable()) cannot be asked: \(error.description)")
    }
  }

  /// `registry/repository`.
  var name: String { registry + "/" + repository }

  /// The address of `path` below this repository (OCI distribution specification, "Endpoints").
  func url(_ path: String) throws(RegistryError) -> HTTPURL {
    do throws(HTTPClientError) {
      return try base.resolving("/v2/\(repository)/\(path)")
    } catch {
      throw RegistryError(.imageReferenceInvalid, "\(name): \(error.description)")
    }
  }
}

/// Which addresses that a registry names are followed: one place for redirects and token servers.
struct RegistryAddressRules: Sendable {
  let endpoint: RepositoryEndpoint
  let insecureRegistries: Set<String>

  /// Says why `url` may not be asked, or nil if it may.
  func refusal(of url: HTTPURL) -> String? {
    if !url.isSecure {
      guard !endpoint.base.isSecure else { return "it is plain HTTP, and the registry is not" }
      let isNamed = insecureRegistries.contains(url.authority) || insecureRegistries.contains("\(url.host):\(url.port)")
      guard url.host == endpoint.base.host || isNamed else {
        return "it is plain HTTP on a host that is no insecure registry of the operator's"
      }
    }
    if let place = url.localPlace, place != endpoint.base.localPlace { return "it is \(place)" }
    return nil
  }

  /// Whether the resolver's answer for `url` must not be local either. The operator's or the user's own choice may be.
  func refusesLocalAddresses(of url: HTTPURL) -> Bool {
    endpoint.base.localPlace == nil && url.host != endpoint.base.host
  }
}
