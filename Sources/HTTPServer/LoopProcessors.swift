import CLinux
import Glibc

/// The processors that loops run on.
enum LoopProcessors {
  /// How many loops are worth having: the processors this process may use, or what its control group grants if less.
  static var usefulCount: Int {
    let allowed = max(1, Int(pinseal_allowed_processors()))
    guard let granted = grantedProcessors else { return allowed }
    return min(allowed, max(1, granted))
  }

  /// `cpu.max` of this control group, rounded up; nil without a quota.
  private static var grantedProcessors: Int? {
    guard let bytes = try? SmallFile.read("/sys/fs/cgroup/cpu.max", as: "the CPU quota") else { return nil }
    let parts = String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isWhitespace)
    guard parts.count == 2, let quota = Int(parts[0]), let period = Int(parts[1]), quota > 0, period > 0 else {
      return nil
    }
    return (quota - 1) / period + 1
  }
}
