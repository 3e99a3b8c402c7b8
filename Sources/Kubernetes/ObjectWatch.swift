import JSON

/// What a watch looks at: one collection, or one object of it.
struct WatchTarget: Sendable, Hashable {
  /// The collection's path, as `/api/v1/namespaces` or `/apis/apps/v1/namespaces/db/statefulsets`.
  let path: String
  /// A `metadata.name` to narrow the collection to one object; nil for all.
  let name: String?
  /// The kind of the objects, without `List`: `Namespace`.
  let kind: String
  /// Their apiVersion: `v1`.
  let apiVersion: String
  /// What RBAC must allow, for messages: `secrets in namespace db`.
  let permission: String
}

/// What a watch has seen.
enum WatchChange<Object: Sendable>: Sendable {
  /// The whole collection as it is now: what is not in it does not exist.
  case listed([Object])
  /// Added or changed.
  case stored(Object)
  /// No longer there; its last state.
  case deleted(Object)
}
