"""What a large cluster costs in memory and CPU time."""
