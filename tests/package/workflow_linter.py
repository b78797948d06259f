"""Builds actionlint from the sources that tests/package/actionlint pins, or reuses it."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.kit.go_build import CACHE, Program

__all__ = ["ensure_linter"]

SOURCE: Final = Path(__file__).parent / "actionlint"
PACKAGE: Final = "github.com/rhysd/actionlint/cmd/actionlint"


def _command(output: Path) -> Sequence[str]:
    return ["go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-o", str(output), PACKAGE]


def _fingerprint() -> str:
    """Hash what the build reads; go.sum pins the sources."""
    return hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in ("go.mod", "go.sum"))).hexdigest()


def ensure_linter() -> Path:
    """The binary. The first build takes some seconds and the module proxy, later ones neither."""
    return Program("actionlint", CACHE / "actionlint", "actionlint", SOURCE, _command, _fingerprint).ensure(print)
