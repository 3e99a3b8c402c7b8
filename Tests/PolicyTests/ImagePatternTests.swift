import Policy
import Testing

@Suite struct ImagePatternTests {
  struct Case: CustomTestStringConvertible {
    let pattern: String
    let name: String
    var tag: String?
    var digest: String?
    let isMatch: Bool
    var testDescription: String {
      "\(pattern) \(isMatch ? "matches" : "does not match") \(name)\(tag.map { ":" + $0 } ?? "")\(digest == nil ? "" : "@…")"
    }
  }

  static let sha = "sha256:" + String(repeating: "a", count: 64)
  static let otherSHA = "sha256:" + String(repeating: "b", count: 64)
  static let hub = "docker.io/library/nginx"

  static let cases: [Case] = [
    // Docker's defaults.
    Case(pattern: "nginx", name: hub, isMatch: true),
    Case(pattern: "library/nginx", name: hub, isMatch: true),
    Case(pattern: "docker.io/nginx", name: hub, isMatch: true),
    Case(pattern: "index.docker.io/nginx", name: hub, isMatch: true),
    Case(pattern: "docker.io/library/nginx", name: hub, isMatch: true),
    Case(pattern: "nginx", name: "docker.io/org/nginx", isMatch: false),
    Case(pattern: "nginx", name: "ghcr.io/nginx", isMatch: false),
    Case(pattern: "nginx", name: "nginx.evil.example/library/nginx", isMatch: false),
    Case(pattern: "org/app", name: "docker.io/org/app", isMatch: true),
    Case(pattern: "localhost/app", name: "localhost/app", isMatch: true),
    Case(pattern: "localhost/app", name: "docker.io/localhost/app", isMatch: false),
    Case(pattern: "localhost:5000/app", name: "localhost:5000/app", isMatch: true),
    Case(pattern: "[::1]:5000/app", name: "[::1]:5000/app", isMatch: true),
    Case(pattern: "registry.example:5000/a/b", name: "registry.example:5000/a/b", isMatch: true),
    Case(pattern: "registry.example/a/b", name: "registry.example:5000/a/b", isMatch: false),
    // Anchored at both ends.
    Case(pattern: "nginx", name: "docker.io/library/nginx-evil", isMatch: false),
    Case(pattern: "nginx", name: "docker.io/library/evil-nginx", isMatch: false),
    Case(pattern: "ghcr.io/org/app", name: "ghcr.io/org/app/sub", isMatch: false),
    Case(pattern: "ghcr.io/org/app", name: "evil.example/ghcr.io/org/app", isMatch: false),
    // One component.
    Case(pattern: "ghcr.io/org/*", name: "ghcr.io/org/app", isMatch: true),
    Case(pattern: "ghcr.io/org/*", name: "ghcr.io/org/app/sub", isMatch: false),
    Case(pattern: "ghcr.io/org/*", name: "ghcr.io/org-evil/app", isMatch: false),
    Case(pattern: "ghcr.io/org*", name: "ghcr.io/org/app", isMatch: false),
    Case(pattern: "ghcr.io/*/app", name: "ghcr.io/a/app", isMatch: true),
    Case(pattern: "ghcr.io/*/app", name: "ghcr.io/a/b/app", isMatch: false),
    Case(pattern: "ghcr.io/org/app-*-debug", name: "ghcr.io/org/app-1-debug", isMatch: true),
    Case(pattern: "ghcr.io/org/app-*-debug", name: "ghcr.io/org/app-debug", isMatch: false),
    Case(pattern: "ghcr.io/org/*a*b", name: "ghcr.io/org/xaxbxab", isMatch: true),
    Case(pattern: "ghcr.io/org/*a*b", name: "ghcr.io/org/xbxa", isMatch: false),
    Case(pattern: "ghcr.io/org/a*a", name: "ghcr.io/org/a", isMatch: false),
    Case(pattern: "ghcr.io/org/app*", name: "ghcr.io/org/app", isMatch: true),
    Case(pattern: "nginx*", name: "docker.io/library/nginx-unprivileged", isMatch: true),
    Case(pattern: "docker.io/*", name: hub, isMatch: true),
    Case(pattern: "docker.io/*", name: "docker.io/org/app", isMatch: false),
    Case(pattern: "org*/app", name: "docker.io/org1/app", isMatch: true),
    Case(pattern: "org*/app", name: "org1.example/app", isMatch: false),
    // Across components.
    Case(pattern: "ghcr.io/org/**", name: "ghcr.io/org/app", isMatch: true),
    Case(pattern: "ghcr.io/org/**", name: "ghcr.io/org/app/sub/sub", isMatch: true),
    Case(pattern: "ghcr.io/org/**", name: "ghcr.io/org", isMatch: false),
    Case(pattern: "ghcr.io/org/**", name: "ghcr.io/org-evil/app", isMatch: false),
    Case(pattern: "ghcr.io/**/base", name: "ghcr.io/a/base", isMatch: true),
    Case(pattern: "ghcr.io/**/base", name: "ghcr.io/a/b/base", isMatch: true),
    Case(pattern: "ghcr.io/**/base", name: "ghcr.io/base", isMatch: false),
    Case(pattern: "ghcr.io/a/**/a", name: "ghcr.io/a/a", isMatch: false),
    Case(pattern: "docker.io/**", name: "docker.io/org/app", isMatch: true),
    Case(pattern: "docker.io/**", name: "ghcr.io/org/app", isMatch: false),
    Case(pattern: "library/**", name: hub, isMatch: true),
    // Registries.
    Case(pattern: "*.pkg.example/**", name: "eu.pkg.example/p/app", isMatch: true),
    Case(pattern: "*.pkg.example/**", name: "pkg.example/p/app", isMatch: false),
    Case(pattern: "*.pkg.example/**", name: "pkg.example.evil.example/p/app", isMatch: false),
    Case(pattern: "*.pkg.example/**", name: "eu.pkg.example:5000/p/app", isMatch: false),
    Case(pattern: "*.pkg.example:5000/**", name: "eu.pkg.example:5000/p/app", isMatch: true),
    // Tags.
    Case(pattern: "nginx:1.27", name: hub, tag: "1.27", isMatch: true),
    Case(pattern: "nginx:1.27", name: hub, tag: "1.27.1", isMatch: false),
    Case(pattern: "nginx:1.*", name: hub, tag: "1.27.1", isMatch: true),
    Case(pattern: "nginx:1.27", name: hub, isMatch: false),
    Case(pattern: "nginx:latest", name: hub, isMatch: true),
    Case(pattern: "nginx", name: hub, tag: "1.27", isMatch: true),
    Case(pattern: "localhost:5000/app:v1", name: "localhost:5000/app", tag: "v1", isMatch: true),
    // With a digest the tag decides nothing, so it exempts nothing.
    Case(pattern: "nginx:1.27", name: hub, tag: "1.27", digest: sha, isMatch: false),
    Case(pattern: "nginx:latest", name: hub, digest: sha, isMatch: false),
    Case(pattern: "nginx:*", name: hub, tag: "1.27", digest: sha, isMatch: false),
    Case(pattern: "nginx", name: hub, tag: "1.27", digest: sha, isMatch: true),
    // Digests.
    Case(pattern: "nginx@" + sha, name: hub, digest: sha, isMatch: true),
    Case(pattern: "nginx@" + sha, name: hub, tag: "1.27", digest: sha, isMatch: true),
    Case(pattern: "nginx@" + sha, name: hub, digest: otherSHA, isMatch: false),
    Case(pattern: "nginx@" + sha, name: hub, tag: "1.27", isMatch: false),
    Case(pattern: "nginx:1.27@" + sha, name: hub, tag: "1.27", digest: sha, isMatch: true),
    Case(pattern: "nginx:1.27@" + sha, name: hub, tag: "1.28", digest: sha, isMatch: false),
    Case(pattern: "nginx:latest@" + sha, name: hub, digest: sha, isMatch: false),
  ]

  @Test(arguments: cases)
  func `patterns match what they say`(testCase: Case) throws {
    let pattern = try ImagePattern(parsing: testCase.pattern)
    #expect(pattern.text == testCase.pattern)
    #expect(pattern.matches(name: testCase.name, tag: testCase.tag, digest: testCase.digest) == testCase.isMatch)
  }

  @Test(arguments: [
    ("", "is empty"),
    ("*", "exempt everything"), ("**", "exempt everything"), ("***", "exempt everything"),
    ("*:latest", "exempt everything"),
    ("*@" + sha, "exempt everything"),
    ("*/nginx", "in place of the registry"), ("**/nginx", "in place of the registry"),
    ("*/**", "in place of the registry"),
    ("**/**", "in place of the registry"),
    ("*.io/**", "nearly any registry"), ("*.*/**", "nearly any registry"), ("*.*.io/**", "wildcard in its registry"),
    ("ghcr*.io/**", "wildcard in its registry"), ("g.*.io/a", "wildcard in its registry"),
    ("ghcr.io/**/a/**", "more than once"), ("ghcr.io/org/app**", "stands for whole components"),
    ("nginx**", "stands for whole components"),
    ("ghcr.io/", "empty component"), ("/nginx", "empty component"), ("a//b", "empty component"),
    ("https://ghcr.io/org/app", "scheme"), ("ghcr.io/Org/app", "upper-case"), ("Nginx", "upper-case"),
    ("nginx?", "the wildcards are * and **"), ("ngin[xy]", "the wildcards are * and **"),
    ("a{b,c}", "the wildcards are"),
    ("^nginx$", "the wildcards are"), ("nginx redis", "white space"), ("nginx\t", "white space"),
    ("ngіnx", "characters"),
    ("nginx:", "without a tag"), ("nginx:a:b", "has a tag that no image has"), ("nginx:**", "** in its tag"),
    ("nginx:-a", "has a tag"), ("nginx@", "has a digest"), ("nginx@sha256:*", "has a digest"),
    ("nginx@sha256:" + String(repeating: "A", count: 64), "has a digest"), ("nginx@md5:aa", "has a digest"),
    ("[::1/app", "in brackets"), ("[abc]/app", "the wildcards are"), ("[abc:x_]/app", "in brackets"),
    ("[::1]x/app", "port"), ("host:/app", "port"),
    ("host:1x/app", "port"), ("host:123456/app", "port"), ("-a.b/app", "no host name"), ("a..b/app", "no host name"),
    (":latest", "lacks the name"), ("@" + sha, "lacks the name"),
    (String(repeating: "a", count: 513), "513 bytes"),
  ])
  func `what is no pattern is refused with the reason`(pattern: String, says: String) {
    let error = #expect(throws: PolicyError.self) { try ImagePattern(parsing: pattern) }
    #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
    #expect(error?.description.hasPrefix("the pattern \"") == true)
  }

  @Test func `contrived patterns do not take exponential time`() throws {
    let name = "ghcr.io/" + String(repeating: "a", count: 240)
    let pattern = try ImagePattern(parsing: "ghcr.io/" + String(repeating: "*a", count: 200) + "b")
    #expect(!pattern.matches(name: name, tag: nil, digest: nil))
  }
}
