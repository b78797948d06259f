"""Line coverage of `extender` and `_fastfit`: `python tools/measure_coverage.py [--html FOLDER] -- [PYTEST ARGUMENT ...]`.

The tests run in a copy of the tree, whose kernel is built with line tracing (FASTFIT_TRACE): it is several times slower,
and the kernel of the tree itself is left as it is. Processes that the tests start are measured too. A test that fails
does not end the measurement, but the exit code tells it.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Large, or made by tools; a Go binary of the tests is not rebuilt only where the copy finds it.
LEFT_OUT = {
    ".cache", ".git", ".hypothesis", ".import_linter_cache", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv",
    "__pycache__", "build", "dist", "htmlcov",
}  # fmt: skip

#: Run before the tests: they must not run on a kernel other than the one just built.
PROBE = """
import pathlib, sys, _fastfit
from _fastfit import _fit
assert _fastfit.BACKEND == "cython", _fastfit.BACKEND
assert pathlib.Path(_fit.__file__).is_relative_to(sys.argv[1]), _fit.__file__
"""


def _ignored(folder: str, names: list[str]) -> set[str]:
    kernel = Path(folder) == ROOT / "_fastfit"
    built = {name for name in names if kernel and name.endswith((".c", ".html", ".so"))}
    return built | (LEFT_OUT & set(names)) | {name for name in names if name.endswith(".egg-info")}


def _run(command: list[str], tree: Path, environment: Mapping[str, str], *, may_fail: bool = False) -> int:
    whole = [sys.executable, *command]
    done = subprocess.run(whole, cwd=tree, env=dict(environment), check=False)  # noqa: S603 - commands of this file
    if done.returncode and not may_fail:
        raise SystemExit(f"{' '.join(command[:6])}: status {done.returncode}")
    return done.returncode


def main() -> None:
    """Builds, runs, reports; ends with pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--html", type=Path, metavar="FOLDER", help="also write pages that show each line")
    parser.add_argument("tests", nargs="*", metavar="PYTEST ARGUMENT")
    options = parser.parse_args()
    if sys.version_info >= (3, 12):
        # From there Cython reports lines to sys.monitoring, where coverage has no plugins.
        raise SystemExit("lines of the compiled kernel can be counted with Python 3.11 only")
    with tempfile.TemporaryDirectory(prefix="fastfit-coverage-") as folder:
        tree = Path(folder).resolve() / "fastfit"
        shutil.copytree(ROOT, tree, ignore=_ignored)
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        environment.pop("FASTFIT_PURE", None)
        build = ["-c", "from setuptools import setup; setup()", "-q", "build_ext", "--inplace"]
        _run(build, tree, {**environment, "FASTFIT_TRACE": "1"})
        _run(["-c", PROBE, str(tree)], tree, environment)
        suite = ["-m", "coverage", "run", "-m", "pytest", "-q", "-p", "no:cacheprovider", *options.tests]
        status = _run(suite, tree, environment, may_fail=True)
        _run(["-m", "coverage", "combine", "-q"], tree, environment)
        _run(["-m", "coverage", "report"], tree, environment)
        if options.html is not None:
            _run(["-m", "coverage", "html", "-q", "-d", str(options.html.resolve())], tree, environment)
        _run(["-m", "coverage", "json", "-q", "-o", "coverage.json"], tree, environment)
        files = json.loads((tree / "coverage.json").read_text(encoding="utf-8"))["files"]
        if not files.get("_fastfit/_fit.pyx", {}).get("summary", {}).get("covered_lines"):
            raise SystemExit("no line of the compiled kernel was counted")
    sys.exit(status)


if __name__ == "__main__":
    main()
