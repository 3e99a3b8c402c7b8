import EndToEndSupport
import Testing

extension RegistryTests {
  /// The private registries by name.
  enum PrivateRegistry: String, CaseIterable { case passwords, tokens }

  private func privateImage(_ which: PrivateRegistry, _ environment: RegistryEnvironment) async throws -> TestImage {
    let registry = which == .passwords ? environment.passwords : environment.tokens
    // Pushed through the open registry over the same storage; signed by cosign where it is private.
    let image = try await environment.docker.push("private/\(which)", content: "private \(which)").at(registry)
    try await environment.signing.sign(image, with: environment.key(.p256), by: .cosign2)
    return image
  }

  @Test(arguments: PrivateRegistry.allCases)
  func `a private image is refused without credentials and with wrong ones`(which: PrivateRegistry) async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await privateImage(which, environment)
    for namespace in ["private-anonymous", "private-wrong", "private-template"] {
      let answer = try await environment.webhook.review(Review(image.tagged, in: namespace))
      #expect(!answer.isAllowed, "\(namespace): \(answer)")
      #expect(answer.message.contains("REGISTRY_UNAUTHORIZED"), "\(namespace): \(answer)")
      #expect(!answer.body.contains("guessed") && !answer.body.contains("s3cret"), "\(namespace): \(answer)")
    }
  }

  @Test(arguments: PrivateRegistry.allCases, ["private-config", "private-legacy"])
  func `a private image is pinned with a Secret of the policy`(which: PrivateRegistry, namespace: String) async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await privateImage(which, environment)
    let answer = try await environment.webhook.review(Review(image.tagged, in: namespace))
    #expect(answer.image() == image.pinned, "\(answer)")
  }

  @Test(arguments: PrivateRegistry.allCases)
  func `a private image is pinned with a Secret of the Pod template`(which: PrivateRegistry) async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await privateImage(which, environment)
    var review = Review(image.tagged, in: "private-template")
    review.imagePullSecrets = ["template"]
    let answer = try await environment.webhook.review(review)
    #expect(answer.image() == image.pinned, "\(answer)")
    // The tag's digest is known by now; who may not read the image still does not learn it.
    let anonymous = try await environment.webhook.review(Review(image.tagged, in: "private-anonymous"))
    #expect(!anonymous.isAllowed && anonymous.message.contains("REGISTRY_UNAUTHORIZED"), "\(anonymous)")
    #expect(!anonymous.body.contains(image.digest), "\(anonymous)")
  }

  @Test func `a token is asked for with the login and used for the whole verification`() async throws {
    let environment = try RegistryEnvironment.current()
    let image = try await privateImage(.tokens, environment)
    let before = environment.tokenService.issued.granted
    let answer = try await environment.webhook.review(Review(image.tagged, in: "private-config"))
    #expect(answer.image() == image.pinned, "\(answer)")
    // Resolving, two stores and a payload are at least four requests; their token is one.
    #expect(environment.tokenService.issued.granted - before <= 1)
  }
}
