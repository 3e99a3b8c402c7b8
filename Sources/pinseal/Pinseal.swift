import ArgumentParser
import Crypto

@main
enum Program {
  static func main() async {
    CryptoLibrary.leaveAllAtExit()
    await Pinseal.main()
  }
}

struct Pinseal: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "pinseal",
    abstract: "Only signed images, pinned: an admission webhook for Kubernetes.",
    version: "0.1.0",
    subcommands: [Serve.self, Demo.self, Verify.self, VerifyBundle.self, Certs.self, Check.self])
}
