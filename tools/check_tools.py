"""Names what this machine lacks to build and run fastfit, with the remedy. Standard library only."""

import os
import shutil
import sys
import sysconfig
from pathlib import Path

OLDEST = (3, 11)


def missing() -> list[str]:
    """One line per thing that is missing."""
    lines = []
    if sys.version_info < OLDEST:
        lines.append(
            f"Python {sys.version.split()[0]} is too old: 3.11 or newer is needed. "
            "Install it and run `make PYTHON=python3.11 ...`."
        )
    if not (Path(sysconfig.get_paths()["include"]) / "Python.h").exists():
        lines.append(
            "The headers of Python are missing (Python.h). "
            "Debian and Ubuntu: apt-get install python3-dev; Fedora and RHEL: dnf install python3-devel."
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        lines.append("Python's venv module is missing. Debian and Ubuntu: apt-get install python3-venv.")
    compiler = os.environ.get("CC", "cc").split()[0]
    if shutil.which(compiler) is None and shutil.which("gcc") is None:
        lines.append(
            f"No C compiler ({compiler}) is found. "
            "Debian and Ubuntu: apt-get install gcc libc6-dev; Fedora and RHEL: dnf install gcc."
        )
    return lines


if __name__ == "__main__":
    found = missing()
    for line in found:
        print(f"make install: {line}", file=sys.stderr)
    sys.exit(1 if found else 0)
