import Crypto
import HTTPServer
import JSON
import OCI
import Primitives

extension EmbeddedRegistry {
  /// The registry's own answer.
  func respond(_ request: RegistryRequest) -> Response {
    var response: Response
    do throws(RegistryFault) {
      guard let route = Route(path: request.path) else {
        throw .notFound("NAME_INVALID", "\(request.path.printable(limit: 128)) is no path of this registry")
      }
      if route != .token { try authorize(request, for: route) }
      response = try respond(request, to: route)
    } catch {
      response = error.response
    }
    response.headers.append(("docker-distribution-api-version", "registry/2.0"))
    return response
  }

  private func respond(_ request: RegistryRequest, to route: Route) throws(RegistryFault) -> Response {
    switch (route, request.method) {
    case (.base, "GET"), (.base, "HEAD"): return json { _ in }
    case (.token, "GET"), (.token, "POST"): return try token(request)
    case (.catalog, "GET"):
      let names = state.withLock { $0.repositories.keys.sorted() }
      return json { $0.strings("repositories", names) }
    case (.tags(let name), "GET"): return try listTags(of: name, request)
    case (.manifest(let name, let reference), let method):
      switch method {
      case "GET", "HEAD": return try manifest(reference, of: name)
      case "PUT": return try putManifest(reference, in: name, request)
      case "DELETE": return try deleteManifest(reference, in: name)
      default: throw .unsupported(method)
      }
    case (.blob(let name, let digest), let method):
      switch method {
      case "GET", "HEAD": return try blob(digest, of: name)
      case "DELETE": return try deleteBlob(digest, in: name)
      default: throw .unsupported(method)
      }
    case (.uploads(let name), "POST"): return try startUpload(in: name, request)
    case (.upload(let name, let id), let method): return try upload(id, in: name, method, request)
    case (.referrers(let name, let digest), "GET"): return try referrers(of: digest, in: name, request)
    default: throw .unsupported(request.method)
    }
  }

  // MARK: Reading

  private func manifest(_ reference: String, of name: String) throws(RegistryFault) -> Response {
    let found: (Digest, RegistryState.StoredManifest)? = try state.withLock { state throws(RegistryFault) in
      guard let repository = state.repositories[name] else { throw unknownName(name) }
      guard let digest = reference.contains(":") ? try digest(reference) : repository.tags[reference] else {
        return nil
      }
      return repository.manifests[digest].map { (digest, $0) }
    }
    guard let (digest, manifest) = found else {
      throw .notFound("MANIFEST_UNKNOWN", "no manifest \(reference.printable(limit: 160)) in \(name)")
    }
    return Response(
      status: 200,
      headers: [
        ("content-type", manifest.mediaType), ("docker-content-digest", digest.description), ("etag", "\"\(digest)\""),
      ], body: manifest.bytes)
  }

  private func blob(_ text: String, of name: String) throws(RegistryFault) -> Response {
    let digest = try digest(text)
    guard let bytes = state.withLock({ $0.repositories[name]?.blobs[digest] }) else {
      throw .notFound("BLOB_UNKNOWN", "no blob \(digest) in \(name)")
    }
    return Response(
      status: 200,
      headers: [("content-type", "application/octet-stream"), ("docker-content-digest", digest.description)],
      body: bytes)
  }

  private func listTags(of name: String, _ request: RegistryRequest) throws(RegistryFault) -> Response {
    guard let all = state.withLock({ $0.repositories[name]?.tags.keys.sorted() }) else { throw unknownName(name) }
    let last = request.parameter("last")
    let rest = last.map { last in all.filter { $0 > last } } ?? all
    guard let count = request.parameter("n").flatMap({ Int($0) }), count >= 0, count < rest.count else {
      return json {
        $0.member("name", name)
        $0.strings("tags", rest)
      }
    }
    let page = Array(rest.prefix(count))
    var response = json {
      $0.member("name", name)
      $0.strings("tags", page)
    }
    if let last = page.last {
      response.headers.append(("link", "</v2/\(name)/tags/list?n=\(count)&last=\(last)>; rel=\"next\""))
    }
    return response
  }

  private func referrers(of text: String, in name: String, _ request: RegistryRequest) throws(RegistryFault) -> Response
  {
    guard configuration.hasReferrersAPI else { throw .notFound("UNSUPPORTED", "this registry has no referrers API") }
    let subject = try digest(text)
    let usesConfig = configuration.listsConfigMediaTypeAsArtifactType
    let all = state.withLock { state in
      let repository = state.repositories[name]
      return (repository?.referrers[subject] ?? []).compactMap { digest in
        repository?.manifests[digest].map { (digest, $0) }
      }
    }
    let wanted = request.parameter("artifactType")
    func artifactType(_ manifest: RegistryState.StoredManifest) -> String? {
      usesConfig ? manifest.configMediaType : manifest.artifactType ?? manifest.configMediaType
    }
    let matching = all.filter { wanted == nil || artifactType($0.1) == wanted }
    let start = min(max(0, request.parameter("page").flatMap { Int($0) } ?? 0), matching.count)
    let size = max(1, configuration.referrersPerPage ?? max(1, matching.count))
    let page = matching.dropFirst(start).prefix(size)

    var body = JSONWriter()
    body.object { body in
      body.member("schemaVersion", 2)
      body.member("mediaType", ManifestMediaType.index)
      body.name("manifests")
      body.array { list in
        for (digest, manifest) in page {
          list.descriptor(
            Descriptor(
              mediaType: manifest.mediaType, digest: digest, size: Int64(manifest.bytes.count),
              artifactType: artifactType(manifest), annotations: usesConfig ? [:] : manifest.annotations))
        }
      }
    }
    var response = Response(status: 200, headers: [("content-type", ManifestMediaType.index)], body: body.bytes)
    if wanted != nil { response.headers.append(("oci-filters-applied", "artifactType")) }
    if start + page.count < matching.count {
      let filter = wanted.map { "&artifactType=" + $0.replacingPlus } ?? ""
      response.headers.append(
        ("link", "</v2/\(name)/referrers/\(subject)?page=\(start + page.count)\(filter)>; rel=\"next\""))
    }
    return response
  }
}

// MARK: - Helpers

func unknownName(_ name: String) -> RegistryFault { .notFound("NAME_UNKNOWN", "no repository \(name)") }

/// A digest as the specification writes it, and as no path can smuggle anything else in.
func digest(_ text: String) throws(RegistryFault) -> Digest {
  do {
    return try Digest(parsing: text)
  } catch {
    throw .invalid("DIGEST_INVALID", error.description.printable())
  }
}

func json(_ status: Int = 200, _ body: (inout JSONWriter) -> Void) -> Response {
  var writer = JSONWriter()
  writer.object(body)
  return Response(status: status, headers: [("content-type", "application/json")], body: writer.bytes)
}

extension JSONWriter {
  mutating func strings(_ name: String, _ values: [String]) {
    self.name(name)
    array { list in
      for value in values { list.string(value) }
    }
  }

  /// A descriptor with its members in the order in which Go programs write them.
  mutating func descriptor(_ descriptor: Descriptor) {
    object { $0.members(of: descriptor) }
  }

  mutating func members(of descriptor: Descriptor) {
    member("mediaType", descriptor.mediaType)
    member("size", descriptor.size)
    member("digest", descriptor.digest.description)
    if !descriptor.annotations.isEmpty { strings("annotations", descriptor.annotations) }
    if let artifactType = descriptor.artifactType { member("artifactType", artifactType) }
  }

  mutating func strings(_ name: String, _ values: [String: String]) {
    self.name(name)
    object { object in
      for (name, value) in values.sorted(by: { $0.key < $1.key }) { object.member(name, value) }
    }
  }
}

extension String {
  /// With the one character of media types escaped that a query would read as a space.
  fileprivate var replacingPlus: String {
    split(separator: "+", omittingEmptySubsequences: false).joined(separator: "%2B")
  }
}
