"""Tests of extender/watch."""
