"""Tests of extender/cache."""
