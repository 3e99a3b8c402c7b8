import EndToEndSupport
import Foundation

/// Clients that change StatefulSets all the time, with signed and unsigned images in turn.
struct Load: Sendable {
  /// What became of their attempts.
  struct Result: Sendable {
    /// Attempts that ended as they had to.
    var right = 0
    /// What was wrong with the others.
    var wrong: [String] = []
  }

  /// What is expected of admissions.
  enum Expectation: Sendable {
    /// Signed images are pinned, unsigned ones refused.
    case verified
    /// No admission fails, whether Pinseal still judges it or does so no more.
    case admitted
    /// Nothing, for a while.
    case anything
  }

  private let result = Guarded(Result())
  private let expectation: Guarded<Expectation>
  private let environment: ClusterEnvironment
  private let namespace: String

  /// How many attempts there were so far.
  var count: Int { result.with { $0.right + $0.wrong.count } }

  /// Waits for so many more attempts.
  func more(_ attempts: Int) async throws {
    let goal = count + attempts
    try await eventually("\(attempts) more admissions") { count >= goal }
  }

  /// From now on this is expected; attempts under way may still end the other way.
  func expect(_ new: Expectation) { expectation.with { $0 = new } }

  /// Runs `body` while `clients` change one StatefulSet each in `namespace`.
  static func with(
    clients: Int = 2, in namespace: String, _ environment: ClusterEnvironment, perform body: (Load) async throws -> Void
  ) async throws -> Result {
    let load = Load(environment: environment, namespace: namespace)
    for client in 0..<clients {
      try await environment.cluster.apply(
        Objects.statefulSet("load\(client)", in: namespace, image: environment.signed.tagged, replicas: 0))
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for client in 0..<clients {
        group.addTask {
          while !Task.isCancelled { try await load.round("load\(client)") }
        }
      }
      defer { group.cancelAll() }
      try await body(load)
    }
    return load.result.with { $0 }
  }

  private init(environment: ClusterEnvironment, namespace: String) {
    self.environment = environment
    self.namespace = namespace
    expectation = Guarded(.verified)
  }

  private func round(_ name: String) async throws {
    for image in [environment.signedToo, environment.unsigned, environment.signed] {
      let before = expectation.with { $0 }
      let answer: HTTPAnswer
      do {
        answer = try await environment.cluster.setImage(image.tagged, of: name, in: namespace)
      } catch {
        if Task.isCancelled { return }
        throw error
      }
      let after = expectation.with { $0 }
      let problem = problem(
        with: answer, image, before == after ? after : before == .anything || after == .anything ? .anything : .admitted
      )
      result.with { result in
        if let problem { result.wrong.append(problem) } else { result.right += 1 }
      }
    }
  }

  private func problem(with answer: HTTPAnswer, _ image: TestImage, _ expectation: Expectation) -> String? {
    let isPinned = answer.status == 200 && answer.body.contains(image.pinned)
    let isRefused = answer.status >= 400 && answer.body.contains("SIGNATURE_NOT_FOUND")
    let isRight =
      switch (expectation, image.tagged == environment.unsigned.tagged) {
      case (.anything, _): true
      case (.verified, true): isRefused
      case (.verified, false): isPinned
      case (.admitted, true): isRefused || answer.status == 200
      case (.admitted, false): answer.status == 200
      }
    return isRight ? nil : "\(Date()): \(image.tagged) got \(answer.status): \(answer.body.prefix(600))"
  }
}

extension TestCluster {
  /// Sets the image of a StatefulSet's container `db` by the API alone.
  func setImage(_ image: String, of name: String, in namespace: String) async throws -> HTTPAnswer {
    try await api(
      "PATCH", "/apis/apps/v1/namespaces/\(namespace)/statefulsets/\(name)",
      body: #"{"spec":{"template":{"spec":{"containers":[{"name":"db","image":"\#(image)"}]}}}}"#,
      type: "application/strategic-merge-patch+json")
  }
}
