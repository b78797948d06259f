"""Builds actionlint from the sources that tests/package/actionlint pins, or reuses it."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

from tests.package.tree import ROOT

__all__ = ["GO", "ensure_linter", "missing_go"]

SOURCE: Final = Path(__file__).parent / "actionlint"
CACHE: Final = ROOT / ".cache" / "actionlint"
PACKAGE: Final = "github.com/rhysd/actionlint/cmd/actionlint"
#: As the control plane of the tests: one Go builds everything.
GO: Final = (1, 26)


def missing_go() -> str:
    """Name what is missing to build the linter, with the remedy; empty when all is there."""
    wanted = f"Go {GO[0]}.{GO[1]} or newer"
    go = shutil.which("go")
    if go is None:
        return f"{wanted} (none found; https://go.dev/dl/)"
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    found = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, env=environment, check=False)
    version = re.match(r"go(\d+)\.(\d+)", found.stdout)
    if version is not None and (int(version[1]), int(version[2])) < GO:
        return f"{wanted} (found {found.stdout.strip()}; https://go.dev/dl/)"
    return ""


def ensure_linter() -> Path:
    """The binary. The first build takes some seconds and the module proxy, later ones neither."""
    CACHE.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(b"".join((SOURCE / name).read_bytes() for name in ("go.mod", "go.sum"))).hexdigest()
    binary = CACHE / f"actionlint-{digest[:16]}"
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not binary.exists():
            fresh = CACHE / "actionlint.new"
            command = ["go", "build", "-trimpath", "-buildvcs=false", "-mod=readonly", "-o", str(fresh), PACKAGE]
            environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}
            done = subprocess.run(command, cwd=SOURCE, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            fresh.rename(binary)
    return binary
