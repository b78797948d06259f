"""The oracle itself: it repeats what was recorded, and tells what cannot be played."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.kubevirt.replay import ANSWERS
from tests.kit.golden import KUBEVIRT as GOLDEN
from tests.kit.golden import cases
from tests.kit.oracle.kubevirt import build as kubevirt_build
from tests.kit.oracle.kubevirt.process import KubevirtOracle, OracleFailed


def scenario(name: str) -> dict[str, Any]:
    """A recorded scenario without its answers."""
    found = next(case for _, case in cases(GOLDEN / "scenarios.jsonl.gz") if case["name"] == name)
    return {key: value for key, value in found.items() if key not in ANSWERS}


@pytest.mark.parametrize("name", ["scenarios", "boot", "migration"])
def test_repeats_the_golden_data(name: str, kubevirt_oracle: KubevirtOracle) -> None:
    """With its answers taken out, every recorded case comes back as it was recorded, libvirt's verdict aside."""
    for where, recorded in cases(GOLDEN / f"{name}.jsonl.gz"):
        asked = {key: value for key, value in recorded.items() if key not in ANSWERS}
        assert kubevirt_oracle.play(asked) == {k: v for k, v in recorded.items() if k != "libvirt"}, where


def test_stale_answers_are_replaced(kubevirt_oracle: KubevirtOracle) -> None:
    """Answers that a case came with are gone, other fields stay."""
    stale = scenario("A") | {"observed": {"error": "no"}, "observedBoot": {}, "libvirt": "accepted", "comment": "kept"}
    assert kubevirt_oracle.play(stale) == kubevirt_oracle.play(scenario("A")) | {"comment": "kept"}


def test_a_panic_is_told(kubevirt_oracle: KubevirtOracle) -> None:
    """IO threads that share the CPUs of a cpuset that is too short crash KubeVirt's code; the oracle lives on."""
    vm = {"sockets": 3, "cores": 1, "threads": 2, "memory": "6Gi", "passthrough": False}
    case = scenario("A") | {"cpuset": "2-6", "vm": vm | {"ioThreadsPolicy": "auto", "disks": 3}}
    answer = kubevirt_oracle.play(case)
    assert "out of range" in answer["panic"]
    assert "observed" not in answer
    assert "observed" in kubevirt_oracle.play(scenario("A"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cpuset": "2-x"}, "cpuset"),
        ({"vm": {"sockets": 0, "cores": 1, "threads": 1, "memory": "1Gi"}}, "at least 1"),
        ({"vm": {"sockets": 1, "cores": 1, "threads": 1, "memory": "much"}}, "memory"),
    ],
)
def test_what_is_no_case_ends_it(kubevirt_binary: Path, change: dict[str, Any], words: str) -> None:
    """The line is named, and why."""
    with KubevirtOracle(kubevirt_binary) as oracle:
        with pytest.raises(OracleFailed, match=rf"line 1: .*{words}"):
            oracle.play(scenario("A") | change)


def test_a_last_line_needs_no_end(kubevirt_binary: Path) -> None:
    """Blank lines are passed over and a last line may lack its line feed."""
    text = "\n" + json.dumps(scenario("A"))
    answered = subprocess.run([kubevirt_binary], input=text, capture_output=True, text=True, check=True).stdout
    assert json.loads(answered)["observed"]["pins"] == list(range(2, 10))


def test_a_change_of_the_sources_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each source, go.mod and go.sum count for the stamp."""
    before = kubevirt_build._fingerprint()
    for path in [*kubevirt_build.SOURCE.glob("*.go"), *kubevirt_build.SOURCE.glob("go.*")]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(kubevirt_build, "SOURCE", tmp_path)
    assert kubevirt_build._fingerprint() == before
    for name in ("main.go", "go.mod", "go.sum"):
        with (tmp_path / name).open("a") as source:
            source.write("\n")
        assert kubevirt_build._fingerprint() != before
        before = kubevirt_build._fingerprint()


def test_without_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The builder says what is missing and where it is to be had."""
    monkeypatch.setattr(kubevirt_build, "CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kubevirt_build.main([]) == 1
    assert "Go 1.26 or newer (none found; https://go.dev/dl/)" in capsys.readouterr().err
