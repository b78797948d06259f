"""The oracle itself: it repeats what was recorded, and tells what cannot be played."""

import gzip
import json
import subprocess
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.kit.cluster.build import DEFAULT_VERSION, RELEASES
from tests.kit.go_build import missing_go
from tests.kit.golden import KUBELET as GOLDEN
from tests.kit.golden import scenarios
from tests.kit.kubelet_nodes import A, config, container
from tests.kit.oracle.kubelet import build
from tests.kit.oracle.kubelet.process import Oracle, OracleFailed

#: Every how many-th recorded scenario is played: all of them take a minute.
STRIDE = 5


def life(*steps: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {"name": "n", "kubelet": config("R", "0,16") | settings, "machine": A, "steps": list(steps)}


def admit(uid: str, spelled: str, **more: Any) -> dict[str, Any]:
    return {"admit": {"uid": uid, "spec": {"containers": [container("c0", spelled)]}, **more}}


@pytest.mark.parametrize("name", ["vm.jsonl.gz", "random.jsonl.gz", "align-1.36.2.jsonl.gz"])
def test_repeats_the_golden_data(name: str, oracle: Oracle) -> None:
    """With its answers taken out, a recorded scenario comes back exactly as it was recorded."""
    for recorded in islice(scenarios(GOLDEN / name), 0, None, STRIDE):
        asked = recorded | {"steps": [_without_answer(step) for step in recorded["steps"]]}
        assert oracle.play(asked) == recorded


def _without_answer(step: dict[str, Any]) -> dict[str, Any]:
    return {"state": {}} if "state" in step else {name: value for name, value in step.items() if name != "observed"}


def test_reads_files_and_standard_input(oracle_binary: Path, tmp_path: Path) -> None:
    """A file, a compressed file and standard input give the same answers; what is not read is kept."""
    line = (json.dumps(life(admit("p", "4c/1Gi"), {"state": {}}) | {"comment": "kept"}) + "\n").encode()
    plain, packed = tmp_path / "s.jsonl", tmp_path / "s.jsonl.gz"
    plain.write_bytes(line)
    packed.write_bytes(gzip.compress(line))
    answers = {
        subprocess.run([oracle_binary, *arguments], input=line, capture_output=True, check=True).stdout
        for arguments in ([], [plain], [packed])
    }
    assert len(answers) == 1
    answer = json.loads(answers.pop())
    assert answer["comment"] == "kept"
    assert answer["steps"][0]["observed"]["containers"]["c0"]["cpus"] == "1-2,17-18"


def test_restart_keeps_what_pods_hold(oracle: Oracle) -> None:
    """New managers on the same files admit all pods again, with the same CPUs and memory, and sweep only then."""
    played = oracle.play(life(admit("a", "4c/1Gi"), admit("b", "2c/1Gi"), {"remove": "a"}, {"restart": True}))
    answers = played["steps"][-1]["observed"]
    assert list(answers) == ["b"]
    before, after = played["steps"][1]["observed"]["containers"]["c0"], answers["b"]["containers"]["c0"]
    assert (after["cpus"], after["memory"]) == (before["cpus"], before["memory"])


def test_start_releases_memory_of_init_containers(oracle: Oracle) -> None:
    """Once the app container runs, an init container that is over holds no memory; a restart asks for it anew."""
    spec = {"initContainers": [container("i0", "1c/9Gi")], "containers": [container("c0", "1c/1Gi")]}
    state: dict[str, Any] = {"state": {}}
    pod = {"admit": {"uid": "p", "spec": spec}}
    played = oracle.play(life(pod, state, {"start": "p"}, state, {"restart": True}))
    assert [step["state"]["memory"]["0"]["assignments"] for step in played["steps"] if "state" in step] == [2, 1]
    assert played["steps"][-1]["observed"]["p"]["containers"]["i0"]["memory"][0]["Mi"] == 9 * 1024


def test_a_node_that_does_not_start(oracle: Oracle) -> None:
    """The reason is told, and no step is played."""
    played = oracle.play(life(admit("p", "4c/1Gi"), topologyManagerPolicy="strict"))
    assert "unknown policy" in played["startError"]
    assert played["steps"] == []


def test_a_restart_that_fails(oracle: Oracle) -> None:
    """With every CPU given out the state file is refused: the life ends there."""
    everything = [admit("a", "14c/1Gi"), admit("b", "16c/1Gi")]
    # The reserved CPUs leave the shared pool with strict-cpu-reservation.
    options = {"strict-cpu-reservation": "true"}
    played = oracle.play(life(*everything, {"restart": True}, {"state": {}}, cpuManagerPolicyOptions=options))
    assert "default cpuset cannot be empty" in played["steps"][-1]["startError"]
    assert len(played["steps"]) == 3


def test_a_scenario_that_is_none(oracle_binary: Path) -> None:
    """The oracle ends and its words are told; the next scenario gets a new process."""
    with Oracle(binary=oracle_binary) as own:
        with pytest.raises(OracleFailed, match="line 1: step 0: no step that is known"):
            own.play(life({"sleep": 1}))
        assert own.play(life())["steps"] == []


def test_without_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A missing toolchain is named, with the remedy."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "CACHE", tmp_path)
    assert build.main([]) == 1
    assert "Go 1.26 or newer (none found" in capsys.readouterr().err


def test_an_old_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A toolchain that is too old is told with its version."""
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho go1.21.3\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert "found go1.21.3" in missing_go()


def test_the_stamp_knows_the_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A change in the oracle's or the driver's sources asks for another build."""
    release = RELEASES[DEFAULT_VERSION]
    before = build._fingerprint(release)
    assert before == build._fingerprint(release)
    for source in build.DRIVER.glob("*.go"):
        (tmp_path / source.name).write_text(source.read_text() + "// another line\n")
    monkeypatch.setattr(build, "DRIVER", tmp_path)
    assert build._fingerprint(release) != before
