import Crypto
import OCI
import Testing

@Suite struct `Image references` {
  private static let hex = String(repeating: "0123456789abcdef", count: 4)
  private static let sha256 = "sha256:" + hex
  private static let sha512 = "sha512:" + hex + hex

  struct Legal: Sendable, CustomTestStringConvertible {
    let literal: String
    let registry: String
    let repository: String
    var tag: String?
    var digest: String?
    var testDescription: String { literal }
  }

  static let legal: [Legal] = [
    Legal(literal: "nginx", registry: "docker.io", repository: "library/nginx"),
    Legal(literal: "nginx:1.25", registry: "docker.io", repository: "library/nginx", tag: "1.25"),
    Legal(literal: "team/app", registry: "docker.io", repository: "team/app"),
    Legal(literal: "a/b/c/d", registry: "docker.io", repository: "a/b/c/d"),
    Legal(literal: "docker.io/nginx", registry: "docker.io", repository: "library/nginx"),
    Legal(literal: "docker.io/library/nginx:x", registry: "docker.io", repository: "library/nginx", tag: "x"),
    Legal(literal: "index.docker.io/nginx", registry: "docker.io", repository: "library/nginx"),
    Legal(literal: "index.docker.io/team/app:1", registry: "docker.io", repository: "team/app", tag: "1"),
    Legal(literal: "registry-1.docker.io/library/nginx", registry: "registry-1.docker.io", repository: "library/nginx"),
    Legal(literal: "ghcr.io/org/app:v1", registry: "ghcr.io", repository: "org/app", tag: "v1"),
    Legal(literal: "ghcr.io/app", registry: "ghcr.io", repository: "app"),
    Legal(literal: "localhost/app", registry: "localhost", repository: "app"),
    Legal(literal: "localhost:5000/app", registry: "localhost:5000", repository: "app"),
    // One component is never a registry: this is a tag.
    Legal(literal: "localhost:5000", registry: "docker.io", repository: "library/localhost", tag: "5000"),
    Legal(literal: "example.com", registry: "docker.io", repository: "library/example.com"),
    Legal(literal: "localhost.evil.example/app", registry: "localhost.evil.example", repository: "app"),
    Legal(literal: "host/app", registry: "docker.io", repository: "host/app"),
    Legal(literal: "Host/app", registry: "Host", repository: "app"),
    Legal(literal: "GHCR.io/org/app", registry: "GHCR.io", repository: "org/app"),
    Legal(literal: "127.0.0.1:5000/a/b:t", registry: "127.0.0.1:5000", repository: "a/b", tag: "t"),
    Legal(literal: "host:1/a", registry: "host:1", repository: "a"),
    Legal(literal: "host:65535/a", registry: "host:65535", repository: "a"),
    Legal(literal: "[::1]/a", registry: "[::1]", repository: "a"),
    Legal(literal: "[::1]:5000/a:t", registry: "[::1]:5000", repository: "a", tag: "t"),
    Legal(literal: "[2001:db8::7]:443/a", registry: "[2001:db8::7]:443", repository: "a"),
    Legal(literal: "[2001:DB8::]/a", registry: "[2001:DB8::]", repository: "a"),
    Legal(literal: "[1:2:3:4:5:6:7:8]/a", registry: "[1:2:3:4:5:6:7:8]", repository: "a"),
    Legal(literal: "xn--7ckjm.example/a", registry: "xn--7ckjm.example", repository: "a"),
    Legal(literal: "a.b/c.d_e__f-g---h", registry: "a.b", repository: "c.d_e__f-g---h"),
    Legal(literal: "a:_", registry: "docker.io", repository: "library/a", tag: "_"),
    Legal(literal: "a:A.-_z", registry: "docker.io", repository: "library/a", tag: "A.-_z"),
    Legal(
      literal: "a:" + String(repeating: "t", count: 128), registry: "docker.io", repository: "library/a",
      tag: String(repeating: "t", count: 128)),
    Legal(literal: "a@" + sha256, registry: "docker.io", repository: "library/a", digest: sha256),
    Legal(literal: "r.io/a:t@" + sha256, registry: "r.io", repository: "a", tag: "t", digest: sha256),
    Legal(literal: "r.io/a@" + sha512, registry: "r.io", repository: "a", digest: sha512),
    // Sixty-four digits are refused alone, not with a tag or as one component of several.
    Legal(literal: hex + ":t", registry: "docker.io", repository: "library/" + hex, tag: "t"),
    Legal(literal: "team/" + hex, registry: "docker.io", repository: "team/" + hex),
    Legal(
      literal: "a.b/" + String(repeating: "c", count: 251), registry: "a.b",
      repository: String(repeating: "c", count: 251)),
  ]

  @Test(arguments: legal) func `a legal reference is read with Docker's defaults`(_ expected: Legal) throws {
    let reference = try ImageReference(parsing: expected.literal)
    #expect(reference.literal == expected.literal)
    #expect(reference.registry == expected.registry)
    #expect(reference.repository == expected.repository)
    #expect(reference.tag == expected.tag)
    #expect(reference.digest?.description == expected.digest)
    #expect(reference.name == expected.registry + "/" + expected.repository)
    #expect(reference.effectiveTag == expected.tag ?? "latest")
    let normalised = try ImageReference(parsing: reference.name)
    #expect(normalised.registry == expected.registry && normalised.repository == expected.repository)
  }

  struct Illegal: Sendable, CustomTestStringConvertible {
    let literal: String
    let position: Int
    let says: String
    init(_ literal: String, _ position: Int, _ says: String) {
      (self.literal, self.position, self.says) = (literal, position, says)
    }
    var testDescription: String { String(literal.prefix(80)).debugDescription }
  }

  static let illegal: [Illegal] = [
    Illegal("", 0, "empty"),
    Illegal(" nginx", 0, "white space"),
    Illegal("nginx\n", 5, "white space"),
    Illegal("nginx latest", 5, "white space"),
    Illegal("ngi\u{0}nx", 3, "printable ASCII"),
    Illegal("ngïnx", 2, "\"ï\""),
    Illegal("nginх", 4, "printable ASCII"),
    Illegal("bücher.example/a", 1, "printable ASCII"),
    Illegal("nginx\u{202E}", 5, "\\u{202e}"),
    Illegal("nginx\u{200B}:1", 5, "\\u{200b}"),
    Illegal("https://ghcr.io/a", 5, "URL scheme"),
    Illegal("docker://nginx", 6, "URL scheme"),
    Illegal("Nginx", 0, "lower-case"),
    Illegal("nGinx:1", 1, "lower-case"),
    Illegal("ghcr.io/Org/app", 8, "lower-case"),
    Illegal("ghcr.io/org/App", 12, "lower-case"),
    Illegal("/nginx", 0, "lower-case"),
    Illegal("nginx/", 6, "the end"),
    Illegal("ghcr.io/", 8, "the end"),
    Illegal("ghcr.io//a", 8, "\"/\""),
    Illegal("a//b", 2, "\"/\""),
    Illegal("ghcr.io/a/", 10, "the end"),
    Illegal("ghcr.io/../a", 8, "\".\""),
    Illegal("a/./b", 2, "\".\""),
    Illegal(".a/b", 0, "host name"),
    Illegal("a./b", 2, "host name"),
    Illegal("ghcr.io./a", 8, "host name"),
    Illegal("a..b/c", 2, "host name"),
    Illegal("-a.b/c", 0, "host name"),
    Illegal("a-.b/c", 1, "letter or digit"),
    Illegal("a_b.c/d", 1, "host"),
    Illegal("user@host.io/a", 4, "host"),
    Illegal("host:/a", 5, "port"),
    Illegal("host:x/a", 5, "port"),
    Illegal("host:0/a", 5, "port"),
    Illegal("host:080/a", 5, "port"),
    Illegal("host:65536/a", 5, "port"),
    Illegal("host:123456/a", 5, "port"),
    Illegal("host:99999999999999999999/a", 11, "port"),
    Illegal("host:80x/a", 7, "port"),
    Illegal("host:80:80/a", 7, "port"),
    Illegal("::1/a", 0, "host name"),
    Illegal("[::1/a", 0, "\"]\""),
    Illegal("[]:5000/a", 1, "IPv6"),
    Illegal("[:]:5000/a", 1, "IPv6"),
    Illegal("[:::]/a", 1, "IPv6"),
    Illegal("[1:2]/a.b", 1, "IPv6"),
    Illegal("[1::2::3]/a", 1, "IPv6"),
    Illegal("[12345::]/a", 1, "IPv6"),
    Illegal("[1:2:3:4:5:6:7:8:9]/a", 1, "IPv6"),
    Illegal("[1:2:3:4:5:6:7:8::]/a", 1, "IPv6"),
    Illegal("[fe80::1%eth0]/a", 1, "IPv6"),
    Illegal("[::ffff:127.0.0.1]/a", 1, "IPv6"),
    Illegal("[::1]x/a.b", 5, "port"),
    Illegal("a.b/c..d", 6, "\".\""),
    Illegal("a.b/c___d", 7, "\"_\""),
    Illegal("a.b/c._d", 6, "\"_\""),
    Illegal("a.b/c-.d", 6, "\".\""),
    Illegal("a.b/-c", 4, "\"-\""),
    Illegal("a.b/c-", 6, "the end"),
    Illegal("a.b/c_/d", 6, "\"/\""),
    Illegal("a+b", 1, "\"+\""),
    Illegal("a%2e%2e/b", 1, "\"%\""),
    Illegal("nginx:", 6, "tag"),
    Illegal("nginx:-1", 6, "tag"),
    Illegal("nginx:.1", 6, "tag"),
    Illegal("nginx:1:2", 7, "tag"),
    Illegal("nginx:1+2", 7, "tag"),
    Illegal("nginx:é", 6, "printable ASCII"),
    Illegal("a:" + String(repeating: "t", count: 129), 130, "128"),
    Illegal("nginx@", 6, "digest"),
    Illegal("nginx:@" + sha256, 6, "tag"),
    Illegal("@" + sha256, 0, "lower-case"),
    Illegal("nginx@" + hex, 6, "sha256:"),
    Illegal("nginx@SHA256:" + hex, 6, "sha256:"),
    Illegal("nginx@sha384:" + hex, 6, "sha256:"),
    Illegal("nginx@md5:" + hex, 6, "sha256:"),
    Illegal("nginx@sha256:" + hex.uppercased(), 23, "lower-case hexadecimal"),
    Illegal("nginx@sha256:" + hex.dropLast(), 76, "the end"),
    Illegal("nginx@sha256:" + hex + "0", 77, "the end behind"),
    Illegal("nginx@sha512:" + hex, 77, "the end"),
    // The slash makes the first component a registry, and that is refused.
    Illegal("nginx@sha256:../../" + hex.dropLast(6), 5, "host"),
    Illegal("nginx@" + sha256 + "@" + sha256, 77, "the end behind"),
    Illegal("nginx@" + sha256 + ":tag", 77, "the end behind"),
    Illegal(hex, 0, "identifier"),
    Illegal("a.b/" + String(repeating: "c", count: 252), 255, "255"),
    Illegal(String(repeating: "c", count: 238), 237, "255"),
    Illegal(String(repeating: "a", count: 4097), 4096, "4096"),
  ]

  @Test(arguments: illegal) func `an illegal reference is refused with its position`(_ expected: Illegal) throws {
    let error = try #require(throws: ReferenceError.self) { try ImageReference(parsing: expected.literal) }
    #expect(error.position == expected.position, "\(error)")
    #expect(error.description.contains(expected.says), "\(error)")
    #expect(error.description.utf8.count < 400)
  }

  @Test func `only docker.io is asked at another host`() throws {
    #expect(try ImageReference(parsing: "nginx").endpoint == "registry-1.docker.io")
    #expect(try ImageReference(parsing: "index.docker.io/a/b").endpoint == "registry-1.docker.io")
    #expect(try ImageReference(parsing: "docker.io:443/a").endpoint == "docker.io:443")
    #expect(try ImageReference(parsing: "[::1]:5000/a").endpoint == "[::1]:5000")
  }

  @Test(arguments: [
    ("nginx", "nginx@", "nginx@"),
    ("nginx:1.25", "nginx:1.25@", "nginx@"),
    ("docker.io/library/nginx:1.25", "docker.io/library/nginx:1.25@", "docker.io/library/nginx@"),
    ("localhost:5000/a", "localhost:5000/a@", "localhost:5000/a@"),
    ("localhost:5000/a:t", "localhost:5000/a:t@", "localhost:5000/a@"),
    ("[::1]:5000/a:t", "[::1]:5000/a:t@", "[::1]:5000/a@"),
  ])
  func `pinning keeps the user's spelling`(_ literal: String, _ both: String, _ digestOnly: String) throws {
    let reference = try ImageReference(parsing: literal)
    let digest = Digest(hashing: [1, 2, 3])
    #expect(reference.pinned(to: digest, style: .tagAndDigest) == both + digest.description)
    #expect(reference.pinned(to: digest, style: .digest) == digestOnly + digest.description)
    // Pinned again, nothing changes; and what pinning writes can be read.
    for style in [ImageReference.PinStyle.tagAndDigest, .digest] {
      let pinned = try ImageReference(parsing: reference.pinned(to: digest, style: style))
      #expect(pinned.digest == digest)
      #expect(pinned.name == reference.name)
      #expect(pinned.pinned(to: digest, style: style) == pinned.literal)
    }
  }

  @Test func `pinning takes a tag off and puts another digest in its place where that is asked for`() throws {
    let old = Digest(hashing: [1])
    let new = Digest(hashing: [2], algorithm: .sha512)
    let reference = try ImageReference(parsing: "a.b/c:t@\(old)")
    #expect(reference.pinned(to: old, style: .tagAndDigest) == "a.b/c:t@\(old)")
    #expect(reference.pinned(to: old, style: .digest) == "a.b/c@\(old)")
    #expect(reference.pinned(to: new, style: .tagAndDigest) == "a.b/c:t@\(new)")
  }
}
