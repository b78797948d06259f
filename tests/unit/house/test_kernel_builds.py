"""The whole kernel suite on the kernel with checks: the debug build, and the sanitizers' build, which is also fuzzed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.kernel_builds import missing

ROOT = Path(__file__).resolve().parents[3]
#: How long the sanitizers' build is fuzzed; CI asks for two minutes.
FUZZ_SECONDS = os.environ.get("FASTFIT_FUZZ_SECONDS", "10")


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("kind", "more"), [("debug", []), ("sanitize", ["--fuzz", FUZZ_SECONDS])])
def test_the_kernel_suite_passes_with_checks(kind: str, more: list[str]) -> None:
    """No test fails, no sanitizer speaks up, no scanner reads where it must not."""
    lacking = missing(kind)
    if lacking and os.environ.get("CI") != "true":
        pytest.skip(f"the {kind} build cannot be made: {lacking}")
    done = subprocess.run(
        [sys.executable, "tools/kernel_builds.py", kind, *more], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
    assert "kernel under test:" in done.stdout
