"""Tests of extender/runtime."""
