import Crypto
import HTTPClient
import Primitives

extension ManifestAddress {
  /// As the last part of a path.
  var pathPart: String {
    switch self {
    case .tag(let tag): tag
    case .digest(let digest): digest.description
    }
  }

  /// For messages.
  var subject: String {
    switch self {
    case .tag(let tag): "tag \(tag.printable(limit: 128))"
    case .digest(let digest): "manifest \(digest)"
    }
  }
}

extension RegistrySession {
  /// OCI distribution specification, "Checking if content exists in the registry".
  func resolve(_ address: ManifestAddress) async throws(RegistryError) -> Digest {
    let answer = try await perform(try request(.head, address))
    switch answer.response.status {
    case 200:
      if case .digest(let digest) = address { return digest }
      // The header does no more than name the digest: whatever is fetched by it is hashed.
      if let text = answer.response.header("docker-content-digest"), let digest = try? Digest(parsing: text) {
        return digest
      }
    // A registry without HEAD.
    case 405, 501: break
    default: throw failure(answer)
    }
    guard let manifest = try await manifest(address) else {
      throw RegistryError(.imageNotFound, "\(endpoint.name): there is no \(address.subject)")
    }
    if case .digest(let digest) = address { return digest }
    return manifest.digest
  }

  /// OCI distribution specification, "Pulling manifests"; nil for 404.
  func manifest(_ address: ManifestAddress) async throws(RegistryError) -> FetchedManifest? {
    let answer = try await perform(try request(.get, address))
    switch answer.response.status {
    case 200: break
    case 404: return nil
    default: throw failure(answer)
    }
    let bytes = answer.response.body
    let limit = exchanger.limits.manifestBytes
    guard bytes.count <= limit else {
      throw RegistryError(.registryMisbehaved, "\(answer.purpose): it has more than \(limit) bytes")
    }
    let digest: Digest
    switch address {
    case .tag: digest = Digest(hashing: bytes)
    case .digest(let wanted):
      digest = Digest(hashing: bytes, algorithm: wanted.algorithm)
      guard digest == wanted else {
        throw RegistryError(
          .digestMismatch, "\(answer.purpose): what \(answer.url.authority) sent has the digest \(digest)")
      }
    }
    return FetchedManifest(digest: digest, mediaType: answer.response.mediaType, bytes: bytes)
  }

  private func request(_ method: HTTPRequest.Method, _ address: ManifestAddress) throws(RegistryError)
    -> RegistryRequest
  {
    RegistryRequest(
      method: method, url: try endpoint.url("manifests/\(address.pathPart)"),
      accept: ManifestMediaType.all.joined(separator: ", "), maximumBytes: exchanger.limits.manifestBytes,
      subject: address.subject)
  }

  /// OCI distribution specification, "Pulling blobs".
  func blob(_ descriptor: Descriptor, maximumBytes: Int) async throws(RegistryError) -> [UInt8] {
    guard let size = Int(exactly: descriptor.size), size >= 0, size <= maximumBytes else {
      throw RegistryError(
        .registryMisbehaved,
        "\(endpoint.name): blob \(descriptor.digest) has \(descriptor.size) bytes by its descriptor, at most \(maximumBytes) are read"
      )
    }
    let answer = try await perform(
      RegistryRequest(
        url: try endpoint.url("blobs/\(descriptor.digest)"), accept: "*/*", maximumBytes: size,
        subject: "blob \(descriptor.digest)"))
    switch answer.response.status {
    case 200: break
    case 404:
      throw RegistryError(
        .registryMisbehaved, "\(answer.purpose): the registry has a manifest that names it, but not the blob (404)")
    default: throw failure(answer)
    }
    let bytes = answer.response.body
    guard bytes.count == size else {
      throw RegistryError(
        .digestMismatch,
        "\(answer.purpose): \(answer.url.authority) sent \(bytes.count) bytes, its descriptor says \(size)")
    }
    let digest = Digest(hashing: bytes, algorithm: descriptor.digest.algorithm)
    guard digest == descriptor.digest else {
      throw RegistryError(
        .digestMismatch, "\(answer.purpose): what \(answer.url.authority) sent has the digest \(digest)")
    }
    return bytes
  }
}

extension HTTPResponse {
  /// Content-Type without parameters, in lower case; empty if there is none.
  var mediaType: String {
    let value = header("content-type") ?? ""
    return String(value.prefix { $0 != ";" }).lowercased().filter { $0 != " " && $0 != "\t" }
  }
}
