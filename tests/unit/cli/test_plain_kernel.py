"""`fastfit serve` says once that the plain kernel runs, where nobody chose it."""

from typing import Any

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

import _fastfit
from extender.cli import program
from extender.sample.generate import CLUSTER


class EndedServer:
    """Is told to stop before it serves anything."""

    async def run(self, *_: object) -> None:
        """Return at once."""


def warnings_of(monkeypatch: pytest.MonkeyPatch, not_loaded: str, *args: str) -> list[dict[str, Any]]:
    """What the command logs before it serves."""
    monkeypatch.setattr(_fastfit, "NOT_LOADED", not_loaded)
    monkeypatch.setattr("extender.cli.serve.setup", lambda *_: None)
    monkeypatch.setattr("extender.runtime.serve.make_server", lambda *_: EndedServer())
    monkeypatch.setattr("extender.runtime.serve.find", lambda _: None)
    with capture_logs() as logs:
        result = CliRunner().invoke(program, ["serve", *args])
    assert result.exit_code == 0, result.output
    return [dict(entry) for entry in logs if entry["log_level"] == "warning"]


@pytest.mark.parametrize("args", [("--snapshot", str(CLUSTER)), ()])
def test_a_kernel_that_does_not_load_is_told(monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]) -> None:
    """Cause and remedy, once; the service runs all the same."""
    [warning] = warnings_of(monkeypatch, "No module named '_fastfit._fit'", *args)
    assert "plain" in warning["event"]
    assert warning["cause"] == "No module named '_fastfit._fit'"
    assert "make install" in warning["remedy"]


def test_a_kernel_that_was_chosen_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled kernel, or FASTFIT_PURE: nothing to say."""
    assert not warnings_of(monkeypatch, "", "--snapshot", str(CLUSTER))
