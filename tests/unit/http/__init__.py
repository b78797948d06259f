"""Tests of extender/http."""
