"""Marks that only these tests use."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register `slow`: needs the package index and a compiler, and takes about a minute; CI runs it too."""
    config.addinivalue_line("markers", "slow: installs from the package index and compiles; about a minute")
