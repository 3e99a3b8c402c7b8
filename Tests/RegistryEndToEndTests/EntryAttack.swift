import EndToEndSupport

/// What somebody without the keys can make of the log entries in a bundle.
struct EntryAttack {
  /// The bundle's own entry, that of another image in the same log, and that of another image in another trusted log.
  struct Material {
    let entry: [String: Any]
    let other: [String: Any]
    let elsewhere: [String: Any]
  }

  let name: String
  /// How it is refused; nil for what is none.
  let code: String?
  /// What the refusal says is wrong.
  let says: String
  let entries: (Material) -> [[String: Any]]

  private init(
    _ name: String, _ says: String, code: String? = "LOG_PROOF_INVALID",
    _ entries: @escaping (Material) -> [[String: Any]]
  ) {
    (self.name, self.code, self.says, self.entries) = (name, code, says, entries)
  }

  /// The entry with members set as they are in the other's, or to other values. A path has dots.
  private static func changed(
    _ name: String, _ says: String, _ path: String..., to value: @escaping (Material, String) -> Any?
  ) -> EntryAttack {
    EntryAttack(name, says) { material in
      [
        path.reduce(material.entry) { entry, path in
          set(entry, path.split(separator: ".")[...], to: value(material, path))
        }
      ]
    }
  }

  private static func set(_ object: [String: Any], _ path: ArraySlice<Substring>, to value: Any?) -> [String: Any] {
    guard let first = path.first.map(String.init) else { return object }
    var changed = object
    changed[first] =
      path.count == 1
      ? value : set(object[first] as? [String: Any] ?? [:], path.dropFirst(), to: value)
    return changed
  }

  private static func get(_ object: [String: Any], _ path: String) -> Any? {
    path.split(separator: ".").reduce(object as Any?) { ($0 as? [String: Any])?[String($1)] }
  }

  private static func others(_ material: Material, _ path: String) -> Any? { get(material.other, path) }
  private static func nothing(_ material: Material, _ path: String) -> Any? { nil }
  private static func oneMore(_ material: Material, _ path: String) -> Any? {
    (get(material.entry, path) as? String).flatMap { Int($0) }.map { String($0 + 1) }
  }

  /// All that there are against entries of Rekor v1 or v2.
  static func all(_ version: Int) -> [EntryAttack] {
    let both = [
      EntryAttack("the same entry, written anew", "", code: nil) { [$0.entry] },
      EntryAttack("no entry", "ignore-tlog", code: "LOG_PROOF_MISSING") { _ in [] },
      EntryAttack("the entry twice", "one log entry twice") { [$0.entry, $0.entry] },
      changed("no inclusion proof", "has no inclusion proof", "inclusionProof", to: nothing),
      changed("no checkpoint", "has no checkpoint", "inclusionProof.checkpoint", to: nothing),
      changed(
        "a log that nobody knows", "is not trusted", "logId.keyId",
        to: { _, _ in String(repeating: "A", count: 43) + "=" }),
      changed("the other image's checkpoint", "its checkpoint of one of", "inclusionProof.checkpoint", to: others),
      changed(
        "the other image's whole proof", "does not lead to the root", "logIndex", "inclusionProof", to: others),
      changed("a larger tree", "its checkpoint of one of", "inclusionProof.treeSize", to: oneMore),
      changed("another root", "for another root than its checkpoint's", "inclusionProof.rootHash", to: others),
      changed("no path", "does not lead to the root", "inclusionProof.hashes", to: nothing),
    ]
    return both + (version == 1 ? rekor1 : rekor2)
  }

  private static var rekor1: [EntryAttack] {
    [
      EntryAttack("the other image's entry", "hash of the envelope's payload is another one") { [$0.other] },
      EntryAttack("the other image's entry beside it", "hash of the envelope's payload is another one") {
        [$0.entry, $0.other]
      },
      EntryAttack("another log's entry", "has no") { [$0.elsewhere] },
      changed(
        "under another log's name", "is not signed", "logId", to: { get($0.elsewhere, $1) }),
      changed(
        "the other image's timestamp", "entry timestamp does not verify", "inclusionPromise", to: others),
      changed("another time", "entry timestamp does not verify", "integratedTime", to: oneMore),
      changed("no time", "entry timestamp without integratedTime", "integratedTime", to: nothing),
      changed("another place", "entry timestamp does not verify", "logIndex", to: oneMore),
      changed("another place in the tree", "does not lead to the root", "inclusionProof.logIndex", to: oneMore),
      changed("the other image's body", "entry timestamp does not verify", "canonicalizedBody", to: others),
      changed(
        "the other image's body without a timestamp", "does not lead to the root", "canonicalizedBody",
        "inclusionPromise", to: { $1 == "inclusionPromise" ? nil : get($0.other, $1) }),
      changed(
        "called another kind", "its log entry is called", "kindVersion.kind", to: { _, _ in "hashedrekord" }),
    ]
  }

  private static var rekor2: [EntryAttack] {
    [
      EntryAttack("the other image's entry", "is not the one of this signature") { [$0.other] },
      EntryAttack("the other image's entry beside it", "is not the one of this signature") { [$0.entry, $0.other] },
      EntryAttack("another log's entry", "another") { [$0.elsewhere] },
      changed("under another log's name", "checkpoint", "logId", to: { get($0.elsewhere, $1) }),
      changed("a time", "of Rekor v2, but has", "integratedTime", to: { _, _ in "1767225600" }),
      changed(
        "the other log's timestamp", "of Rekor v2, but has", "inclusionPromise", to: { get($0.elsewhere, $1) }),
      changed("another place", "in the inclusion proof", "logIndex", to: oneMore),
      changed(
        "another place in the tree", "does not lead to the root", "logIndex", "inclusionProof.logIndex", to: oneMore),
      changed("the other image's body", "is not the one of this signature", "canonicalizedBody", to: others),
      changed("called another kind", "of Rekor v2 only", "kindVersion.kind", to: { _, _ in "dsse" }),
    ]
  }
}
