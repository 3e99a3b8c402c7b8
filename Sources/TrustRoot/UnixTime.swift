/// Seconds since 1970 (UTC).
public typealias UnixTime = Int64
