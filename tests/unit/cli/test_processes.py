"""`demo` and `serve` as processes: what they print, what they answer, and how they end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from extender import names
from extender.sample.generate import CLUSTER, FILTER_BODY

ROOT = Path(__file__).parents[3]
FASTFIT = [sys.executable, "-c", "from extender.cli import main; main()"]


@contextmanager
def _process(*args: str) -> Iterator[subprocess.Popen[str]]:
    """A fastfit process that is gone afterwards, whatever happens."""
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}
    with subprocess.Popen(
        [*FASTFIT, *args], cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def _urls(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Both ports of a server, from the line that it logs when it serves."""
    assert process.stderr is not None
    for line in process.stderr:
        event = json.loads(line)
        if event["event"] == "serving":
            return event["scheduler"], event["operations"]
    raise AssertionError("the server ended before it served")


def _call(url: str, body: bytes | None = None) -> tuple[int, Any]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as reply:
            text = reply.read()
            return reply.status, json.loads(text) if reply.headers["Content-Type"] == "application/json" else text
    except urllib.error.HTTPError as error:
        with error:
            return error.code, None


def test_the_demo_shows_every_waiting_vm_and_its_curl_line_works() -> None:
    """Five tables; one line that begins with curl and works in a shell from anywhere; Ctrl-C ends it well."""
    if shutil.which("curl") is None:
        assert not os.environ.get("CI"), "curl is missing: install it"
        pytest.skip("curl is not installed: the demo's own line cannot be tried")
    with _process("demo", "--bind", "127.0.0.1:0") as process:
        assert process.stdout is not None
        shown = []
        # The line must come through a pipe while the process runs on: it is flushed.
        for line in process.stdout:
            shown.append(line)
            if line.startswith("curl "):
                break
        tables = [line for line in shown if line.startswith("Pod vms/virt-launcher-")]
        assert len(tables) == 5
        assert sum(line.startswith("NODE ") for line in shown) >= 4
        reply = subprocess.run(shown[-1], shell=True, cwd="/", check=True, capture_output=True).stdout
        answer = json.loads(reply)
        assert "xeon-1" in answer["NodeNames"]
        assert answer["FailedAndUnresolvableNodes"]["plain-1"] == "CPU Manager is not static"
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
        assert process.returncode == 0
        assert "curl " not in rest
        assert "Traceback" not in errors


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, str]]:
    """A snapshot, served by one process for all tests that only ask."""
    with _process("serve", "--snapshot", str(CLUSTER), "--bind", "127.0.0.1:0", "--ops-bind", "127.0.0.1:0") as process:
        yield _urls(process)


def test_a_snapshot_is_served_like_a_cluster(served: tuple[str, str]) -> None:
    """Filter and prioritize answer, exactly one node gets 10, and it is one that filter kept."""
    kept = _call(served[0] + "/filter", FILTER_BODY.read_bytes())[1]["NodeNames"]
    call = json.loads(FILTER_BODY.read_bytes()) | {"NodeNames": kept}
    scores = {entry["Host"]: entry["Score"] for entry in _call(served[0] + "/prioritize", json.dumps(call).encode())[1]}
    best = [host for host, score in scores.items() if score == 10]
    assert len(best) == 1
    assert best[0] in kept


def test_a_snapshot_is_ready_and_counted(served: tuple[str, str]) -> None:
    """Probes, metrics, decisions and explain work offline; no metric has the name of a VM or a node."""
    _call(served[0] + "/filter", FILTER_BODY.read_bytes())
    assert _call(served[1] + "/readyz")[0] == 200
    assert _call(served[1] + "/livez")[0] == 200
    page = _call(served[1] + "/metrics")[1].decode()
    assert 'fastfit_requests_total{outcome="ok",verb="filter"}' in page
    assert 'fastfit_verdicts_total{reason="CpuManagerNotStatic",verdict="refused"}' in page
    assert "frontdesk" not in page
    assert "xeon-1" not in page
    pod = json.loads(FILTER_BODY.read_bytes())["Pod"]["metadata"]
    decisions = _call(f"{served[1]}/debug/decisions?pod={pod['namespace']}/{pod['name']}")[1]["decisions"]
    assert decisions[0]["verb"] in ("filter", "prioritize")
    assert decisions[0]["best"]
    explained = _call(f"{served[1]}/debug/explain?pod={pod['namespace']}/{pod['name']}")[1]
    assert {node["node"] for node in explained["nodes"]} >= {"xeon-1", "plain-1"}
    assert _call(f"{served[1]}/debug/explain?pod=a/b")[0] == 404


def test_serve_ends_well_on_sigterm(tmp_path: Path) -> None:
    """SIGTERM drains, closes and exits with 0; the last line of the log says so."""
    config = tmp_path / "c.yaml"
    config.write_text(
        f"apiVersion: {names.API_VERSION}\nkind: {names.CONFIG_KIND}\nmode: observe\nserver: {{drainSeconds: 0}}\n"
    )
    binds = ("--bind", "127.0.0.1:0", "--ops-bind", "127.0.0.1:0")
    with _process("serve", "--snapshot", str(CLUSTER), "--config", str(config), *binds) as process:
        scheduler, _ = _urls(process)
        answer = _call(scheduler + "/filter", FILTER_BODY.read_bytes())[1]
        assert len(answer["NodeNames"]) == 12, "observe keeps every node"
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        assert json.loads(errors.splitlines()[-1])["event"] == "stopped"
