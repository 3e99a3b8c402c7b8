import Primitives

/// Which streams may begin: so many in all, and to one host one after the other until each is on a connection.
///
/// libcurl makes a stream wait only while it does not know whether a host's first connection will speak HTTP/2; once that
/// one is full, streams that begin together would make a connection each.
struct StreamLine {
  /// For how long the first stream of a new connection may keep the next ones waiting for its header, before which it is
  /// not known how many the server allows.
  static let patience = Duration.seconds(1)

  private(set) var waiting: [Transfer] = []
  /// Waiting or begun.
  private(set) var count = 0
  private var opening: [String: (id: UInt64, patience: Deadline?)] = [:]
  let limit: Int

  init(limit: Int) { self.limit = max(0, limit) }

  /// False if there are too many.
  mutating func join(_ transfer: Transfer) -> Bool {
    guard count < limit else { return false }
    count += 1
    waiting.append(transfer)
    return true
  }

  private func mayBegin(_ transfer: Transfer) -> Bool {
    // Without TLS each has a connection to itself.
    !transfer.url.isSecure || opening[transfer.url.authority] == nil
  }

  var hasNext: Bool { waiting.contains(where: mayBegin) }

  /// Takes out the first that may begin; it counts until it leaves.
  mutating func next() -> Transfer? {
    guard let index = waiting.firstIndex(where: mayBegin) else { return nil }
    let transfer = waiting.remove(at: index)
    if transfer.url.isSecure { opening[transfer.url.authority] = (transfer.id, nil) }
    return transfer
  }

  /// Makes room; the transfer had been taken out by `next`.
  mutating func leave(_ transfer: Transfer) {
    count -= 1
    settle(transfer)
  }

  /// Lets the next one to its host begin.
  private mutating func settle(_ transfer: Transfer) {
    if opening[transfer.url.authority]?.id == transfer.id { opening[transfer.url.authority] = nil }
  }

  /// Takes out one that waits, or nil if it does not.
  mutating func remove(_ id: UInt64) -> Transfer? {
    guard let index = waiting.firstIndex(where: { $0.id == id }) else { return nil }
    count -= 1
    return waiting.remove(at: index)
  }

  /// Looks at those that are being opened; `look` says where one stands. Gives the moment to look again.
  mutating func review(_ look: (UInt64) -> Transfer.Place?) -> Deadline? {
    var earliest: Deadline?
    for (authority, (id, patience)) in opening {
      guard let place = look(id), place != .settled, patience?.hasPassed != true else {
        opening[authority] = nil
        continue
      }
      guard place == .onNewConnection else { continue }
      let patience = patience ?? .after(Self.patience)
      opening[authority] = (id, patience)
      earliest = min(earliest ?? patience, patience)
    }
    return earliest
  }
}
