import Crypto
import HTTPServer
import JSON
import OCI
import Primitives

// What clients push (OCI distribution specification, "Push" and "Content Management").
extension EmbeddedRegistry {
  // MARK: Manifests

  func putManifest(_ reference: String, in name: String, _ request: RegistryRequest) throws(RegistryFault) -> Response {
    guard request.body.count <= configuration.maximumManifestBytes else {
      throw RegistryFault(
        status: 413, code: "SIZE_INVALID",
        message:
          "a manifest has at most \(configuration.maximumManifestBytes) bytes, this one has \(request.body.count)")
    }
    let stored: Digest
    var tag: String?
    if reference.contains(":") {
      let named = try digest(reference)
      stored = Digest(hashing: request.body, algorithm: named.algorithm)
      guard stored == named else {
        throw .invalid("DIGEST_INVALID", "the manifest's digest is \(stored), not \(named)")
      }
    } else {
      guard isTag(reference) else { throw .invalid("TAG_INVALID", "\(reference.printable(limit: 160)) is no tag") }
      stored = Digest(hashing: request.body)
      tag = reference
    }
    let contentType = String((request.header("content-type") ?? "").prefix { $0 != ";" })
    let manifest: Manifest
    do {
      manifest = try Manifest(parsing: FetchedManifest(digest: stored, mediaType: contentType, bytes: request.body))
    } catch {
      throw .invalid("MANIFEST_INVALID", error.description)
    }
    let mediaType = contentType.isEmpty ? manifest.defaultMediaType : contentType
    let entry = RegistryState.StoredManifest(manifest, mediaType: mediaType, bytes: request.body)
    let needed = configuration.requiresBlobs ? manifest.neededBlobs : []
    let neededManifests = configuration.requiresBlobs ? manifest.neededManifests : []
    try state.withLock { state throws(RegistryFault) in
      let repository = state.repositories[name]
      for digest in needed where repository?.blobs[digest] == nil {
        throw .invalid("MANIFEST_BLOB_UNKNOWN", "the manifest names blob \(digest), which is not in \(name)")
      }
      for digest in neededManifests where repository?.manifests[digest] == nil {
        throw .invalid("MANIFEST_BLOB_UNKNOWN", "the index names manifest \(digest), which is not in \(name)")
      }
      try state.store(manifest: entry, as: stored, tag: tag, in: name)
    }
    var response = Response(
      status: 201,
      headers: [("location", "/v2/\(name)/manifests/\(stored)"), ("docker-content-digest", stored.description)])
    if configuration.hasReferrersAPI, let subject = entry.subject {
      response.headers.append(("oci-subject", subject.description))
    }
    return response
  }

  func deleteManifest(_ reference: String, in name: String) throws(RegistryFault) -> Response {
    let digest = reference.contains(":") ? try digest(reference) : nil
    let isGone = state.withLock { state in
      if let digest { return state.removeManifest(digest, in: name) }
      guard state.repositories[name]?.tags[reference] != nil else { return false }
      state.setTag(reference, in: name, to: nil)
      return true
    }
    guard isGone else {
      throw .notFound("MANIFEST_UNKNOWN", "no manifest \(reference.printable(limit: 160)) in \(name)")
    }
    return Response(status: 202)
  }

  // MARK: Blobs

  func deleteBlob(_ text: String, in name: String) throws(RegistryFault) -> Response {
    let digest = try digest(text)
    guard state.withLock({ $0.removeBlob(digest, in: name) }) else {
      throw .notFound("BLOB_UNKNOWN", "no blob \(digest) in \(name)")
    }
    return Response(status: 202)
  }

  /// `POST`: starts an upload, does all of it (`?digest=`), or takes the blob from another repository (`?mount=`).
  func startUpload(in name: String, _ request: RegistryRequest) throws(RegistryFault) -> Response {
    if let text = request.parameter("digest") {
      return try storeBlob(request.body, as: try digest(text), in: name)
    }
    if let mount = request.parameter("mount"), let source = request.parameter("from") {
      let digest = try digest(mount)
      // Whoever may not read there gets no error, only an upload to do.
      if (try? authorize(request, pulling: source)) != nil,
        let bytes = state.withLock({ $0.repositories[source]?.blobs[digest] })
      {
        return try storeBlob(bytes, as: digest, in: name)
      }
    }
    let id = state.withLock { $0.startUpload(in: name) }
    return accepted(id, in: name, size: 0)
  }

  /// An upload under way: `PATCH` adds to it, `PUT` ends it, `GET` asks how far it is, `DELETE` gives it up.
  func upload(_ id: String, in name: String, _ method: String, _ request: RegistryRequest) throws(RegistryFault)
    -> Response
  {
    guard let size = state.withLock({ $0.uploads[id].flatMap { $0.repository == name ? $0.bytes.count : nil } }) else {
      throw .notFound("BLOB_UPLOAD_UNKNOWN", "no such upload in \(name)")
    }
    switch method {
    case "GET": return accepted(id, in: name, size: size, status: 204)
    case "DELETE":
      state.withLock { $0.endUpload(id) }
      return Response(status: 204)
    case "PATCH":
      try checkRange(request, at: size)
      try state.withLock { state throws(RegistryFault) in try state.append(request.body, toUpload: id) }
      return accepted(id, in: name, size: size + request.body.count)
    case "PUT":
      guard let text = request.parameter("digest") else {
        throw .invalid("DIGEST_INVALID", "the query names no digest")
      }
      let digest = try digest(text)
      if !request.body.isEmpty {
        try checkRange(request, at: size)
        try state.withLock { state throws(RegistryFault) in try state.append(request.body, toUpload: id) }
      }
      let bytes = state.withLock { state in
        let bytes = state.uploads[id]?.bytes ?? []
        state.endUpload(id)
        return bytes
      }
      return try storeBlob(bytes, as: digest, in: name)
    default: throw .unsupported(method)
    }
  }

  private func storeBlob(_ bytes: [UInt8], as digest: Digest, in name: String) throws(RegistryFault) -> Response {
    let computed = Digest(hashing: bytes, algorithm: digest.algorithm)
    guard computed == digest else {
      throw .invalid("DIGEST_INVALID", "the blob's digest is \(computed), not \(digest)")
    }
    try state.withLock { state throws(RegistryFault) in try state.store(blob: bytes, as: digest, in: name) }
    return Response(
      status: 201,
      headers: [("location", "/v2/\(name)/blobs/\(digest)"), ("docker-content-digest", digest.description)])
  }

  /// A chunk must start where the last one ended: `Content-Range: 0-99`, or with `bytes ` in front as some write it.
  private func checkRange(_ request: RegistryRequest, at size: Int) throws(RegistryFault) {
    guard let range = request.header("content-range") else { return }
    let digits = range.drop { !$0.isNumber }.prefix { $0.isNumber }
    guard Int(digits) == size else {
      throw RegistryFault(
        status: 416, code: "BLOB_UPLOAD_INVALID", message: "the upload has \(size) bytes; the next chunk starts there")
    }
  }

  private func accepted(_ id: String, in name: String, size: Int, status: Int = 202) -> Response {
    Response(
      status: status,
      headers: [
        ("location", "/v2/\(name)/blobs/uploads/\(id)"), ("docker-upload-uuid", id), ("range", "0-\(max(0, size - 1))"),
      ])
  }
}

extension Manifest {
  /// What a manifest is taken for that came without a Content-Type.
  fileprivate var defaultMediaType: String {
    switch self {
    case .image: ManifestMediaType.image
    case .index: ManifestMediaType.index
    }
  }

  /// The blobs that must be there before an image manifest.
  fileprivate var neededBlobs: [Digest] {
    guard case .image(_, let config, let layers, _, _) = self else { return [] }
    return [config.digest] + layers.map(\.digest)
  }

  /// The manifests that must be there before an index.
  fileprivate var neededManifests: [Digest] {
    guard case .index(let manifests, _, _) = self else { return [] }
    return manifests.map(\.digest)
  }
}

extension RegistryState.StoredManifest {
  /// A manifest that was read.
  init(_ manifest: Manifest, mediaType: String, bytes: [UInt8]) {
    switch manifest {
    case .image(let artifactType, let config, _, let subject, let annotations):
      self.init(
        mediaType: mediaType, bytes: bytes, subject: subject?.digest, artifactType: artifactType,
        configMediaType: config.mediaType, annotations: annotations)
    case .index(_, let subject, let annotations):
      self.init(
        mediaType: mediaType, bytes: bytes, subject: subject?.digest, artifactType: nil, configMediaType: nil,
        annotations: annotations)
    }
  }
}
