"""Tests of extender/placement."""
