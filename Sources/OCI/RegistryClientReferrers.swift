import Crypto
import HTTPClient
import Primitives

extension RegistrySession {
  /// OCI distribution specification, "Listing Referrers", and where a registry knows nothing of it, "Referrers Tag Schema".
  func referrers(of digest: Digest) async throws(RegistryError) -> Referrers {
    let first = try await perform(page(try endpoint.url("referrers/\(digest)"), of: digest))
    switch first.response.status {
    case 200 where first.response.mediaType == ManifestMediaType.index:
      return try await pages(from: first, of: digest)
    case 200, 400, 404, 405, 406, 501: return try await fallback(for: digest)
    default: throw failure(first)
    }
  }

  private func page(_ url: HTTPURL, of digest: Digest) -> RegistryRequest {
    RegistryRequest(
      url: url, accept: ManifestMediaType.index, maximumBytes: exchanger.limits.manifestBytes,
      subject: "the referrers of \(digest)")
  }

  private func pages(from first: RegistryAnswer, of digest: Digest) async throws(RegistryError) -> Referrers {
    let limits = exchanger.limits
    var descriptors: [Descriptor] = []
    var answer = first
    var visited: Set<HTTPURL> = [first.url]
    var count = 1
    while true {
      descriptors += try index(answer.response, answer.purpose)
      let next = LinkHeader.next(answer.response.headers(named: "link"))
      if descriptors.count > limits.referrerCount || (next != nil && count >= limits.referrerPages) {
        return Referrers(
          place: .api, descriptors: Array(descriptors.prefix(limits.referrerCount)), isTruncated: true)
      }
      guard let next else { return Referrers(place: .api, descriptors: descriptors, isTruncated: false) }
      let url = try nextPage(next, after: answer)
      guard visited.insert(url).inserted else {
        throw RegistryError(.registryMisbehaved, "\(answer.purpose): the pages lead in a circle")
      }
      answer = try await perform(page(url, of: digest))
      guard answer.response.status == 200, answer.response.mediaType == ManifestMediaType.index else {
        if answer.response.status != 200, answer.response.status != 404 { throw failure(answer) }
        throw RegistryError(.registryMisbehaved, "\(answer.purpose): the first page is an index, a further one is none")
      }
      count += 1
    }
  }

  private func nextPage(_ link: String, after answer: RegistryAnswer) throws(RegistryError) -> HTTPURL {
    let url: HTTPURL
    do throws(HTTPClientError) {
      url = try answer.url.resolving(link)
    } catch {
      throw RegistryError(.registryMisbehaved, "\(answer.purpose): the link to the next page: \(error.description)")
    }
    guard url.hasSameOrigin(as: answer.url) else {
      throw RegistryError(
        .registryMisbehaved, "\(answer.purpose): the next page would be on another host, \(url.authority)")
    }
    return url
  }

  private func fallback(for digest: Digest) async throws(RegistryError) -> Referrers {
    // The specification cuts both parts, since a tag has 128 characters at most.
    let tag = "\(digest.algorithm.rawValue.prefix(32))-\(digest.hex.prefix(64))"
    guard let manifest = try await manifest(.tag(tag)) else {
      return Referrers(place: .none, descriptors: [], isTruncated: false)
    }
    let parsed = try Manifest(parsing: manifest, maximumDescriptors: .max)
    guard case .index(let descriptors, _, _) = parsed else {
      throw RegistryError(
        .registryMisbehaved, "\(endpoint.name): tag \(tag) should be an index of referrers, and is an image")
    }
    let limit = exchanger.limits.referrerCount
    return Referrers(
      place: .fallbackTag(tag), descriptors: Array(descriptors.prefix(limit)), isTruncated: descriptors.count > limit)
  }

  private func index(_ response: HTTPResponse, _ purpose: String) throws(RegistryError) -> [Descriptor] {
    guard response.body.count <= exchanger.limits.manifestBytes else {
      throw RegistryError(.registryMisbehaved, "\(purpose): more than \(exchanger.limits.manifestBytes) bytes")
    }
    let manifest = FetchedManifest(
      digest: Digest(hashing: response.body), mediaType: response.mediaType, bytes: response.body)
    guard case .index(let descriptors, _, _) = try Manifest(parsing: manifest, maximumDescriptors: .max) else {
      return []
    }
    return descriptors
  }
}
