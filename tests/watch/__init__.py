"""Tests of the async edge."""
