"""Fixtures of the kernel tests."""

import pytest

from tests.kit.kernel.backends import PYTHON, Backend, compiled


@pytest.fixture(params=["cython", "python"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """The compiled kernel, then the plain one."""
    return compiled() if request.param == "cython" else PYTHON


@pytest.fixture
def kernel() -> Backend:
    """The compiled kernel alone, for tests that compare it with the plain one."""
    return compiled()
