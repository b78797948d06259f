"""Tests of _fastfit."""
