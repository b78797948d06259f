"""NFD's excludeList takes cpu out of a report: no CPUs per zone are known, which is not zero."""

from pathlib import Path

import pytest

from tests.kit.field import Content, of_kind, run, run_changed

CASE = "f7-zones-without-cpu"


def test_a_report_without_cpus_leaves_the_node_unknown() -> None:
    """nfd-x names memory and pages alone; nfd-y, a node with huge pages, names CPUs alone."""
    said = run(CASE, "explain", "--snapshot", "snapshot.json", "vms/nodev")
    assert said.verdicts() == {
        "nfd-x": ("unknown", "CpusNotReported"),
        "nfd-y": ("unknown", "MemoryManagerNotKnown"),
    }


def test_the_cause_is_named() -> None:
    """No word of CPUs that the zones do not have."""
    text = run(CASE, "explain", "--snapshot", "snapshot.json", "vms/nodev", output="table").text
    assert "the report names hugepages-1Gi, memory and no CPUs" in text
    assert "zone 0 has" not in text


@pytest.mark.parametrize("left_out", ["a zone", "the CPUs of a zone"])
def test_a_report_with_fewer_cpus_than_the_node_offers_refuses_nothing(tmp_path: Path, left_out: str) -> None:
    """Under policy none the zone that is not named could have the rest."""

    def change(content: Content) -> None:
        (report,) = of_kind(content, "NodeResourceTopology")
        report["topologyPolicies"], report["attributes"] = ["None"], []
        if left_out == "a zone":
            del report["zones"][1]
        else:
            zone = report["zones"][1]
            zone["resources"] = [one for one in zone["resources"] if one["name"] != "cpu"]

    said = run_changed(tmp_path, "f9-milli-cpus", "snapshot.json", change, "explain", "vms/gpuvm")
    (node,) = said.nodes().values()
    assert (node["verdict"], node["code"]) == ("unknown", "CpusNotReported")
    assert "its zones have 15 CPUs in all, 31 are allocatable on the node" in node["text"]


@pytest.mark.parametrize("named", [{"topologyManagerPolicy": "numa-first"}, {"topologyManagerScope": "socket"}])
def test_a_policy_or_scope_that_is_not_known_is_named(tmp_path: Path, named: dict[str, str]) -> None:
    """Nothing older in the report stands in for it."""

    def change(content: Content) -> None:
        (report,) = of_kind(content, "NodeResourceTopology")
        words = {"topologyManagerPolicy": "single-numa-node", "topologyManagerScope": "container", **named}
        report["attributes"] = [{"name": name, "value": value} for name, value in words.items()]

    said = run_changed(tmp_path, "f9-milli-cpus", "snapshot.json", change, "explain", "vms/gpuvm15")
    (node,) = said.nodes().values()
    ((name, value),) = named.items()
    assert (node["verdict"], node["code"]) == ("unknown", "PolicyNotKnown")
    assert f"{name}: the report names {value!r}, which is not known" in node["text"]
