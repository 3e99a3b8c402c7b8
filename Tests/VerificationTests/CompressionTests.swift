import Crypto
import OCI
import Primitives
import Sigstore
import Testing

@testable import Verification

/// Signatures are read as they lie there: nothing is unpacked, so nothing can unpack to more than its bound.
@Suite(.timeLimit(.minutes(1)))
struct CompressionTests {
  let scene = Scene()

  @Test func `(18), CVE-2023-30551 and CVE-2026-48702: what is compressed is not unpacked`() async throws {
    let digest = scene.pushImage()
    let (payload, signature) = try ImageSigner.simpleSigning(dockerReference: "x", digest: digest, key: Keys.mine)
    let packed = gzipped(payload)
    scene.sign(
      digest,
      with: [
        Layer(
          digest: scene.registry.push(blob: packed, to: scene.repository), size: packed.count,
          annotations: [MediaType.signatureAnnotation: signature])
      ])
    let bundle = gzipped(try ImageSigner.bundle(digest: digest, key: Keys.mine))
    for suffix in ["", "+gzip"] {
      let layer = Layer(
        digest: scene.registry.push(blob: bundle, to: scene.repository), size: bundle.count,
        mediaType: MediaType.bundleV03 + suffix)
      scene.registry.refer(
        [scene.descriptor(scene.registry.push(scene.manifest(layers: [layer]), to: scene.repository))], to: digest,
        in: scene.repository)
    }
    let verdict = try await scene.verify("ghcr.io/team/app:v1")
    #expect(verdict.code == .signatureInvalid)
    #expect(verdict.message.ranges(of: "the bundle is malformed").count == 2, "\(verdict.message)")
    #expect(verdict.message.contains("layer 1: signed by another key"), "\(verdict.message)")
  }

  /// A gzip file (RFC 1952) that holds `bytes` as they are.
  private func gzipped(_ bytes: [UInt8]) -> [UInt8] {
    func littleEndian(_ number: UInt32, _ count: UInt32) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }
    }
    let checksum = bytes.reduce(UInt32.max) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1 }
    }
    let size = UInt32(bytes.count)
    return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255, 1] + littleEndian(size, 2) + littleEndian(~size, 2) + bytes
      + littleEndian(~checksum, 4) + littleEndian(size, 4)
  }
}
