/// Which transfers may go: so many to one host, so many in all, otherwise in the order in which they came.
struct TransferLine {
  private(set) var waiting: [Transfer] = []
  private var underWay: [String: Int] = [:]
  private var count = 0
  private let perHost: Int
  private let inAll: Int

  init(perHost: Int, inAll: Int) {
    self.perHost = max(1, perHost)
    self.inAll = max(1, inAll)
  }

  /// Whether a transfer that waits may go.
  var hasNext: Bool { nextIndex != nil }

  private var nextIndex: Int? {
    guard count < inAll else { return nil }
    return waiting.firstIndex { (underWay[$0.url.authority] ?? 0) < perHost }
  }

  mutating func join(_ transfer: Transfer) { waiting.append(transfer) }

  /// Takes out the first that may go; it counts until it leaves.
  mutating func next() -> Transfer? {
    guard let index = nextIndex else { return nil }
    let transfer = waiting.remove(at: index)
    underWay[transfer.url.authority, default: 0] += 1
    count += 1
    return transfer
  }

  /// Makes room; the transfer had been taken out by `next`.
  mutating func leave(_ transfer: Transfer) {
    count -= 1
    let rest = (underWay[transfer.url.authority] ?? 1) - 1
    underWay[transfer.url.authority] = rest > 0 ? rest : nil
  }

  /// Takes out one that waits, or nil if it does not.
  mutating func remove(_ id: UInt64) -> Transfer? {
    guard let index = waiting.firstIndex(where: { $0.id == id }) else { return nil }
    return waiting.remove(at: index)
  }
}
