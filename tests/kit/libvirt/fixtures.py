"""The real libvirt as a fixture; tests/conftest.py imports it.

Its Python bindings come from the distribution, for the system's interpreter. In CI (CI=true) root installs a missing
package by apt, and a machine where that fails fails the tests; elsewhere they skip, and the summary says so.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import pytest

__all__ = ["Judge", "libvirt_judge", "say_what_did_not_run"]

#: Takes documents, gives per document {"xml": ..} or {"error": ..}.
Judge = Callable[[Iterable[str]], list[dict[str, Any]]]

PYTHON: Final = "/usr/bin/python3"
PACKAGE: Final = "python3-libvirt"
#: What the package recommends is a whole hypervisor: not needed.
_INSTALL: Final = ("install", "-y", "--no-install-recommends", PACKAGE)
_SCRIPT: Final = Path(__file__).with_name("judge.py")
_SKIPPED = pytest.StashKey[str]()


def say_what_did_not_run(reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The summary's section, where libvirt was not asked."""
    if why := config.stash.get(_SKIPPED, ""):
        reporter.section("NOT RUN: the tests on the real libvirt", yellow=True, bold=True)
        reporter.write_line(f"{why}. On Debian and Ubuntu: apt-get install --no-install-recommends {PACKAGE}")


@pytest.fixture(scope="session")
def libvirt_judge(request: pytest.FixtureRequest) -> Judge:
    """libvirt's test driver: documents in, its answers out."""
    if why := _missing():
        if os.environ.get("CI") != "true":
            request.config.stash[_SKIPPED] = why
            pytest.skip(f"{why}: {PACKAGE}")
        _install(request.config)
        if why := _missing():
            pytest.fail(f"{why}, although {PACKAGE} was installed")
    return _judge


def _missing() -> str:
    """Why libvirt cannot be asked; empty when it can."""
    if not Path(PYTHON).exists():
        return f"there is no {PYTHON}"
    tried = subprocess.run([PYTHON, "-c", "import libvirt"], capture_output=True, text=True, check=False)
    return f"{PYTHON} cannot import libvirt" if tried.returncode else ""


def _install(config: pytest.Config) -> None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        pytest.fail(f"CI needs {PACKAGE}, and only root with apt-get can install it here")
    # Lists of packages may be missing or old in a fresh container: then they are fetched, and it is tried again.
    if _run(config, [apt, *_INSTALL]).returncode:
        _run(config, [apt, "update"])
        done = _run(config, [apt, *_INSTALL])
        if done.returncode:
            pytest.fail(f"{PACKAGE} cannot be installed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def _run(config: pytest.Config, command: list[str]) -> subprocess.CompletedProcess[str]:
    _say(config, f"the tests on the real libvirt: {' '.join(command)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def _say(config: pytest.Config, text: str) -> None:
    """Print at once, past the capture that a fixture runs under."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    capture = config.pluginmanager.getplugin("capturemanager")
    if reporter is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(text)


def _judge(documents: Iterable[str]) -> list[dict[str, Any]]:
    lines = "".join(json.dumps({"xml": document}) + "\n" for document in documents)
    asked = subprocess.run([PYTHON, str(_SCRIPT)], input=lines, capture_output=True, text=True, check=False)
    if asked.returncode:
        pytest.fail(f"libvirt's judge ended with {asked.returncode}:\n{asked.stderr[-4000:]}")
    _, *answers = [json.loads(line) for line in asked.stdout.splitlines()]
    return answers
