"""`cpumanager` is the older name of KubeVirt's label `kubevirt.io/cpumanager`, on nodes and in what pods select by.

KubeVirt 1.7 renamed it and writes both on nodes; its pods select by the older one before 1.7, by either in 1.7
(pkg/virt-handler/heartbeat/heartbeat.go). A node is "not static" by evidence alone: a label, its report, or a statement.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.field import FIELD, Said, run

CASE = "f2-old-cpumanager-label"
NODES = [f"harvester-node-{number}" for number in range(3)]
FITS, NOT_STATIC, NOT_KNOWN = ("fits", "Fits"), ("refused", "CpuManagerNotStatic"), ("unknown", "CpuManagerNotKnown")
OLD, NEW = "cpumanager", "kubevirt.io/cpumanager"


def test_the_older_label_says_what_the_newer_one_does() -> None:
    """Nodes 0 and 1 fit, and node 2 is not static."""
    said = run(CASE, "explain", "--snapshot", "snapshot.json", "default/pinned")
    assert said.verdicts() == dict(zip(NODES, (FITS, FITS, NOT_STATIC), strict=True))
    facts = {fact["name"]: (fact["value"], fact["source"]) for fact in said.nodes()[NODES[0]]["facts"]}
    assert facts["cpuManagerPolicy"] == ("static", f"label {OLD}")


def changed(tmp_path: Path, labels: list[dict[str, str]], vmi: bool = True, affinity: bool = False) -> Said:
    """The case with these labels of the three nodes in place of the older one."""
    content: dict[str, Any] = json.loads((FIELD / CASE / "snapshot.json").read_text())
    nodes = [item for item in content["items"] if item["kind"] == "Node"]
    for node, own in zip(nodes, labels, strict=True):
        del node["metadata"]["labels"][OLD]
        node["metadata"]["labels"] |= own
    if not vmi:
        content["items"] = [item for item in content["items"] if item["kind"] != "VirtualMachineInstance"]
    if affinity:
        [pod] = [item for item in content["items"] if item["kind"] == "Pod"]
        del pod["spec"]["nodeSelector"][OLD]
        required = pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        expression = {"key": NEW, "operator": "In", "values": ["true"]}
        required["nodeSelectorTerms"].append({"matchExpressions": [expression]})
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps(content))
    return run(CASE, "explain", "--snapshot", str(path), "default/virt-launcher-pinned-abcde")


def test_the_newer_label_wins(tmp_path: Path) -> None:
    """Releases that no longer write the older one leave it as it was."""
    said = changed(tmp_path, [{OLD: "true", NEW: "false"}, {OLD: "false", NEW: "true"}, {NEW: "true"}])
    assert said.verdicts() == dict(zip(NODES, (NOT_STATIC, FITS, FITS), strict=True))


def test_without_a_label_nothing_is_known(tmp_path: Path) -> None:
    """No label, no report, no statement: unknown, and what would say it is named."""
    said = changed(tmp_path, [{}, {OLD: "true"}, {NEW: "false"}])
    assert said.verdicts() == {NODES[0]: NOT_KNOWN, NODES[1]: FITS, NODES[2]: NOT_STATIC}
    assert "cpuManagerPolicy" in run(CASE, "explain", "--snapshot", str(tmp_path / "snapshot.json"),
                                     "default/pinned", output="table").text  # fmt: skip


@pytest.mark.parametrize("affinity", [False, True], ids=["selector", "affinity of 1.7"])
def test_a_pod_shows_that_it_wants_dedicated_cpus(tmp_path: Path, affinity: bool) -> None:
    """While its VMI is not known: by the older selector, or by an affinity to either label."""
    said = changed(tmp_path, [{OLD: "true"}, {NEW: "true"}, {NEW: "false"}], vmi=False, affinity=affinity)
    assert said.verdicts() == dict(zip(NODES, (FITS, FITS, NOT_STATIC), strict=True))


def test_another_value_says_nothing(tmp_path: Path) -> None:
    """KubeVirt writes `true` and `false`; whatever else somebody wrote is no evidence, and the older name may have some."""
    said = changed(tmp_path, [{OLD: "True"}, {NEW: ""}, {NEW: "yes", OLD: "true"}])
    assert said.verdicts() == {NODES[0]: NOT_KNOWN, NODES[1]: NOT_KNOWN, NODES[2]: FITS}
