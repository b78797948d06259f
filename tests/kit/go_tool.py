"""What tests do that need a binary built with Go: build it before the first test, or say aloud that they did not run."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.go_build import BuildError

__all__ = ["GoTool"]


class GoTool:
    """One binary. `what` names it in messages; `fixture` is the one that gives it, `missing` says what the machine lacks
    to build it, `ensure` builds it.
    """

    def __init__(self, what: str, fixture: str, missing: Callable[[], str], ensure: Callable[..., Path]) -> None:
        self._what = what
        self._fixture = fixture
        self._missing = missing
        self._ensure = ensure
        self._skipped = pytest.StashKey[str]()

    def build_before(self, session: pytest.Session) -> None:
        """Build before the first test starts: a first build takes minutes, and a test has a timeout."""
        needed = any(self._fixture in getattr(item, "fixturenames", ()) for item in session.items)
        if session.config.option.collectonly or not needed:
            return
        missing = self._missing()
        if not missing:
            reporter = session.config.pluginmanager.getplugin("terminalreporter")
            try:
                self._ensure(say=reporter.write_line if reporter is not None else print)
            except BuildError as error:
                raise pytest.UsageError(str(error)) from error
        elif os.environ.get("CI") != "true":
            session.config.stash[self._skipped] = missing

    def say_what_did_not_run(self, reporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """The summary's section."""
        if missing := config.stash.get(self._skipped, ""):
            reporter.section(f"NOT RUN: the tests on {self._what}", yellow=True, bold=True)
            reporter.write_line(f"They need {missing}.")

    def binary(self) -> Path:
        """The binary; without the tools the test skips, in CI it fails."""
        if missing := self._missing():
            text = f"{self._what}: they need {missing}"
            if os.environ.get("CI") == "true":
                pytest.fail(text)
            pytest.skip(text)
        return self._ensure()
