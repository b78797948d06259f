"""Tests of the bundled sample and the catalogue of machines."""
