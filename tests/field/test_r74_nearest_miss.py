"""Refused nodes stand in the order in which they nearly fit."""

import json
from copy import deepcopy
from pathlib import Path

from tests.kit.field import Content, of_kind, run, run_changed

CASE = "r74-nearest-miss"


def test_the_nearest_node_is_first() -> None:
    """One page of sixteen lacks on b-near, nine CPUs of seventeen on a-far."""
    said = run(CASE, "explain", "--snapshot", "miss.json", "vms/big")
    assert list(said.nodes()) == ["b-near", "a-far"]
    assert said.nodes()["b-near"]["nearest"] == "zone 0 lacks 1 x 1Gi pages"
    assert said.nodes()["a-far"]["nearest"] == "zone 1 lacks 9 CPUs"


def test_it_is_told() -> None:
    """In the table's details as well."""
    said = run(CASE, "explain", "--snapshot", "miss.json", "vms/big", output="table")
    assert "nearest: zone 0 lacks 1 x 1Gi pages" in said.text


def test_a_node_that_could_ever_take_it_is_before_one_that_never_can(tmp_path: Path) -> None:
    """z-busy lacks 13 CPUs now, for other pods hold them; b-near lacks a page for ever."""

    def busy(content: Content) -> None:
        node = deepcopy(next(each for each in of_kind(content, "Node") if each["metadata"]["name"] == "b-near"))
        node["metadata"] |= {"name": "z-busy", "uid": "9f0c21be"}
        machine = json.loads(node["metadata"]["annotations"]["fastfit.dev/machine"])
        for zone in machine["numa"]:
            zone["hugepages"]["1Gi"] = 32
        node["metadata"]["annotations"]["fastfit.dev/machine"] = json.dumps(machine)
        amounts = {"cpu": "28", "memory": "1Gi"}
        pods = [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": "apps", "uid": name},
                "spec": {
                    "nodeName": "z-busy",
                    "containers": [{"name": "c", "resources": {"requests": amounts, "limits": amounts}}],
                },
                "status": {"phase": "Running", "qosClass": "Guaranteed", "startTime": "2026-09-01T08:00:00Z"},
            }
            for name in ("one", "two")
        ]
        content["items"] += [node, *pods]

    said = run_changed(tmp_path, CASE, "miss.json", busy, "explain", "vms/big")
    assert list(said.nodes()) == ["z-busy", "b-near", "a-far"]
    assert said.nodes()["z-busy"]["nearest"] == "zone 1 lacks 13 CPUs"
