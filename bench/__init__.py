"""Measurements of the product, one module per question: `python -m bench.NAME --help`."""
