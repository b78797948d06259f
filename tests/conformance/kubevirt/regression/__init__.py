"""Boots and migrations that once showed a wrong guest model."""
