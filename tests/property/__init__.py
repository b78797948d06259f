"""Suites of random cases that stand apart: what must hold whatever the input is."""
