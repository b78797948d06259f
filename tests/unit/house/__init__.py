"""Tests of what documents and builds promise."""
