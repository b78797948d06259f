"""The cache of the cluster: events in, rows and effects out. Pure: it never awaits and never reads the clock."""
