import ArgumentParser

@main
struct Pinseal: AsyncParsableCommand {
  static let configuration = CommandConfiguration(commandName: "pinseal", abstract: "Only signed images, pinned.")
}
