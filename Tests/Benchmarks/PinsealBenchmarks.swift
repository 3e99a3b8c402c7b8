import Glibc

/// What checks and answers cost: `PinsealBenchmarks [WORD]`, where a word takes only those whose name has it.
@main struct PinsealBenchmarks {
  static func main() async throws {
    let word = CommandLine.arguments.dropFirst().first ?? ""
    let all = try SignatureBenchmarks().benchmarks() + (await AdmissionBenchmarks()).benchmarks()
    let chosen = all.filter { word.isEmpty || $0.name.contains(word) }
    print(table(try measure(chosen, rounds: 15, batch: 20_000)))
  }
}
