"""The mark of the tests that build something."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Register `slow`: `make test-fast` leaves them out, `make test` and CI run them."""
    config.addinivalue_line("markers", "slow: builds something, or needs Go")
