package import Testing

/// Gives the suite it is attached to an environment, in which all its tests run.
package struct EnvironmentTrait: SuiteTrait, TestScoping {
  /// What runs the tests: it calls them once, with the environment there.
  package typealias Provider = @Sendable (_ tests: @concurrent @Sendable () async throws -> Void) async throws -> Void

  private let provide: Provider

  package init(_ provide: @escaping Provider) { self.provide = provide }

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @concurrent @Sendable () async throws -> Void
  ) async throws {
    try await provide(function)
  }
}
