import ArgumentParser
import Testing

@testable import pinseal

@Suite struct SettingsTests {
  private let settings = Settings(
    environment: ["PINSEAL_LISTEN": "env:1", "PINSEAL_INSECURE_REGISTRY": "a:1, b:2", "PINSEAL_MAX_STREAMS": "7"],
    file: ["listen": ["file:1"], "ops-listen": ["file:2"], "insecure-registry": ["c:3"]])

  @Test func `a flag goes before the environment, the environment before the file`() {
    #expect(settings.value("listen", flag: "flag:1") == "flag:1")
    #expect(settings.value("listen", flag: nil) == "env:1")
    #expect(settings.value("ops-listen", flag: nil) == "file:2")
    #expect(settings.value("tls-cert", flag: nil) == nil)
    #expect(settings.values("insecure-registry", flags: ["x:1"]) == ["x:1"])
    #expect(settings.values("insecure-registry", flags: []) == ["a:1", "b:2"])
  }

  @Test func `an insecure registry is named as images name it`() throws {
    #expect(try settings.registries("insecure-registry", flags: []) == ["a:1", "b:2"])
    let names = ["registry.example", "registry.example:5000", "localhost", "127.0.0.1:80", "[::1]:5000", "docker.io"]
    #expect(try settings.registries("insecure-registry", flags: names) == Set(names))
    for name in ["", "registry", "http://registry.example", "registry.example/app", "a:1,b:2", "a:x", " a:1"] {
      #expect(throws: ValidationError.self, "\(name)") { try settings.registries("insecure-registry", flags: [name]) }
    }
  }

  @Test func `what must be there and is not is named with every way to give it`() {
    #expect(throws: ValidationError.self) { try settings.required("tls-cert", flag: nil) }
  }

  @Test(arguments: [("10s", Duration.seconds(10)), ("500ms", .milliseconds(500)), ("3600s", .seconds(3600))])
  func `a time is read`(text: String, expected: Duration) throws {
    #expect(try settings.duration("x", flag: text, default: .zero) == expected)
  }

  @Test(arguments: ["10", "s", "", "0s", "-1s", "3601s", "1h", "10 s", "99999999999999999999s", "١s"])
  func `a time that is none is refused`(text: String) {
    #expect(throws: ValidationError.self) { try settings.duration("x", flag: text, default: .zero) }
  }

  @Test func `a number outside its range is refused`() throws {
    #expect(try settings.integer("max-streams", flag: nil, default: 1, in: 1...10) == 7)
    #expect(throws: ValidationError.self) { try settings.integer("max-streams", flag: nil, default: 1, in: 8...10) }
    #expect(throws: ValidationError.self) { try settings.integer("x", flag: "1e3", default: 1, in: 1...10) }
  }

  @Test func `the configuration file gives single values and lists`() throws {
    let text = #"{"listen": "a:1", "insecure-registry": ["b:1", "c:2"], "max-streams": 9}"#
    let file = try Settings.parse(Array(text.utf8), path: "f", known: ["listen", "insecure-registry", "max-streams"])
    #expect(file == ["listen": ["a:1"], "insecure-registry": ["b:1", "c:2"], "max-streams": ["9"]])
  }

  @Test(arguments: [#"{"lissten": "a:1"}"#, "[]", "{", #"{"listen": {"a": 1}}"#, #"{"listen": "a", "listen": "b"}"#])
  func `a configuration file that is wrong is refused, misspelt options included`(text: String) {
    #expect(throws: ValidationError.self) { try Settings.parse(Array(text.utf8), path: "f", known: ["listen"]) }
  }

  @Test func `a flag is set on the command line or by true, and nothing but false leaves it unset`() throws {
    func settings(_ value: String?) -> Settings {
      Settings(environment: value.map { ["PINSEAL_REKOR_LOOKUP": $0] } ?? [:])
    }
    #expect(try settings(nil).isSet("rekor-lookup", flag: true))
    #expect(try settings("true").isSet("rekor-lookup", flag: false))
    #expect(try !settings("false").isSet("rekor-lookup", flag: false))
    #expect(try !settings(nil).isSet("rekor-lookup", flag: false))
    for value in ["yes", "1", "", "TRUE"] {
      #expect(throws: ValidationError.self) { try settings(value).isSet("rekor-lookup", flag: false) }
    }
  }
}
