"""Files of the repository, and what becomes of a test that lacks a tool."""

import os
import sys
import tomllib
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml

__all__ = ["GITHUB", "ROOT", "lacking", "load_yaml", "program", "pyproject"]

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"


def pyproject() -> dict[str, Any]:
    """pyproject.toml, decoded."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def load_yaml(path: Path) -> dict[str, Any]:
    """One YAML mapping."""
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict), path
    return found


def program(name: str) -> Path:
    """A program that the lock files bring, beside the interpreter that runs the tests."""
    return Path(sys.executable).parent / name


def lacking(what: str) -> NoReturn:
    """Something that the test needs is not here: skip aloud, or fail where CI is to have it."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
