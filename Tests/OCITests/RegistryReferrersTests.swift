import Crypto
import HTTPClient
import Primitives
import Testing

@testable import OCI

@Suite struct RegistryReferrersTests {
  private let digest = imageDigest
  private var api: String { "GET https://ghcr.io/v2/a/referrers/\(digest)" }
  private var tag: String { "sha256-\(digest.hex)" }
  private var fallback: String { "GET https://ghcr.io/v2/a/manifests/\(tag)" }

  private func referrers(
    _ network: FakeNetwork, of digest: Digest = imageDigest, _ change: (inout RegistryLimits) -> Void = { _ in }
  ) async throws -> Referrers {
    try await client(network, change)
      .referrers(reference("ghcr.io/a"), of: digest, credentials: anonymous, deadline: soon)
  }

  private func page(_ bytes: [UInt8], next: String? = nil) -> HTTPResponse {
    var response = HTTPResponse.manifest(bytes, type: ManifestMediaType.index)
    if let next { response.headers.append(("Link", next)) }
    return response
  }

  @Test(arguments: ["", "; charset=utf-8", " ;charset=\"utf-8\""])
  func `the API's answer is taken, with or without parameters`(suffix: String) async throws {
    let network = FakeNetwork([api: [.manifest(referrersIndex(2), type: ManifestMediaType.index + suffix)]])
    let found = try await referrers(network)
    #expect(found.place == .api)
    #expect(found.descriptors.map(\.size) == [0, 1])
    #expect(!found.isTruncated)
    #expect(network.requests.count == 1)
    #expect(network.requests.first?.headers.first?.value == ManifestMediaType.index)
  }

  @Test(arguments: [400, 404, 405, 406, 501]) func `without the API, the tag is asked`(status: Int) async throws {
    let network = FakeNetwork([
      api: [HTTPResponse(status: status)], fallback: [.manifest(referrersIndex(3), type: ManifestMediaType.index)],
    ])
    let found = try await referrers(network)
    #expect(found.place == .fallbackTag(tag))
    #expect(found.descriptors.count == 3)
  }

  @Test(arguments: ["application/json", "text/html", ManifestMediaType.image, ManifestMediaType.dockerList, ""])
  func `an answer that is no index is no API`(type: String) async throws {
    let network = FakeNetwork([
      api: [.manifest(Array("<html>".utf8), type: type)],
      fallback: [.manifest(referrersIndex(1), type: ManifestMediaType.index)],
    ])
    #expect(try await referrers(network).place == .fallbackTag(tag))
  }

  @Test func `nothing at either place is nothing, and no error`() async throws {
    let found = try await referrers(FakeNetwork([:]))
    #expect(found.place == .none)
    #expect(found.descriptors.isEmpty)
  }

  @Test(arguments: [(500, RefusalCode.registryUnavailable), (503, .registryUnavailable), (403, .registryUnauthorized)])
  func `a registry that fails is not one without referrers`(status: Int, code: RefusalCode) async throws {
    for script in [
      [api: [HTTPResponse(status: status)]],
      [api: [HTTPResponse(status: 404)], fallback: [HTTPResponse(status: status)]],
    ] {
      #expect(await registryError { _ = try await referrers(FakeNetwork(script)) }?.code == code)
    }
  }

  @Test func `the tag of a long digest is cut as the specification says`() async throws {
    let long = Digest(hashing: imageBytes, algorithm: .sha512)
    let network = FakeNetwork([:])
    _ = try await referrers(network, of: long)
    #expect(network.lines.last == "GET https://ghcr.io/v2/a/manifests/sha512-\(long.hex.prefix(64))")
  }

  @Test func `an image at the fallback tag is said to be one`() async throws {
    let bytes = Array(
      #"{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"\#(digest)","size":1},"layers":[]}"#.utf8)
    let network = FakeNetwork([fallback: [.manifest(bytes)]])
    let error = await registryError { _ = try await referrers(network) }
    #expect(error?.code == .registryMisbehaved)
    #expect(error?.description.contains("should be an index") == true)
  }

  @Test(arguments: [
    "", "{", "[]", #"{"schemaVersion":2}"#, #"{"schemaVersion":2,"manifests":[{"digest":"sha256:../.."}]}"#,
  ])
  func `an index that is none is refused`(body: String) async throws {
    let network = FakeNetwork([api: [.manifest(Array(body.utf8), type: ManifestMediaType.index)]])
    #expect(await registryError { _ = try await referrers(network) }?.code == .registryMisbehaved)
  }

  @Test func `an index nested without end is refused`() async throws {
    let deep = Array(#"{"schemaVersion":2,"manifests":"#.utf8) + Array(repeating: UInt8(ascii: "["), count: 1_000_000)
    let network = FakeNetwork([api: [.manifest(deep, type: ManifestMediaType.index)]])
    #expect(await registryError { _ = try await referrers(network) }?.code == .registryMisbehaved)
  }

  @Test func `pages are followed as far as the bound`() async throws {
    let network = FakeNetwork([
      api: [page(referrersIndex(1), next: "</v2/a/referrers/x?n=2>; rel=\"next\"")],
      "GET https://ghcr.io/v2/a/referrers/x?n=2": [page(referrersIndex(1, from: 1), next: "<x?n=3>;rel=next")],
      "GET https://ghcr.io/v2/a/referrers/x?n=3": [
        page(referrersIndex(1, from: 2), next: "<https://ghcr.io/v2/a/referrers/x?n=4>; rel=\"next\"")
      ],
      "GET https://ghcr.io/v2/a/referrers/x?n=4": [page(referrersIndex(1, from: 3))],
    ])
    let three = try await referrers(network)
    #expect(three.descriptors.map(\.size) == [0, 1, 2])
    #expect(three.isTruncated)
    let four = try await referrers(network) { $0.referrerPages = 4 }
    #expect(four.descriptors.map(\.size) == [0, 1, 2, 3])
    #expect(!four.isTruncated)
  }

  @Test func `pages that lead in a circle are refused`() async throws {
    let network = FakeNetwork([
      api: [page(referrersIndex(1), next: "</v2/a/referrers/\(digest)>; rel=next")]
    ])
    let error = await registryError { _ = try await referrers(network) { $0.referrerPages = 1000 } }
    #expect(error?.code == .registryMisbehaved)
    #expect(network.requests.count == 1)
  }

  @Test func `endless pages end`() async throws {
    let count = Locked(0)
    let network = FakeNetwork { (request) throws(HTTPClientError) in
      let number = count.withLock { count in
        count += 1
        return count
      }
      return HTTPResponse(
        status: 200, headers: [("Content-Type", ManifestMediaType.index), ("Link", "<?n=\(number)>; rel=next")],
        body: referrersIndex(1))
    }
    #expect(try await referrers(network).isTruncated)
    #expect(network.requests.count == 3)
  }

  @Test(arguments: [
    "https://evil.example/v2/a/referrers/x", "http://ghcr.io/x", "https://ghcr.io:8443/x", "//evil.example/",
  ])
  func `a page on another host is refused`(next: String) async throws {
    let network = FakeNetwork([api: [page(referrersIndex(1), next: "<\(next)>; rel=\"next\"")]])
    let error = await registryError { _ = try await referrers(network) }
    #expect(error?.code == .registryMisbehaved)
    #expect(network.requests.count == 1)
  }

  @Test func `a further page that fails is not taken for the end`() async throws {
    for (status, code) in [(404, RefusalCode.registryMisbehaved), (500, .registryUnavailable)] {
      let network = FakeNetwork([
        api: [page(referrersIndex(1), next: "<?n=2>; rel=next")],
        "GET https://ghcr.io/v2/a/referrers/\(digest)?n=2": [HTTPResponse(status: status)],
      ])
      #expect(await registryError { _ = try await referrers(network) }?.code == code)
    }
  }

  @Test func `a hundred thousand referrers are not all kept`() async throws {
    let found = try await referrers(FakeNetwork([api: [page(referrersIndex(5000))]]))
    #expect(found.descriptors.count == 1000)
    #expect(found.isTruncated)
    let atTag = FakeNetwork([fallback: [.manifest(referrersIndex(5000), type: ManifestMediaType.index)]])
    #expect(try await referrers(atTag).isTruncated)
    let flood = FakeNetwork([api: [page(referrersIndex(100_000))]])
    #expect(await registryError { _ = try await referrers(flood) }?.code == .registryMisbehaved)
  }

  @Test(arguments: [
    ("<a>; rel=\"next\"", "a"), ("<a>;rel=next", "a"), ("<a>; rel=\"prev\", <b>; rel=\"next\"", "b"),
    ("<a,b>; x=\"1,2;3\"; rel=\"next\"", "a,b"), ("<a>; REL=Next", "a"), ("<a>", nil), ("a; rel=next", nil),
    ("<a; rel=next", nil),
    ("", nil), ("<>; rel=next", ""), (",,<a>; rel=next", "a"),
  ])
  func `the link to the next page is found`(header: String, target: String?) {
    #expect(LinkHeader.next([header]) == target)
  }

  @Test func `a link header beyond its bound is not read`() {
    let filler = String(repeating: "<a>; rel=prev, ", count: 2000)
    #expect(LinkHeader.next([filler + "<b>; rel=next"]) == nil)
  }
}
