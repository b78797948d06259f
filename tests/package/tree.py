"""Files of the repository."""

import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml

__all__ = ["GITHUB", "ROOT", "load_yaml", "program", "pyproject"]

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
