"""Kept scenarios: each once showed a difference between the twin and the real managers (see README.md)."""
