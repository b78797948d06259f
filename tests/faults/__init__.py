"""Faults against the whole service: what it holds afterwards, and what it said meanwhile, against one judge."""
