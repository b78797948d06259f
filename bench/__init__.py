"""Measurements of the product, one package per question: `python -m bench.NAME --help`."""
