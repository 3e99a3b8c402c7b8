import Crypto
import EmbeddedRegistry
import HTTPServer
import JSON
import OCI
import Primitives
import Testing

/// Asks a registry through its request handler, as the server does.
struct Asker {
  let registry: EmbeddedRegistry
  var headers: [(name: String, value: String)] = [("host", "r.example:5000")]

  init(_ configuration: EmbeddedRegistry.Configuration = .init()) { registry = EmbeddedRegistry(configuration) }

  func callAsFunction(
    _ method: String, _ target: String, headers more: [(name: String, value: String)] = [], body: [UInt8] = []
  ) async -> Response {
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let head = RequestHead(
      method: method, path: String(parts[0]), query: parts.count > 1 ? String(parts[1]) : "", headers: headers + more)
    if let refusal = registry.check(head) { return refusal }
    switch registry.handle(Request(head: head, body: body)) {
    case .now(let response): return response
    case .later(let work): return await work()
    }
  }
}

extension Response {
  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
  var text: String { String(decoding: body, as: UTF8.self) }

  /// The code of the first error in the body.
  var errorCode: String? {
    guard let errors = try? JSONDocument(body).root["errors"]?.elements() else { return nil }
    return try? errors.first?["code"]?.string()
  }
}

@Suite struct `The embedded registry` {
  private let ask = Asker()
  private var registry: EmbeddedRegistry { ask.registry }

  @Test func `an image that was pushed is pulled by tag and by digest`() async throws {
    let digest = try registry.pushImage(repository: "team/app", tag: "v1")
    for address in ["v1", digest.description, digest.description.replacing(":", with: "%3A")] {
      for method in ["GET", "HEAD"] {
        let response = await ask(method, "/v2/team/app/manifests/\(address)")
        #expect(response.status == 200)
        #expect(response.header("content-type") == ManifestMediaType.image)
        #expect(response.header("docker-content-digest") == digest.description)
        #expect(Digest(hashing: response.body) == digest)
      }
    }
    let manifest = try #require(registry.manifest(.tag("v1"), repository: "team/app"))
    guard case .image(_, let config, let layers, _, _) = try Manifest(parsing: manifest) else {
      Issue.record("not an image")
      return
    }
    for descriptor in [config] + layers {
      let response = await ask("GET", "/v2/team/app/blobs/\(descriptor.digest)")
      #expect(response.status == 200)
      #expect(Digest(hashing: response.body) == descriptor.digest)
      #expect(response.body.count == Int(descriptor.size))
    }
    #expect(try registry.pushImage(repository: "team/app", tag: "v2") != digest)
    #expect(await ask("GET", "/v2/").status == 200)
    #expect(await ask("GET", "/v2/").header("docker-distribution-api-version") == "registry/2.0")
  }

  @Test(arguments: [
    ("GET", "/v2/none/manifests/v1", 404, "NAME_UNKNOWN"),
    ("GET", "/v2/a/manifests/none", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/a/manifests/sha256:00", 400, "DIGEST_INVALID"),
    ("GET", "/v2/a/manifests/sha256:..%2F..%2Fx", 400, "DIGEST_INVALID"),
    ("GET", "/v2/a/blobs/sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", 404, "BLOB_UNKNOWN"),
    ("GET", "/v2/a/blobs/x", 400, "DIGEST_INVALID"),
    ("GET", "/v2/A/manifests/v1", 404, "NAME_INVALID"),
    ("GET", "/v2/a/../b/manifests/v1", 404, "NAME_INVALID"),
    ("GET", "/v2/a%2F..%2Fb/manifests/v1", 404, "NAME_INVALID"),
    ("GET", "/v2//manifests/v1", 404, "NAME_INVALID"),
    ("GET", "/v2/manifests/v1", 404, "NAME_INVALID"),
    ("GET", "/", 404, "NAME_INVALID"),
    ("GET", "/v1/a/manifests/v1", 404, "NAME_INVALID"),
    ("PATCH", "/v2/a/manifests/v1", 405, "UNSUPPORTED"),
    ("PUT", "/v2/a/blobs/sha256:00", 405, "UNSUPPORTED"),
    ("GET", "/v2/a/blobs/uploads/none", 404, "BLOB_UPLOAD_UNKNOWN"),
    ("GET", "/v2/a/referrers/none", 400, "DIGEST_INVALID"),
    ("DELETE", "/v2/a/manifests/none", 404, "MANIFEST_UNKNOWN"),
    ("GET", "/v2/none/tags/list", 404, "NAME_UNKNOWN"),
  ])
  func `what is not there is an error of the specification`(
    _ method: String, _ target: String, _ status: Int, _ code: String
  ) async throws {
    try registry.pushImage(repository: "a", tag: "v1")
    let response = await ask(method, target)
    #expect(response.status == status)
    #expect(response.errorCode == code)
  }

  @Test func `a blob is uploaded in one, in two and in chunks`() async throws {
    let bytes = Array("hello, registry".utf8)
    let digest = Digest(hashing: bytes)
    // POST with everything.
    let one = await ask("POST", "/v2/one/blobs/uploads/?digest=\(digest)", body: bytes)
    #expect(one.status == 201 && one.header("location") == "/v2/one/blobs/\(digest)")
    // POST, then PUT.
    let start = await ask("POST", "/v2/two/blobs/uploads/")
    #expect(start.status == 202)
    let location = try #require(start.header("location"))
    #expect(await ask("PUT", "\(location)?digest=\(digest)", body: bytes).status == 201)
    // POST, PATCH, PATCH, PUT.
    let chunked = try #require(await ask("POST", "/v2/three/blobs/uploads").header("location"))
    let first = await ask("PATCH", chunked, headers: [("content-range", "0-4")], body: Array(bytes[..<5]))
    #expect(first.status == 202 && first.header("range") == "0-4")
    let again = await ask("PATCH", chunked, headers: [("content-range", "0-4")], body: Array(bytes[..<5]))
    #expect(again.status == 416)
    #expect(await ask("GET", chunked).status == 204)
    let second = await ask("PATCH", chunked, headers: [("content-range", "bytes 5-9/*")], body: Array(bytes[5..<10]))
    #expect(second.header("range") == "0-9")
    let end = await ask("PUT", "\(chunked)?digest=\(digest)", body: Array(bytes[10...]))
    #expect(end.status == 201)
    for repository in ["one", "two", "three"] {
      #expect(registry.blob(digest, repository: repository) == bytes)
      #expect(await ask("GET", "/v2/\(repository)/blobs/\(digest)").body == bytes)
    }
    // Mounted from there, or uploaded where it is not there.
    #expect(await ask("POST", "/v2/four/blobs/uploads/?mount=\(digest)&from=one").status == 201)
    #expect(await ask("POST", "/v2/five/blobs/uploads/?mount=\(digest)&from=none").status == 202)
    #expect(registry.blob(digest, repository: "four") == bytes)
  }

  @Test func `an upload whose bytes are others than its digest's is refused`() async throws {
    let digest = Digest(hashing: [1])
    #expect(await ask("POST", "/v2/a/blobs/uploads/?digest=\(digest)", body: [2]).errorCode == "DIGEST_INVALID")
    let location = try #require(await ask("POST", "/v2/a/blobs/uploads/").header("location"))
    #expect(await ask("PUT", location, body: [1]).errorCode == "DIGEST_INVALID")
    #expect(await ask("PUT", "\(location)?digest=\(digest)", body: [2]).errorCode == "DIGEST_INVALID")
    #expect(registry.blob(digest, repository: "a") == nil)
    // Of another repository, or given up.
    let other = try #require(await ask("POST", "/v2/a/blobs/uploads/").header("location"))
    let elsewhere = other.replacing("/v2/a/", with: "/v2/b/")
    #expect(await ask("PUT", "\(elsewhere)?digest=\(digest)", body: [1]).status == 404)
    #expect(await ask("DELETE", other).status == 204)
    #expect(await ask("PUT", "\(other)?digest=\(digest)", body: [1]).status == 404)
  }

  @Test func `a manifest is pushed once its blobs are there`() async throws {
    let config = Array("{}".utf8)
    let configDigest = Digest(hashing: config)
    let text =
      #"{"schemaVersion":2,"mediaType":"\#(ManifestMediaType.image)","config":{"mediaType":"a/b","size":2,"digest":"\#(configDigest)"},"layers":[]}"#
    let body = Array(text.utf8)
    let type = [("content-type", ManifestMediaType.image)].map { (name: $0.0, value: $0.1) }
    #expect(await ask("PUT", "/v2/a/manifests/v1", headers: type, body: body).errorCode == "MANIFEST_BLOB_UNKNOWN")
    _ = await ask("POST", "/v2/a/blobs/uploads/?digest=\(configDigest)", body: config)
    let put = await ask("PUT", "/v2/a/manifests/v1", headers: type, body: body)
    #expect(put.status == 201 && put.header("docker-content-digest") == Digest(hashing: body).description)
    #expect(await ask("GET", "/v2/a/manifests/v1").body == body)
    // Under a digest: its own, by either algorithm, and no other.
    let sha512 = Digest(hashing: body, algorithm: .sha512)
    #expect(await ask("PUT", "/v2/a/manifests/\(sha512)", headers: type, body: body).status == 201)
    #expect(await ask("GET", "/v2/a/manifests/\(sha512)").body == body)
    let wrong = await ask("PUT", "/v2/a/manifests/\(configDigest)", headers: type, body: body)
    #expect(wrong.errorCode == "DIGEST_INVALID")
    // Not a manifest, or not what it says.
    #expect(await ask("PUT", "/v2/a/manifests/v2", headers: type, body: config).errorCode == "MANIFEST_INVALID")
    let index = [("content-type", ManifestMediaType.index)].map { (name: $0.0, value: $0.1) }
    #expect(await ask("PUT", "/v2/a/manifests/v2", headers: index, body: body).errorCode == "MANIFEST_INVALID")
    #expect(await ask("PUT", "/v2/a/manifests/-v2", headers: type, body: body).errorCode == "TAG_INVALID")
    let large = [UInt8](repeating: 0x20, count: 4 << 20) + body
    #expect(await ask("PUT", "/v2/a/manifests/v2", headers: type, body: large).status == 413)
    // Without a Content-Type, its own media type counts.
    #expect(await ask("PUT", "/v2/a/manifests/v3", body: body).status == 201)
    #expect(await ask("GET", "/v2/a/manifests/v3").header("content-type") == ManifestMediaType.image)
  }

  @Test func `tags are listed, in pages, and taken away`() async throws {
    let digest = try registry.pushImage(repository: "a", tag: "one")
    for tag in ["two", "three"] { registry.setTag(tag, repository: "a", to: digest) }
    #expect(await ask("GET", "/v2/a/tags/list").text == #"{"name":"a","tags":["one","three","two"]}"#)
    let page = await ask("GET", "/v2/a/tags/list?n=2")
    #expect(page.text == #"{"name":"a","tags":["one","three"]}"#)
    #expect(page.header("link") == #"</v2/a/tags/list?n=2&last=three>; rel="next""#)
    #expect(await ask("GET", "/v2/a/tags/list?n=2&last=three").text == #"{"name":"a","tags":["two"]}"#)
    #expect(await ask("GET", "/v2/_catalog").text == #"{"repositories":["a"]}"#)
    #expect(await ask("DELETE", "/v2/a/manifests/two").status == 202)
    #expect(registry.tags(repository: "a") == ["one", "three"])
    #expect(await ask("DELETE", "/v2/a/manifests/\(digest)").status == 202)
    #expect(registry.tags(repository: "a") == [])
    #expect(await ask("GET", "/v2/a/manifests/\(digest)").status == 404)
  }

  @Test func `a deleted blob is gone`() async throws {
    let blob = try registry.put(blob: [1, 2, 3], repository: "a")
    #expect(await ask("DELETE", "/v2/a/blobs/\(blob.digest)").status == 202)
    #expect(await ask("DELETE", "/v2/a/blobs/\(blob.digest)").status == 404)
    #expect(registry.blob(blob.digest, repository: "a") == nil)
  }

  @Test func `what goes past the bounds is refused and holds no memory`() async throws {
    var configuration = EmbeddedRegistry.Configuration()
    configuration.maximumBytes = 100
    configuration.maximumEntries = 3
    let ask = Asker(configuration)
    func blob(_ count: Int, _ seed: UInt8) async -> Int {
      let bytes = [UInt8](repeating: seed, count: count)
      return await ask("POST", "/v2/a/blobs/uploads/?digest=\(Digest(hashing: bytes))", body: bytes).status
    }
    #expect(await blob(101, 0) == 413)
    #expect(await blob(60, 1) == 201)
    #expect(await blob(60, 1) == 201)
    #expect(await blob(60, 2) == 413)
    // An upload counts while it is open, and no longer.
    let location = try #require(await ask("POST", "/v2/a/blobs/uploads/").header("location"))
    #expect(await ask("PATCH", location, body: [UInt8](repeating: 0, count: 41)).status == 413)
    #expect(await ask("PATCH", location, body: [UInt8](repeating: 0, count: 40)).status == 202)
    #expect(await blob(1, 3) == 413)
    #expect(await ask("DELETE", location).status == 204)
    #expect(await blob(1, 3) == 201)
    #expect(await blob(1, 4) == 201)
    #expect(await blob(1, 5) == 413)
    // The oldest of too many open uploads gives way.
    let first = try #require(await ask("POST", "/v2/a/blobs/uploads/").header("location"))
    for _ in 0..<256 { _ = await ask("POST", "/v2/a/blobs/uploads/") }
    #expect(await ask("GET", first).status == 404)
  }

  @Test func `many clients at once lose nothing`() async throws {
    let ask = ask
    await withTaskGroup(of: Void.self) { group in
      for number in 0..<32 {
        group.addTask {
          let bytes = Array("blob \(number)".utf8)
          _ = await ask("POST", "/v2/a/blobs/uploads/?digest=\(Digest(hashing: bytes))", body: bytes)
          _ = try? ask.registry.pushImage(repository: "a", tag: "t\(number)")
        }
      }
    }
    #expect(registry.tags(repository: "a").count == 32)
    #expect(registry.requestCount(method: "POST", path: "/v2/a/*") == 32)
    for number in 0..<32 {
      #expect(registry.blob(Digest(hashing: Array("blob \(number)".utf8)), repository: "a") != nil)
    }
  }
}
