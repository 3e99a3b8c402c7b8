import Primitives

/// Reads kubeconfig files, as `kubectl` does for what is supported, and refuses the rest by name: an ignored field may
/// change who is asked, or who asks.
enum Kubeconfig {
  private static let maximumBytes = 1 << 20

  /// The file to read: the one named, else `$KUBECONFIG`, else `~/.kube/config`.
  static func path(
    _ path: String?, environment: (String) -> String? = environmentVariable
  ) throws(ClusterError) -> String {
    if let path { return path }
    let files = (environment("KUBECONFIG") ?? "").split(separator: ":").map(String.init)
    if files.count > 1 {
      throw ClusterError(
        .invalid, "KUBECONFIG names \(files.count) files, which are not merged; name one, as in kubeconfig:FILE")
    }
    if let file = files.first { return file }
    guard let home = environment("HOME"), !home.isEmpty else {
      throw ClusterError(.invalid, "neither KUBECONFIG nor HOME is set; name the file, as in kubeconfig:FILE")
    }
    return home + "/.kube/config"
  }

  /// The connection of the file's current context.
  static func connection(path: String, allowsInsecure: Bool) throws(ClusterError) -> Connection {
    let place = path.printable(limit: 1024)
    let bytes: [UInt8]
    do throws(FileError) {
      bytes = try FileAccess.read(path, limit: maximumBytes).bytes
    } catch {
      throw ClusterError(.invalid, "the kubeconfig \(place) cannot be read: \(error.description)")
    }
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    do throws(NodeError) {
      return try KubeconfigReader(folder: folder, allowsInsecure: allowsInsecure).connection(bytes)
    } catch {
      let line = error.line > 0 ? ", line \(error.line)" : ""
      throw ClusterError(.invalid, "kubeconfig \(place)\(line): \(error.description.printable(limit: 400))")
    }
  }
}

/// Checks that need not understand a certificate: the HTTP client does that.
enum PEM {
  static let maximumBytes = 1 << 20

  static func holds(_ label: String, _ bytes: [UInt8]) -> Bool {
    String(decoding: bytes, as: UTF8.self).contains(label + "-----")
  }
}

private struct KubeconfigReader {
  /// What relative paths begin at, with its slash; empty for the working directory.
  let folder: String
  let allowsInsecure: Bool

  func connection(_ bytes: [UInt8]) throws(NodeError) -> Connection {
    let documents = try YAML.documents(bytes)
    guard documents.count == 1, let document = documents.first else {
      throw NodeError(line: 0, description: "holds \(documents.count) documents, expected one")
    }
    return try connection(NodeReader(document))
  }

  private func connection(_ root: NodeReader) throws(NodeError) -> Connection {
    guard try root.optionalString("kind") ?? "Config" == "Config", try root.optionalString("apiVersion") ?? "v1" == "v1"
    else {
      throw root.error("is no kubeconfig: its kind must be Config and its apiVersion v1")
    }
    guard let contextName = try root.optionalString("current-context"), !contextName.isEmpty else {
      throw root.error("has no current-context; set one with kubectl config use-context")
    }
    let context = try entry(contextName, in: "contexts", member: "context", of: root)
    guard let clusterName = try context.optionalString("cluster"), !clusterName.isEmpty else {
      throw context.error("names no cluster")
    }
    var connection = try cluster(try entry(clusterName, in: "clusters", member: "cluster", of: root))
    if let userName = try context.optionalString("user"), !userName.isEmpty {
      try addUser(try entry(userName, in: "users", member: "user", of: root), to: &connection)
    }
    return connection
  }

  /// The entry of this name; the first of several, as kubectl takes it, would hide a mistake, so several are refused.
  private func entry(
    _ name: String, in list: String, member: String, of root: NodeReader
  ) throws(NodeError) -> NodeReader {
    var found: NodeReader?
    var names: [String] = []
    for element in try root.optional(list)?.elements() ?? [] {
      let other = try element.optionalString("name") ?? ""
      names.append(other)
      guard other == name else { continue }
      if found != nil { throw element.error("has the name \"\(name)\", which another of the \(list) has too") }
      found = NodeReader(try element.optional(member)?.node ?? element.node, path: "\(member) \"\(name)\"")
      if try element.optional(member) == nil { throw element.error("lacks \(member)") }
    }
    guard let found else {
      let known = names.isEmpty ? "none" : names.prefix(8).joined(separator: ", ")
      throw root.error(
        "has no \(member) \"\(name.printable(limit: 64))\"; its \(list) are: \(known.printable(limit: 200))")
    }
    return found
  }

  // MARK: Cluster

  private func cluster(_ cluster: NodeReader) throws(NodeError) -> Connection {
    if try cluster.optionalString("tls-server-name")?.isEmpty == false {
      throw cluster.error("has tls-server-name, which is not supported; use a server name that its certificate holds")
    }
    if try cluster.optionalString("proxy-url")?.isEmpty == false {
      throw cluster.error("has proxy-url, which is not supported; set HTTPS_PROXY instead")
    }
    guard let server = try cluster.optionalString("server") else { throw cluster.error("lacks server") }
    var connection: Connection
    do throws(ClusterError) {
      connection = Connection(server: try ServerAddress(parsing: server, allowsPlainHTTP: allowsInsecure))
    } catch {
      throw cluster.error("is not right: \(error.description)")
    }
    let authorities = try material(
      cluster, "certificate-authority", label: "CERTIFICATE", what: "a certificate in PEM")
    if try cluster.optionalBool("insecure-skip-tls-verify") == true {
      guard allowsInsecure else {
        throw cluster.error(
          "has insecure-skip-tls-verify: true, so anybody could answer in place of the API server; give certificate-authority-data instead"
        )
      }
      guard authorities == nil else {
        throw cluster.error("has both insecure-skip-tls-verify: true and an authority; keep one")
      }
      connection.verifiesPeer = false
    }
    if let authorities { connection.authorities = .fixed(authorities) }
    return connection
  }

  // MARK: User

  private func addUser(_ user: NodeReader, to connection: inout Connection) throws(NodeError) {
    for (field, advice) in [
      ("exec", "credential plug-ins are not run; use a token or a client certificate"),
      ("auth-provider", "it is gone from Kubernetes; use a token or a client certificate"),
      ("username", "basic authentication is gone from Kubernetes; use a token or a client certificate"),
      ("password", "basic authentication is gone from Kubernetes; use a token or a client certificate"),
      ("as", "impersonation is not supported"), ("as-uid", "impersonation is not supported"),
      ("as-groups", "impersonation is not supported"), ("as-user-extra", "impersonation is not supported"),
    ] where try user.optional(field) != nil {
      throw user.error("has \(field), which is not supported: \(advice)")
    }
    let certificate = try material(
      user, "client-certificate", label: "CERTIFICATE", what: "a certificate in PEM")
    let key = try material(user, "client-key", label: "PRIVATE KEY", what: "a private key in PEM")
    guard (certificate == nil) == (key == nil) else {
      throw user.error(
        certificate == nil ? "has a client key without its certificate" : "has a client certificate without its key")
    }
    connection.clientCertificatePEM = certificate
    connection.clientKeyPEM = key
    do throws(ClusterError) {
      // As kubectl: the file goes before the text.
      if let file = try path(user, "tokenFile") {
        connection.token = .file(
          try ReloadingFile(path: file, purpose: "token file", limit: BearerToken.maximumBytes))
        _ = try connection.token.current()
      } else if let token = try text(user, "token") {
        connection.token = .fixed(try BearerToken.checked(token, from: user.path))
      }
    } catch {
      throw user.error("is not usable: \(error.description)")
    }
  }

  // MARK: Values

  private func path(_ reader: NodeReader, _ key: String) throws(ClusterError) -> String? {
    guard let path = try text(reader, key) else { return nil }
    return path.hasPrefix("/") ? path : folder + path
  }

  private func text(_ reader: NodeReader, _ key: String) throws(ClusterError) -> String? {
    do throws(NodeError) {
      guard let text = try reader.optionalString(key), !text.isEmpty else { return nil }
      return text
    } catch {
      throw ClusterError(.invalid, error.description)
    }
  }

  /// The bytes of `NAME-data` (base64), else of the file that `NAME` names; nil if neither is there.
  private func material(
    _ reader: NodeReader, _ name: String, label: String, what: String
  ) throws(NodeError) -> [UInt8]? {
    let bytes: [UInt8]
    if let data = try reader.optionalString(name + "-data"), !data.isEmpty {
      guard let decoded = Base64.decode(data) else { throw reader.error("has \(name)-data that is not base64") }
      bytes = decoded
    } else if let file = try reader.optionalString(name), !file.isEmpty {
      do throws(FileError) {
        bytes = try FileAccess.read(file.hasPrefix("/") ? file : folder + file, limit: PEM.maximumBytes).bytes
      } catch {
        throw reader.error("has \(name) \(file.printable(limit: 256)), which cannot be read: \(error.description)")
      }
    } else {
      return nil
    }
    guard PEM.holds(label, bytes) else { throw reader.error("has \(name) that is not \(what)") }
    return bytes
  }
}
