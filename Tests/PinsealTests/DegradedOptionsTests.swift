import ArgumentParser
import Kubernetes
import Logging
import Testing

@testable import pinseal

@Suite struct DegradedOptionsTests {
  private func reporter(_ arguments: [String]) throws -> Bool {
    let options = try DegradedOptions.parse(arguments)
    return try options.reporter(
      Settings(environment: [:]), cluster: FileCluster(yaml: ""), logger: Logger(label: "test")) != nil
  }

  @Test func `a cluster of files has no conditions`() throws {
    #expect(try !reporter([]))
    #expect(try !reporter(["--degraded-owner", "openbaoclusters.openbao.org"]))
    #expect(try !reporter(["--degraded-condition", "disabled"]))
  }

  @Test(arguments: [
    ["--degraded-condition", "no"], ["--degraded-owner", "openbaoclusters"], ["--degraded-owner", "*.openbao.org"],
    ["--degraded-condition", "disabled", "--degraded-owner", "a.b"],
    (0..<33).flatMap { ["--degraded-owner", "a\($0).b"] },
  ])
  func `what cannot be meant is refused`(arguments: [String]) {
    #expect(throws: ValidationError.self) { try reporter(arguments) }
  }
}
