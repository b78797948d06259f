"""Tests of extender/persist."""
