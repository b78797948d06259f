"""Tests of the command line, the snapshot file and the bundled sample."""
