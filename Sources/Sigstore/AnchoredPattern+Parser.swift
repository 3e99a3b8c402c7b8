import Primitives

/// A set of Unicode scalars, as ranges.
struct ScalarSet: Sendable {
  static let last: UInt32 = 0x10FFFF

  var ranges: [ClosedRange<UInt32>] = []

  init(_ ranges: [ClosedRange<UInt32>]) { self.ranges = ranges }

  /// The same set in the fewest ranges, in order.
  var merged: ScalarSet {
    var result: [ClosedRange<UInt32>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let before = result.last, range.lowerBound <= before.upperBound + 1 {
        result[result.count - 1] = before.lowerBound...max(before.upperBound, range.upperBound)
      } else {
        result.append(range)
      }
    }
    return ScalarSet(result)
  }

  /// All that is not in the set.
  var inverted: ScalarSet {
    var result: [ClosedRange<UInt32>] = []
    var next: UInt32 = 0
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound > next { result.append(next...(range.lowerBound - 1)) }
      next = max(next, range.upperBound + 1)
    }
    if next <= Self.last { result.append(next...Self.last) }
    return ScalarSet(result)
  }

  /// The set with the other case of its ASCII letters.
  var ignoringCase: ScalarSet {
    let upper: ClosedRange<UInt32> = 0x41...0x5A
    let lower: ClosedRange<UInt32> = 0x61...0x7A
    var result = ranges
    for range in ranges {
      if range.overlaps(upper) {
        let part = range.clamped(to: upper)
        result.append((part.lowerBound + 32)...(part.upperBound + 32))
      }
      if range.overlaps(lower) {
        let part = range.clamped(to: lower)
        result.append((part.lowerBound - 32)...(part.upperBound - 32))
      }
    }
    return ScalarSet(result)
  }

  static let digits = ScalarSet([0x30...0x39])
  static let words = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
  static let spaces = ScalarSet([0x09...0x0A, 0x0C...0x0D, 0x20...0x20])

  /// The POSIX classes that stand in brackets as `[:alpha:]`.
  static func posix(_ name: String) -> ScalarSet? {
    switch name {
    case "alnum": ScalarSet([0x30...0x39, 0x41...0x5A, 0x61...0x7A])
    case "alpha": ScalarSet([0x41...0x5A, 0x61...0x7A])
    case "digit": digits
    case "lower": ScalarSet([0x61...0x7A])
    case "upper": ScalarSet([0x41...0x5A])
    case "punct": ScalarSet([0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E])
    case "space": ScalarSet([0x09...0x0D, 0x20...0x20])
    case "word": words
    case "xdigit": ScalarSet([0x30...0x39, 0x41...0x46, 0x61...0x66])
    default: nil
    }
  }
}

/// A pattern as a tree.
indirect enum PatternTree {
  case empty
  case scalars(ScalarSet)
  case start
  case end
  case sequence([PatternTree])
  case alternatives([PatternTree])
  /// At least `minimum` times; at most `maximum`, or without bound.
  case repeated(PatternTree, minimum: Int, maximum: Int?)
}

/// Reads a pattern, which is short: `AnchoredPattern` bounds it.
struct PatternParser {
  private static let maximumDepth = 32
  private static let maximumCount = 1000

  private struct Flags {
    var ignoresCase = false
    var dotTakesNewline = false
  }

  private let scalars: [Unicode.Scalar]
  private var position = 0
  private var depth = 0
  private var flags = Flags()

  init(_ source: String) { scalars = Array(source.unicodeScalars) }

  mutating func parse() throws(PatternError) -> PatternTree {
    let tree = try alternatives()
    guard position == scalars.count else { throw failure("a ) without its (; write \\) for the character") }
    return tree
  }

  private var next: Unicode.Scalar? { position < scalars.count ? scalars[position] : nil }

  private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    ScalarSet.words.ranges.contains { $0.contains(scalar.value) }
  }

  private func failure(_ what: String, at place: Int? = nil) -> PatternError {
    let text = String(String.UnicodeScalarView(scalars)).printable(limit: 80)
    return PatternError("pattern \"\(text)\" has at character \((place ?? position) + 1) \(what)")
  }

  private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
    guard next == scalar else { return false }
    position += 1
    return true
  }

  private mutating func alternatives() throws(PatternError) -> PatternTree {
    depth += 1
    defer { depth -= 1 }
    guard depth <= Self.maximumDepth else { throw failure("more than \(Self.maximumDepth) groups within each other") }
    // A flag that is set in the middle of a group holds to the group's end.
    let outside = flags
    defer { flags = outside }
    var branches = [try sequence()]
    while take("|") { branches.append(try sequence()) }
    return branches.count == 1 ? branches[0] : .alternatives(branches)
  }

  private mutating func sequence() throws(PatternError) -> PatternTree {
    var items: [PatternTree] = []
    while let scalar = next, scalar != "|", scalar != ")" {
      guard let item = try atom() else { continue }
      items.append(try repetition(of: item))
    }
    return items.count == 1 ? items[0] : items.isEmpty ? .empty : .sequence(items)
  }

  /// The next item, or nil for flags, which are none.
  private mutating func atom() throws(PatternError) -> PatternTree? {
    let start = position
    guard let scalar = next else { return nil }
    position += 1
    switch scalar {
    case ".":
      return .scalars(flags.dotTakesNewline ? ScalarSet([0...ScalarSet.last]) : ScalarSet([0x0A...0x0A]).inverted)
    case "^": return .start
    case "$": return .end
    case "(": return try group()
    case "[": return .scalars(try bracket())
    case "\\":
      if take("A") { return .start }
      if take("z") { return .end }
      return .scalars(folded(try escape()))
    case "*", "+", "?": throw failure("a \(scalar) with nothing before it to repeat", at: start)
    case "{": throw failure("a { with nothing before it to repeat; write \\{ for the character", at: start)
    default: return .scalars(folded(ScalarSet([scalar.value...scalar.value])))
    }
  }

  private func folded(_ set: ScalarSet) -> ScalarSet { flags.ignoresCase ? set.ignoringCase : set }

  private mutating func repetition(of item: PatternTree) throws(PatternError) -> PatternTree {
    let bounds: (minimum: Int, maximum: Int?)
    if take("*") {
      bounds = (0, nil)
    } else if take("+") {
      bounds = (1, nil)
    } else if take("?") {
      bounds = (0, 1)
    } else if next == "{" {
      bounds = try counts()
    } else {
      return item
    }
    // A lazy repetition matches the same texts.
    _ = take("?")
    if let scalar = next, "*+?{".unicodeScalars.contains(scalar) {
      throw failure("a repetition of a repetition (\(scalar)); put the first one into a group")
    }
    return .repeated(item, minimum: bounds.minimum, maximum: bounds.maximum)
  }

  /// `{m}`, `{m,}` or `{m,n}`.
  private mutating func counts() throws(PatternError) -> (minimum: Int, maximum: Int?) {
    let start = position
    position += 1
    let form = "a { that begins no repetition {m}, {m,} or {m,n}; write \\{ for the character"
    guard let minimum = try number() else { throw failure(form, at: start) }
    var maximum: Int? = minimum
    if take(",") { maximum = try number() }
    guard take("}") else { throw failure(form, at: start) }
    if let maximum, maximum < minimum { throw failure("a repetition whose end is below its beginning", at: start) }
    return (minimum, maximum)
  }

  private mutating func number() throws(PatternError) -> Int? {
    let start = position
    var value = 0
    while let scalar = next, ("0"..."9").contains(scalar) {
      value = value * 10 + Int(scalar.value - 0x30)
      guard value <= Self.maximumCount else {
        throw failure("a repetition of more than \(Self.maximumCount) times", at: start)
      }
      position += 1
    }
    return position > start ? value : nil
  }

  /// What follows a `(`.
  private mutating func group() throws(PatternError) -> PatternTree? {
    let start = position - 1
    let outside = flags
    if take("?") {
      if next == "=" || next == "!" { throw failure("a look-ahead, which is not supported", at: start) }
      if next == "<", position + 1 < scalars.count, scalars[position + 1] == "=" || scalars[position + 1] == "!" {
        throw failure("a look-behind, which is not supported", at: start)
      }
      if next == ">" { throw failure("an atomic group, which is not supported", at: start) }
      if take("P") {
        guard next == "<" else { throw failure("a group of an unknown kind", at: start) }
      }
      if take("<") {
        try name(start)
      } else if try setFlags(start) {
        return nil
      }
    }
    let tree = try alternatives()
    flags = outside
    guard take(")") else { throw failure("a ( without its ); write \\( for the character", at: start) }
    return tree
  }

  private mutating func name(_ start: Int) throws(PatternError) {
    let first = position
    while let scalar = next, Self.isWord(scalar) { position += 1 }
    guard position > first, take(">") else { throw failure("a group whose name is malformed", at: start) }
  }

  /// Flags of `(?i)`, which hold to the end of the group around (true), or of `(?i:…)`, which hold in it (false).
  private mutating func setFlags(_ start: Int) throws(PatternError) -> Bool {
    var value = true
    var isEmpty = true
    while let scalar = next {
      position += 1
      switch scalar {
      case "i": flags.ignoresCase = value
      case "s": flags.dotTakesNewline = value
      case "-" where value:
        value = false
        isEmpty = true
        continue
      case ":" where !isEmpty || value: return false
      case ")" where !isEmpty: return true
      default:
        throw failure("a group with the flag \(String(scalar).printable()); taken are i and s", at: start)
      }
      isEmpty = false
    }
    throw failure("a ( without its ); write \\( for the character", at: start)
  }

  /// What follows a backslash, outside of brackets or in them.
  private mutating func escape() throws(PatternError) -> ScalarSet {
    let start = position - 1
    guard let scalar = next else { throw failure("a \\ with nothing behind it", at: start) }
    position += 1
    func one(_ value: UInt32) -> ScalarSet { ScalarSet([value...value]) }
    switch scalar {
    case "d": return .digits
    case "D": return ScalarSet.digits.inverted
    case "w": return .words
    case "W": return ScalarSet.words.inverted
    case "s": return .spaces
    case "S": return ScalarSet.spaces.inverted
    case "t": return one(0x09)
    case "n": return one(0x0A)
    case "v": return one(0x0B)
    case "f": return one(0x0C)
    case "r": return one(0x0D)
    case "x": return one(try hexadecimal(start))
    case "0"..."9": throw failure("a back-reference or octal escape, which is not supported", at: start)
    case "b", "B": throw failure("a word boundary, which is not supported", at: start)
    case "p", "P": throw failure("a Unicode property, which is not supported", at: start)
    case let other where other.isASCII && !Self.isWord(other) && other.value >= 0x20:
      return one(other.value)
    default: throw failure("an escape \\\(String(scalar).printable()) that means nothing", at: start)
    }
  }

  /// The digits of `\x41` or `\x{10FFFF}`.
  private mutating func hexadecimal(_ start: Int) throws(PatternError) -> UInt32 {
    let isBraced = take("{")
    let limit = isBraced ? 6 : 2
    var value: UInt32 = 0
    var count = 0
    while count < limit, let scalar = next, let digit = Character(scalar).hexDigitValue, scalar.isASCII {
      value = value << 4 | UInt32(digit)
      count += 1
      position += 1
    }
    guard isBraced ? count > 0 && take("}") : count == 2, Unicode.Scalar(value) != nil else {
      throw failure("an escape \\x that names no character; write \\x41 or \\x{1F600}", at: start)
    }
    return value
  }

  /// What follows a `[`.
  private mutating func bracket() throws(PatternError) -> ScalarSet {
    let start = position - 1
    let isInverted = take("^")
    var set = ScalarSet([])
    var isFirst = true
    while let scalar = next, scalar != "]" || isFirst {
      isFirst = false
      if scalar == "[", position + 1 < scalars.count, scalars[position + 1] == ":" {
        set.ranges += try posix().ranges
        continue
      }
      let lower = try bracketItem()
      guard next == "-", position + 1 < scalars.count, scalars[position + 1] != "]" else {
        set.ranges += lower.ranges
        continue
      }
      let place = position
      position += 1
      let upper = try bracketItem()
      guard let from = lower.single, let to = upper.single, from <= to else {
        throw failure("a range in brackets whose ends are no characters in order", at: place)
      }
      set.ranges.append(from...to)
    }
    guard take("]") else { throw failure("a [ without its ]; write \\[ for the character", at: start) }
    set = folded(set)
    return isInverted ? set.inverted : set
  }

  private mutating func bracketItem() throws(PatternError) -> ScalarSet {
    guard let scalar = next else { throw failure("a [ without its ]") }
    position += 1
    if scalar == "\\" { return try escape() }
    return ScalarSet([scalar.value...scalar.value])
  }

  private mutating func posix() throws(PatternError) -> ScalarSet {
    let start = position
    position += 2
    var name = ""
    while let scalar = next, scalar != ":", scalar != "]" {
      name.unicodeScalars.append(scalar)
      position += 1
    }
    guard take(":"), take("]"), let set = ScalarSet.posix(name) else {
      throw failure("a class [:\(name.printable(limit: 16)):] that is not known", at: start)
    }
    return set
  }
}

extension ScalarSet {
  /// The scalar, if it is a set of one.
  fileprivate var single: UInt32? {
    ranges.count == 1 && ranges[0].count == 1 ? ranges[0].lowerBound : nil
  }
}
