"""Tests of extender/config."""
