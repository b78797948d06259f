"""`fastfit snapshot --anonymise`: no name is left, and `explain` gives the same answer."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from extender.cache.nodes.fingerprint import ATTRIBUTE, fingerprint
from extender.cli import program
from extender.cli.cluster import cluster_of
from extender.placement.answer_json import as_json
from extender.placement.explain import explain
from extender.runtime import live
from extender.runtime.settings import settings_for
from extender.sample.generate import CLUSTER
from extender.snapshot import Snapshot, read, write
from extender.snapshot.anonymise import anonymise

FIELD = Path(__file__).parents[1] / "field"
ITEMS: list[dict[str, Any]] = orjson.loads(CLUSTER.read_bytes())["items"]


def _anonymous(path: Path, tmp_path: Path) -> Snapshot:
    before = orjson.loads(path.read_bytes())
    head = before.get("extender") or {}
    objects, settings = anonymise(before["items"], head.get("settings"))
    write(tmp_path / "a.json", objects, {**head, **({"settings": settings} if settings is not None else {})})
    return read(tmp_path / "a.json")


def _answers(snapshot: Snapshot) -> list[dict[str, Any]]:
    cluster = cluster_of(snapshot, settings_for(None, snapshot))
    waiting = (pod for pod in snapshot.pods() if not pod.spec.node_name)
    return [orjson.loads(as_json(explain(cluster, pod))) for pod in waiting]


def _numbers(answer: Any, key: str = "") -> Any:
    """An answer without the values that are names or sentences."""
    if isinstance(answer, dict):
        return {inner: _numbers(each, inner) for inner, each in answer.items()}
    if isinstance(answer, list):
        return [_numbers(each, key) for each in answer]
    return answer if not isinstance(answer, str) or key in ("verdict", "code", "outcome", "mode", "role") else ""


def _files() -> list[Path]:
    files = [path for path in FIELD.rglob("*.json") if b'"NodeResourceTopology"' in path.read_bytes()]
    return [CLUSTER, *sorted(path for path in files if b'"items"' in path.read_bytes())]


@pytest.mark.parametrize("path", _files(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_explain_gives_the_same_answer(path: Path, tmp_path: Path) -> None:
    """Every waiting pod: nodes of the same verdict, code, zones and scores."""
    before, after = _answers(read(path)), _answers(_anonymous(path, tmp_path))
    assert [_unordered(_numbers(one)) for one in after] == [_unordered(_numbers(one)) for one in before]


def _unordered(answer: dict[str, Any]) -> dict[str, Any]:
    """Among equal nodes the pod's UID and the node's name decide, and names are other ones now."""
    nodes = [{key: value for key, value in node.items() if key != "score"} for node in answer["nodes"]]
    scores = sorted(node["score"] for node in answer["nodes"])
    return {**answer, "nodes": sorted(map(orjson.dumps, nodes)), "scores": scores}


def test_no_name_is_left(tmp_path: Path) -> None:
    """Of namespaces, nodes, pods and VMs of the sample nothing is in the file."""
    _anonymous(CLUSTER, tmp_path)
    text = (tmp_path / "a.json").read_text()
    for obj in ITEMS:
        meta = obj["metadata"]
        for name in (meta["name"], meta.get("namespace", "")):
            assert not name or f'"{name}"' not in text, name


def _node(name: str, **labels: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def test_order_and_sameness_are_kept() -> None:
    """Names sort as before, and one name has one stand-in wherever it stands."""
    nodes = [_node(name, **{"kubernetes.io/hostname": name}) for name in ("z-9", "a-1", "m-5")]
    pod = {"kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": {"nodeName": "m-5"}}
    (z, a, m, p), _ = anonymise([*nodes, pod], None)
    assert [o["metadata"]["name"] for o in (a, m, z)] == ["node-0001", "node-0002", "node-0003"]
    assert p["spec"]["nodeName"] == "node-0002"
    assert m["metadata"]["labels"] == {"kubernetes.io/hostname": "node-0002"}


def test_labels_that_decide_stay_and_others_go() -> None:
    """Pools of the settings still choose the same nodes."""
    settings = {"pools": [{"name": "payroll", "selector": {"matchLabels": {"example.com/team": "payroll"}}}]}
    node = _node("a", **{"example.com/team": "payroll", "kubevirt.io/cpumanager": "true"})
    (found,), changed = anonymise([node], settings)
    labels = found["metadata"]["labels"]
    assert labels.pop("kubevirt.io/cpumanager") == "true"
    assert changed is not None
    assert changed["pools"][0]["selector"]["matchLabels"] == labels
    assert b"payroll" not in orjson.dumps([found, changed])
    assert b"example" not in orjson.dumps([found, changed])


def test_free_text_keeps_words_and_numbers_alone() -> None:
    """Names in it get their stand-in, what looks like a name of something else goes."""
    message = "Pod was rejected: node a-1 of payroll-db has 3 hugepages-1Gi, see https://wiki.example.com/x-1"
    pod = {
        "kind": "Pod",
        "metadata": {"name": "payroll-db", "namespace": "n"},
        "status": {"phase": "Failed", "reason": "TopologyAffinityError", "message": message},
    }
    (_, found), _ = anonymise([_node("a-1"), pod], None)
    assert found["status"]["reason"] == "TopologyAffinityError"
    told = found["status"]["message"]
    assert told.startswith("Pod was rejected: node node-0001 of pod-0001 has 3 hugepages-1Gi, see")
    assert "example" not in told


def test_a_fingerprint_follows_the_names() -> None:
    """One that is of the node's pods becomes that of the stand-ins; any other matches nothing."""
    pods = [
        {"kind": "Pod", "metadata": {"name": name, "namespace": "n"}, "spec": {"nodeName": "a"}} for name in ("x", "y")
    ]
    right = fingerprint((("n", "x"), ("n", "y")))
    for value, matches in ((right, True), ("pfp0v001ffffffffffffffff", False)):
        report = {
            "kind": "NodeResourceTopology",
            "metadata": {"name": "a"},
            "attributes": [{"name": ATTRIBUTE, "value": value}, {"name": "owner", "value": "payroll"}],
        }
        (found, *_), _ = anonymise([report, *pods], None)
        made = fingerprint((("namespace-0001", "pod-0001"), ("namespace-0001", "pod-0002")))
        assert (found["attributes"][0]["value"] == made) is matches
        assert found["attributes"][1]["value"] == ""


def test_the_command_has_the_flag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The file holds stand-ins, and explain reads it."""
    monkeypatch.setattr("extender.cli.snapshot.take", lambda _kubeconfig: live.Taken(ITEMS, []))
    path = tmp_path / "s.json"
    done = CliRunner().invoke(program, ["snapshot", "--anonymise", "-o", str(path)])
    assert done.exit_code == 0, done.output
    assert read(path).pods()[0].metadata.namespace.startswith("namespace-")
