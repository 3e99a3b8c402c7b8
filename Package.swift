// swift-tools-version: 6.2
// Pinseal: only signed images, pinned.

import PackageDescription

/// What every target is compiled with: Swift 6 mode, no warnings, the upcoming language features.
let common: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

/// Modules without C underneath: the compiler also refuses every unsafe construct that is not marked as one.
let safe: [SwiftSetting] = common + [.strictMemorySafety()]

let log: Target.Dependency = .product(name: "Logging", package: "swift-log")
let metrics: Target.Dependency = .product(name: "Metrics", package: "swift-metrics")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let subprocess: Target.Dependency = .product(name: "Subprocess", package: "swift-subprocess")

func module(
  _ name: String, _ dependencies: [Target.Dependency], _ settings: [SwiftSetting], resources: [Resource]? = nil
) -> Target {
  .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil) -> Target {
  .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: common)
}

let package = Package(
  name: "pinseal",
  products: [.executable(name: "pinseal", targets: ["pinseal"])],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
  ],
  targets: [
    // C libraries, nothing else.
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CNghttp2", pkgConfig: "libnghttp2", providers: [.apt(["libnghttp2-dev"])]),
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CYaml", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),
    .systemLibrary(name: "CLinux"),

    // Leaves.
    module("Primitives", ["CLinux"], common),
    module("JSON", ["Primitives"], safe),
    module("Crypto", ["COpenSSL", "Primitives"], common),
    module("Telemetry", ["JSON", "Primitives", log, metrics], common),

    // Transport.
    module("HTTPServer", ["CLinux", "COpenSSL", "CNghttp2", "Crypto", "Primitives", log], common),
    module("HTTPClient", ["CCurl", "Primitives"], common),

    // Formats and services.
    module("OCI", ["HTTPClient", "Crypto", "JSON", "Primitives"], safe),
    module("Sigstore", ["Crypto", "JSON", "Primitives"], safe),
    module(
      "TrustRoot", ["Sigstore", "HTTPClient", "Crypto", "JSON", "Primitives", log], safe,
      // Links to certs/: byte arrays in the binary, so that nothing has to be found at run time.
      resources: [.embedInCode("Resources/trusted_root.json"), .embedInCode("Resources/root.json")]),
    module("Kubernetes", ["CYaml", "HTTPClient", "JSON", "Primitives", log], common),

    // Decisions.
    module("Policy", ["Sigstore", "Crypto", "Primitives"], safe),
    module("Verification", ["OCI", "Sigstore", "HTTPClient", "Crypto", "JSON", "Primitives"], safe),
    module("Admission", ["Policy", "Verification", "Sigstore", "Crypto", "JSON", "Primitives", log], safe),

    // Wiring.
    module("EmbeddedRegistry", ["HTTPServer", "HTTPClient", "OCI", "Sigstore", "Crypto", "JSON", "Primitives"], safe),
    module(
      "Webhook",
      [
        "Admission", "Policy", "Verification", "OCI", "TrustRoot", "Sigstore", "Kubernetes", "HTTPServer",
        "HTTPClient", "Crypto", "JSON", "Telemetry", "Primitives", log, metrics, lifecycle,
      ], safe),
    .executableTarget(
      name: "pinseal",
      dependencies: [
        "Webhook", "EmbeddedRegistry", "Admission", "Policy", "Verification", "OCI", "TrustRoot", "Sigstore",
        "Kubernetes",
        "HTTPServer", "HTTPClient", "Crypto", "JSON", "Telemetry", "Primitives", log, metrics, lifecycle, signals,
        arguments,
      ],
      swiftSettings: safe),

    // Certificates, time-stamps and trust roots of any content, well-formed or not, for tests.
    .target(
      name: "CertificateForge", dependencies: ["Crypto", "Primitives"], path: "Tests/CertificateForge",
      swiftSettings: common),

    // Unit tests.
    tests("PrimitivesTests", ["Primitives"]),
    tests("JSONTests", ["JSON", "Primitives"]),
    tests("CryptoTests", ["CertificateForge", "Crypto", "Primitives"]),
    tests("TelemetryTests", ["Telemetry", "JSON", "Primitives", log, metrics]),
    tests("HTTPServerTests", ["HTTPServer", "Crypto", "Primitives", log]),
    tests("HTTPClientTests", ["COpenSSL", "HTTPClient", "HTTPServer", "Crypto", "Primitives", log]),
    tests(
      "OCITests", ["OCI", "EmbeddedRegistry", "HTTPServer", "HTTPClient", "Crypto", "JSON", "Primitives"]),
    tests(
      "SigstoreTests", ["CertificateForge", "Sigstore", "Crypto", "JSON", "Primitives"],
      resources: [.copy("Artifacts")]),
    tests("TrustRootTests", ["TrustRoot", "Sigstore", "HTTPClient", "Crypto", "JSON", "Primitives", log]),
    tests("KubernetesTests", ["Kubernetes", "HTTPClient", "HTTPServer", "Crypto", "JSON", "Primitives", log]),
    tests("PolicyTests", ["Policy", "Sigstore", "Crypto", "Primitives"]),
    tests(
      "VerificationTests",
      [
        "Verification", "CertificateForge", "EmbeddedRegistry", "OCI", "Sigstore", "HTTPClient", "HTTPServer",
        "Crypto", "JSON", "Primitives",
      ]),
    tests(
      "AdmissionTests",
      ["Admission", "Policy", "Verification", "OCI", "Sigstore", "Crypto", "JSON", "Primitives", log],
      resources: [.copy("Reviews")]),
    tests(
      "WebhookTests",
      [
        "Webhook", "EmbeddedRegistry", "Admission", "Policy", "Verification", "OCI", "TrustRoot", "Sigstore",
        "Kubernetes", "HTTPServer", "HTTPClient", "Crypto", "JSON", "Telemetry", "Primitives", log,
      ]),

    tests(
      "PinsealTests",
      [
        "pinseal", "Webhook", "EmbeddedRegistry", "Verification", "OCI", "Sigstore", "Kubernetes", "HTTPServer",
        "HTTPClient", "Crypto", "JSON", "Telemetry", "Primitives", arguments, log,
      ]),
    tests("ConformanceTests", ["pinseal", "Sigstore", arguments]),

    // Real parts: cosign, registries, an API server. They run where scripts/test has put those tools.
    .target(
      name: "EndToEndSupport",
      dependencies: ["EmbeddedRegistry", "HTTPServer", "Sigstore", "Crypto", log, subprocess],
      path: "Tests/EndToEndSupport", swiftSettings: common),
    tests(
      "RegistryEndToEndTests",
      [
        "EndToEndSupport", "EmbeddedRegistry", "HTTPServer", "OCI", "Sigstore", "Crypto", "JSON", "Primitives", log,
      ]),
    tests("ClusterEndToEndTests", ["EndToEndSupport"]),
  ]
)

// What checks and answers cost, printed: PINSEAL_BENCHMARKS=1 swift run -c release PinsealBenchmarks
if Context.environment["PINSEAL_BENCHMARKS"] != nil {
  package.targets += [
    // Counts allocations, by standing in for malloc.
    .target(name: "CAllocations", path: "Tests/Benchmarks/CAllocations"),
    .executableTarget(
      name: "PinsealBenchmarks",
      dependencies: [
        "CAllocations", "CertificateForge", "EmbeddedRegistry", "Admission", "Policy", "Verification", "OCI",
        "Sigstore",
        "Telemetry", "Crypto", "JSON", "Primitives", log,
      ],
      path: "Tests/Benchmarks", exclude: ["CAllocations"], swiftSettings: common),
  ]
}
