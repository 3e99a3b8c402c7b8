/// A set of scalars made for looking up: a bit for each of ASCII, ranges in order for the others.
struct ScalarTest: Sendable {
  private let low: UInt64
  private let high: UInt64
  private let others: [ClosedRange<UInt32>]

  init(_ set: ScalarSet) {
    let ranges = set.merged.ranges
    func bits(_ first: UInt32) -> UInt64 {
      (0..<64).reduce(0 as UInt64) { bits, index in
        ranges.contains { $0.contains(first + UInt32(index)) } ? bits | 1 << UInt64(index) : bits
      }
    }
    low = bits(0)
    high = bits(64)
    others = ranges.filter { $0.upperBound >= 0x80 }
  }

  func contains(_ scalar: UInt32) -> Bool {
    if scalar < 64 { return low >> UInt64(scalar) & 1 == 1 }
    if scalar < 128 { return high >> UInt64(scalar - 64) & 1 == 1 }
    var first = 0
    var end = others.count
    while first < end {
      let middle = (first + end) / 2
      if others[middle].upperBound < scalar { first = middle + 1 } else { end = middle }
    }
    return first < others.count && others[first].contains(scalar)
  }
}

/// An instruction of a pattern's program (Thompson's construction).
enum PatternInstruction: Sendable {
  /// Takes one scalar of the set and goes on.
  case scalars(ScalarTest)
  /// Goes on at both places.
  case split(Int, Int)
  case jump(Int)
  /// Goes on only at the text's beginning.
  case start
  /// Goes on only at the text's end.
  case end
  /// The pattern has matched, if the text is at its end.
  case match
}

/// Makes programs of patterns; counted repetitions are written out.
struct PatternCompiler {
  private let limit: Int
  private var program: [PatternInstruction] = []
  /// Nodes visited: a repetition of nothing costs work without an instruction.
  private var steps = 0

  init(limit: Int) { self.limit = limit }

  mutating func compile(_ tree: PatternTree) throws(PatternError) -> [PatternInstruction] {
    try add(tree)
    try emit(.match)
    return program
  }

  private func check(_ count: Int) throws(PatternError) {
    guard count <= limit else {
      throw PatternError(
        "a pattern is too large: its counted repetitions, written out, need more than \(limit) steps; make them smaller"
      )
    }
  }

  private mutating func emit(_ instruction: PatternInstruction) throws(PatternError) {
    program.append(instruction)
    try check(program.count)
  }

  private mutating func add(_ tree: PatternTree) throws(PatternError) {
    steps += 1
    try check(steps / 4)
    switch tree {
    case .empty: break
    case .scalars(let set): try emit(.scalars(ScalarTest(set)))
    case .start: try emit(.start)
    case .end: try emit(.end)
    case .sequence(let items): for item in items { try add(item) }
    case .alternatives(let branches):
      var ends: [Int] = []
      for (index, branch) in branches.enumerated() {
        guard index < branches.count - 1 else {
          try add(branch)
          break
        }
        let split = program.count
        try emit(.jump(0))
        try add(branch)
        ends.append(program.count)
        try emit(.jump(0))
        program[split] = .split(split + 1, program.count)
      }
      for end in ends { program[end] = .jump(program.count) }
    case .repeated(let item, let minimum, let maximum):
      for _ in 0..<minimum { try add(item) }
      guard let maximum else {
        let split = program.count
        try emit(.jump(0))
        try add(item)
        try emit(.jump(split))
        program[split] = .split(split + 1, program.count)
        return
      }
      var splits: [Int] = []
      for _ in 0..<(maximum - minimum) {
        splits.append(program.count)
        try emit(.jump(0))
        try add(item)
      }
      for split in splits { program[split] = .split(split + 1, program.count) }
    }
  }
}

/// Runs a program over a text, in all of its states at once.
struct PatternMatcher {
  private let program: [PatternInstruction]
  /// The states before the next scalar: only those that take one, or that match.
  private var states: [Int] = []
  /// In which round a state was added last.
  private var rounds: [Int]
  private var round = 0
  private var open: [Int] = []

  init(_ program: [PatternInstruction]) {
    self.program = program
    rounds = [Int](repeating: -1, count: program.count)
  }

  consuming func matches(_ text: String) -> Bool {
    let scalars = Array(text.unicodeScalars)
    add(0, atStart: true, atEnd: scalars.isEmpty)
    for (index, scalar) in scalars.enumerated() {
      let current = states
      states.removeAll(keepingCapacity: true)
      round += 1
      for state in current {
        if case .scalars(let set) = program[state], set.contains(scalar.value) {
          add(state + 1, atStart: false, atEnd: index == scalars.count - 1)
        }
      }
      if states.isEmpty { return false }
    }
    return states.contains { if case .match = program[$0] { true } else { false } }
  }

  /// Adds a state and all that are reached from it without taking a scalar.
  private mutating func add(_ state: Int, atStart: Bool, atEnd: Bool) {
    open.append(state)
    while let state = open.popLast() {
      guard rounds[state] != round else { continue }
      rounds[state] = round
      switch program[state] {
      case .scalars, .match: states.append(state)
      case .jump(let target): open.append(target)
      case .split(let first, let second):
        open.append(second)
        open.append(first)
      case .start: if atStart { open.append(state + 1) }
      case .end: if atEnd { open.append(state + 1) }
      }
    }
  }
}
