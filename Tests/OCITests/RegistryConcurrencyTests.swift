import Crypto
import HTTPClient
import Primitives
import Testing

@testable import OCI

/// Lets a test hold requests back and let them go.
private final class Barrier: Sendable {
  private let waiting = Locked<[OneShot<Void>]>([])
  private let isOpen = Locked(false)
  let cancelled = Locked(0)

  /// Throws as the client does if the task is cancelled meanwhile.
  func pass() async throws(HTTPClientError) {
    let place = OneShot<Void>()
    if isOpen.withLock({ $0 }) { return }
    waiting.withLock { $0.append(place) }
    if case .value = await place.wait(until: .after(.seconds(60))) { return }
    cancelled.withLock { $0 += 1 }
    throw HTTPClientError(code: .cancelled, description: "cancelled")
  }

  var count: Int { waiting.withLock { $0.count } }

  func open() {
    isOpen.withLock { $0 = true }
    for place in waiting.withLock({ $0 }) { place.settle(.value(())) }
  }
}

/// Waits, by yielding, for what another task brings about.
private func until(_ condition: () -> Bool) async {
  while !condition(), !Task.isCancelled { await Task.yield() }
}

@Suite(.timeLimit(.minutes(5))) struct RegistrySingleFlightTests {
  private let image: ImageReference

  init() throws { image = try reference("ghcr.io/a:1") }

  private func network(_ barrier: Barrier) -> FakeNetwork {
    FakeNetwork { (request) throws(HTTPClientError) in
      try await barrier.pass()
      return HTTPResponse(status: 200, headers: [("Docker-Content-Digest", imageDigest.description)])
    }
  }

  private func key(_ scope: String = "") -> RegistryClient.LookUp {
    RegistryClient.LookUp(registry: "ghcr.io", repository: "a", address: .tag("1"), scope: scope)
  }

  @Test func `identical look-ups under way are one`() async throws {
    let barrier = Barrier()
    let network = network(barrier)
    let client = client(network)
    let image = image
    let tasks = (0..<10).map { _ in
      Task { try await client.resolve(image, credentials: anonymous, deadline: soon) }
    }
    await until { client.lookUps.waiterCount(key()) == 10 }
    barrier.open()
    for task in tasks { #expect(try await task.value == imageDigest) }
    #expect(network.requests.count == 1)
    #expect(try await client.resolve(image, credentials: anonymous, deadline: soon) == imageDigest)
    #expect(network.requests.count == 2)
  }

  @Test func `look-ups of two scopes are two, and so are those of two tags`() async throws {
    let barrier = Barrier()
    let network = network(barrier)
    let client = client(network)
    let image = image
    let other = try reference("ghcr.io/a:2")
    let tasks = [("ns-1", image), ("ns-2", image), ("ns-1", other)].map { scope, image in
      Task { try await client.resolve(image, credentials: FakeCredentials(scope: scope), deadline: soon) }
    }
    await until { barrier.count == 3 }
    barrier.open()
    for task in tasks { #expect(try await task.value == imageDigest) }
    #expect(network.requests.count == 3)
  }

  @Test func `whoever joined goes on when the first is cancelled`() async throws {
    let barrier = Barrier()
    let network = network(barrier)
    let client = client(network)
    let image = image
    let first = Task {
      await registryError { _ = try await client.resolve(image, credentials: anonymous, deadline: soon) }
    }
    await until { barrier.count == 1 }
    let second = Task { try await client.resolve(image, credentials: anonymous, deadline: soon) }
    await until { client.lookUps.waiterCount(key()) == 2 }
    first.cancel()
    #expect(await first.value?.code == .deadlineExceeded)
    barrier.open()
    #expect(try await second.value == imageDigest)
    #expect(network.requests.count == 1)
  }

  @Test func `each caller keeps its own deadline`() async throws {
    let barrier = Barrier()
    let client = client(network(barrier))
    let image = image
    let patient = Task { try await client.resolve(image, credentials: anonymous, deadline: soon) }
    await until { barrier.count == 1 }
    let error = await registryError {
      _ = try await client.resolve(image, credentials: anonymous, deadline: .after(.milliseconds(20)))
    }
    #expect(error?.code == .deadlineExceeded)
    #expect(error?.description == "ghcr.io/a: time ran out while asking for tag 1")
    barrier.open()
    #expect(try await patient.value == imageDigest)
  }

  @Test func `a short deadline of the first is not that of those who join`() async throws {
    let barrier = Barrier()
    let client = client(network(barrier))
    let image = image
    let first = Task {
      await registryError {
        _ = try await client.resolve(image, credentials: anonymous, deadline: .after(.milliseconds(200)))
      }
    }
    await until { barrier.count == 1 }
    let second = Task { try await client.resolve(image, credentials: anonymous, deadline: soon) }
    #expect(await first.value?.code == .deadlineExceeded)
    barrier.open()
    #expect(try await second.value == imageDigest)
  }

  @Test func `work that nobody waits for is given up`() async throws {
    let barrier = Barrier()
    let client = client(network(barrier))
    let image = image
    let only = Task {
      await registryError { _ = try await client.resolve(image, credentials: anonymous, deadline: soon) }
    }
    await until { barrier.count == 1 }
    only.cancel()
    #expect(await only.value?.code == .deadlineExceeded)
    await until { barrier.cancelled.withLock { $0 } == 1 }
    #expect(client.lookUps.waiterCount(key()) == 0)
  }

  @Test func `failures are shared as well, and not kept`() async throws {
    let network = FakeNetwork([
      "HEAD https://ghcr.io/v2/a/manifests/1": [
        HTTPResponse(status: 503),
        HTTPResponse(status: 200, headers: [("Docker-Content-Digest", imageDigest.description)]),
      ]
    ])
    let client = client(network)
    let error = await registryError { _ = try await client.resolve(image, credentials: anonymous, deadline: soon) }
    #expect(error?.code == .registryUnavailable)
    #expect(try await client.resolve(image, credentials: anonymous, deadline: soon) == imageDigest)
  }

  @Test func `one token is got for many requests at once`() async throws {
    let barrier = Barrier()
    let network = FakeNetwork { (request) throws(HTTPClientError) in
      if request.url.hasPrefix("https://auth.example") {
        try await barrier.pass()
        return .text(200, #"{"token":"abc"}"#)
      }
      return request.authorization == nil ? .challenge(#"Bearer realm="https://auth.example/""#) : .manifest(imageBytes)
    }
    let client = client(network)
    let image = image
    let tasks = (0..<5).map { number in
      Task { try await client.manifest(image, at: .tag("t\(number)"), credentials: anonymous, deadline: soon) }
    }
    let key = RegistryAuthorization.Key(
      try RepositoryEndpoint(image, insecureRegistries: []), scope: anonymous.scope)
    await until { client.authenticator.flights.waiterCount(key) == 5 && barrier.count == 1 }
    barrier.open()
    for task in tasks { #expect(try await task.value?.digest == imageDigest) }
    #expect(network.lines.filter { $0.contains("auth.example") }.count == 1)
  }
}

@Suite(.timeLimit(.minutes(5))) struct RegistryGateTests {
  @Test func `no more requests than allowed are under way to one host`() async throws {
    let barrier = Barrier()
    let most = Locked((now: 0, most: 0))
    let network = FakeNetwork { (request) throws(HTTPClientError) in
      most.withLock { count in
        count.now += 1
        count.most = max(count.most, count.now)
      }
      defer { most.withLock { $0.now -= 1 } }
      try await barrier.pass()
      return .manifest(imageBytes)
    }
    let client = client(network) { $0.concurrentRequestsPerRegistry = 2 }
    let image = try reference("ghcr.io/a")
    let tasks = (0..<8).map { number in
      Task { try await client.manifest(image, at: .tag("t\(number)"), credentials: anonymous, deadline: soon) }
    }
    await until { client.exchanger.gate.waiterCount("ghcr.io") == 6 }
    let other = try reference("quay.io/a")
    let elsewhere = Task { try await client.manifest(other, at: .tag("x"), credentials: anonymous, deadline: soon) }
    await until { barrier.count == 3 }
    barrier.open()
    for task in tasks { #expect(try await task.value != nil) }
    #expect(try await elsewhere.value != nil)
    #expect(most.withLock { $0.most } == 3)
  }

  @Test func `places are given in the order of asking`() async throws {
    let gate = RequestGate(limit: 1)
    try await gate.enter("h", deadline: soon)
    let order = Locked<[Int]>([])
    var tasks: [Task<Void, any Error>] = []
    for number in 0..<5 {
      tasks.append(
        Task {
          try await gate.enter("h", deadline: soon)
          order.withLock { $0.append(number) }
          gate.leave("h")
        })
      await until { gate.waiterCount("h") == number + 1 }
    }
    gate.leave("h")
    for task in tasks { try await task.value }
    #expect(order.withLock { $0 } == [0, 1, 2, 3, 4])
  }

  @Test func `whoever waits too long, or is cancelled, leaves no gap`() async throws {
    let gate = RequestGate(limit: 1)
    try await gate.enter("h", deadline: soon)
    let late = await registryError { try await gate.enter("h", deadline: .after(.milliseconds(20))) }
    #expect(late?.code == .deadlineExceeded)
    let cancelled = Task { await registryError { try await gate.enter("h", deadline: soon) } }
    await until { gate.waiterCount("h") == 1 }
    cancelled.cancel()
    #expect(await cancelled.value?.code == .deadlineExceeded)
    #expect(gate.waiterCount("h") == 0)
    gate.leave("h")
    try await gate.enter("h", deadline: soon)
    gate.leave("h")
  }

  @Test func `a place is given back after a failure`() async throws {
    let network = FakeNetwork { (request) throws(HTTPClientError) in
      throw HTTPClientError(code: .cannotConnect, description: "no")
    }
    let client = client(network) { $0.concurrentRequestsPerRegistry = 1 }
    let image = try reference("ghcr.io/a")
    for _ in 0..<3 {
      let error = await registryError {
        _ = try await client.manifest(image, at: .tag("x"), credentials: anonymous, deadline: soon)
      }
      #expect(error?.code == .registryUnavailable)
    }
  }
}
