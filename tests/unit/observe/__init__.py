"""Tests of extender/observe."""
