/// Wiring.
public enum Skeleton {}
