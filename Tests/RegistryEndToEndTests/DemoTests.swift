import EndToEndSupport
import Testing

extension RegistryTests {
  @Test func `the demonstration gets every answer it expects, with the certificate of the quickstart`() async throws {
    let environment = try RegistryEnvironment.current()
    let certificate = environment.webhook.certificate
    let outcome = try await command(
      Tool.pinseal.path(),
      [
        "demo", "--tls-cert", certificate.chainFile, "--tls-key", certificate.keyFile, "--tls-ca",
        certificate.authorityFile,
      ]
    ).checked()
    #expect(outcome.output.contains("Every answer was the expected one."), "\(outcome)")
    #expect(
      outcome.output.contains("SIGNATURE_NOT_FOUND") && outcome.output.contains("\"op\":\"replace\""), "\(outcome)")
  }
}
