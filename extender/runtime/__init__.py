"""The running service: puts cache, verbs, metrics and background work together."""
