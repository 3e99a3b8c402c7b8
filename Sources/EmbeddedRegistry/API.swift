/// The in-memory registry.
public enum Skeleton {}
