"""Builds the kernel with checks, in a copy of the tree, and runs its tests there: `python tools/kernel_builds.py KIND`.

debug: bounds, initialisation and integer overflow are checked (FASTFIT_DEBUG). sanitize: the address and undefined-
behaviour sanitizers of the C compiler (FASTFIT_SANITIZE), preloaded into the interpreter. The tree itself is left as it
is, for a kernel with checks is many times slower.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: What the kernel's tests and the fuzzer import.
PARTS = ("_fastfit", "extender", "tests", "tools", "pyproject.toml", "README.md", "LICENSE")
LIBRARIES = ("libasan.so", "libubsan.so")
SWITCHES = {"debug": "FASTFIT_DEBUG", "sanitize": "FASTFIT_SANITIZE"}

#: Run under the same environment before the tests: they must not pass on a kernel other than the one just built.
PROBE = """
import pathlib, sys, _fastfit
from _fastfit import _fit
path = pathlib.Path(_fit.__file__)
assert _fastfit.BACKEND == "cython", _fastfit.BACKEND
assert path.is_relative_to(sys.argv[1]), path
assert (b"__asan_init" in path.read_bytes()) == (sys.argv[2] == "sanitize"), path
print("kernel under test:", path, flush=True)
"""


def missing(kind: str) -> str:
    """What this machine lacks for a build of that kind; empty when it can be made."""
    compiler = os.environ.get("CC", "cc").split()[0]
    if shutil.which(compiler) is None:
        return f"no C compiler ({compiler}); install gcc"
    absent = [name for name in LIBRARIES if _library(name) is None] if kind == "sanitize" else []
    return f"{compiler} has no {' and no '.join(absent)}; install gcc's sanitizer libraries" if absent else ""


def _library(name: str) -> str | None:
    """The compiler's own path of a library."""
    compiler = os.environ.get("CC", "cc").split()
    command = [*compiler, f"-print-file-name={name}"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - CC is the user's own
    path = found.stdout.strip()
    return path if Path(path).is_absolute() else None


def _environment(kind: str, tree: Path) -> dict[str, str]:
    """Of the tests: the copy comes first on the path; a finding ends the process."""
    chosen = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    chosen.pop("FASTFIT_PURE", None)
    if kind == "sanitize":
        chosen |= {
            "LD_PRELOAD": " ".join(path for name in LIBRARIES if (path := _library(name))),
            # Python's own allocator would hide what is read behind the end of a small object; it also never gives
            # all memory back.
            "PYTHONMALLOC": "malloc",
            "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
            "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
        }
    return chosen


def _run(command: list[str], tree: Path, environment: Mapping[str, str]) -> None:
    whole = [sys.executable, *command]
    done = subprocess.run(whole, cwd=tree, env=dict(environment), check=False)  # noqa: S603 - commands of this file
    if done.returncode:
        raise SystemExit(f"{' '.join(command[:6])}: status {done.returncode}")


def main() -> None:
    """Builds and runs; the first failure ends it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=sorted(SWITCHES))
    parser.add_argument(
        "--fuzz", type=float, default=0, metavar="S", help="then also python -m tests.fuzz for S seconds"
    )
    options = parser.parse_args()
    lacking = missing(options.kind)
    if lacking:
        raise SystemExit(lacking)
    with tempfile.TemporaryDirectory(prefix="fastfit-kernel-") as folder:
        tree = Path(folder)
        ignored = shutil.ignore_patterns("*.so", "*.c", "__pycache__", "*.pyc")
        for part in PARTS:
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, tree / part, ignore=ignored)
            else:
                shutil.copy(ROOT / part, tree / part)
        build = ["-c", "from setuptools import setup; setup()", "-q", "build_ext", "--inplace"]
        _run(build, tree, {**os.environ, SWITCHES[options.kind]: "1", "PYTHONPATH": str(tree)})
        environment = _environment(options.kind, tree)
        _run(["-c", PROBE, str(tree), options.kind], tree, environment)
        # What a sanitizer writes must not end in pytest's own capture.
        suite = [
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            "--capture=sys",
            "--hypothesis-seed=0",
            "tests/unit/kernel",
            "tests/property/kernel",
        ]
        _run(suite, tree, environment)
        if options.fuzz:
            _run(["-m", "tests.fuzz", "--seconds", str(options.fuzz), "--seed", "2"], tree, environment)


if __name__ == "__main__":
    main()
