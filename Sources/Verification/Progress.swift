import Crypto
import Primitives

/// What a verification waits for: named in the answer when time runs out.
enum Step: Sendable, Hashable {
  case resolvingTag(String)
  case askingForImage
  case signatureManifest(tag: String)
  case payload(Digest)
  case referrersList
  case referrerManifest(Digest)
  case bundle(Digest)
  case logEntry

  /// A phrase that follows "while".
  var description: String {
    switch self {
    case .resolvingTag(let tag): "resolving the tag \(tag)"
    case .askingForImage: "asking for the image's manifest"
    case .signatureManifest(let tag): "fetching the signature manifest (tag \(tag))"
    case .payload(let digest): "fetching a signature's payload (\(digest.short))"
    case .referrersList: "listing the referrers"
    case .referrerManifest(let digest): "fetching a referrer's manifest (\(digest.short))"
    case .bundle(let digest): "fetching a bundle (\(digest.short))"
    case .logEntry: "asking the transparency log for a proof"
    }
  }
}

/// The steps that one piece of work is at just now: several, since places are asked side by side.
final class Progress: Sendable {
  private struct State {
    var steps: [(ticket: UInt64, step: Step)] = []
    var next: UInt64 = 0
    var judging: UInt64 = 0
  }

  private let state = Locked(State())
  /// Who watches; as a rule nobody.
  let observer: (any VerificationObserver)?

  init(observer: (any VerificationObserver)? = nil) { self.observer = observer }

  /// The time that checks of candidates took until now, all together.
  var judging: Duration { .nanoseconds(Int64(clamping: state.withLock { $0.judging })) }

  /// Adds the time since `start` to that of the checks.
  func judged(since start: Deadline) {
    let elapsed = Deadline.now.nanoseconds &- start.nanoseconds
    state.withLock { $0.judging &+= elapsed }
  }

  /// Runs `body` as this step.
  func during<Success: Sendable, Failure: Error>(
    _ step: Step, _ body: () async throws(Failure) -> Success
  ) async throws(Failure) -> Success {
    let ticket = state.withLock { state in
      state.next &+= 1
      state.steps.append((state.next, step))
      return state.next
    }
    defer { state.withLock { state in state.steps.removeAll { $0.ticket == ticket } } }
    guard let observer else { return try await body() }
    let start = Deadline.now
    func note(_ failure: Failure?) {
      observer.observe(
        .step(
          ObservedStep(
            name: step.description, time: ObservedTime(since: start),
            failure: failure.map { "\($0)".printable(limit: 600) })))
    }
    do {
      let result = try await body()
      note(nil)
      return result
    } catch {
      note(error)
      throw error
    }
  }

  /// What is going on, three steps at most: "listing the referrers and fetching …".
  var description: String {
    let steps = state.withLock { state in state.steps.map(\.step) }
    guard !steps.isEmpty else { return "judging signatures" }
    var phrases = steps.prefix(3).map(\.description)
    if steps.count > 3 { phrases.append("\(steps.count - 3) more") }
    guard let last = phrases.popLast() else { return "" }
    return phrases.isEmpty ? last : phrases.joined(separator: ", ") + " and " + last
  }
}

extension Digest {
  /// The algorithm and the first 12 digits, for messages.
  var short: String { algorithm.rawValue + ":" + hex.prefix(12) + "…" }
}
