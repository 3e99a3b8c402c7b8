import Glibc

/// The calendar's clock, for what is valid until a date. Whatever is measured in seconds asks `Deadline`.
public enum WallClock {
  /// Seconds since the beginning of 1970 in UTC.
  public static var seconds: Int64 {
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec)
  }
}
