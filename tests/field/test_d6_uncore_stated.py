"""A CPU Manager option that counts do not decide, on a node whose machine is stated."""

import json
from pathlib import Path

import pytest

from tests.kit.field import Content, of_kind, run, run_changed

CASE = "d6-uncore-stated"


def test_the_twin_decides() -> None:
    """41 CPUs by uncore caches: 25 and 16 in the two zones, and 40 pages of the guest in each."""
    said = run(CASE, "explain", "--snapshot", "r5b.json", "vms/b")
    node = said.nodes()["unc"]
    assert said.verdicts()["unc"] == ("fits", "Fits")
    assert [zone["cpusGiven"] for zone in node["perZone"]] == [25, 16]
    assert [zone["memoryGiven"]["hugepages-1Gi"] >> 30 for zone in node["perZone"]] == [40, 40]


def test_the_remedy_is_not_what_is_stated() -> None:
    """The machine is stated."""
    said = run(CASE, "explain", "--snapshot", "r5b.json", "vms/b", output="wide")
    assert "state the machine" not in said.text


@pytest.mark.parametrize(
    ("option", "cpus", "given"),
    [
        # Zone 1 has four cores less than zone 0.
        ("prefer-align-cpus-by-uncorecache", 33, [16, 17]),
        ("distribute-cpus-across-numa", 33, [17, 16]),
        ("distribute-cpus-across-cores", 40, [18, 22]),
        ("full-pcpus-only", 40, [18, 22]),
    ],
)
def test_uneven_zones(tmp_path: Path, option: str, cpus: int, given: list[int]) -> None:
    """As the kubelet's CPU Manager takes them from the stated machine."""

    def uneven(content: Content) -> None:
        [node], [vmi], [pod] = (of_kind(content, kind) for kind in ("Node", "VirtualMachineInstance", "Pod"))
        stated = node["metadata"]["annotations"]
        machine, kubelet = json.loads(stated["fastfit.dev/machine"]), json.loads(stated["fastfit.dev/kubelet"])
        del machine["numa"][1]["cores"][-4:]
        kubelet["cpuManagerPolicyOptions"] = {option: "true"}
        stated |= {"fastfit.dev/machine": json.dumps(machine), "fastfit.dev/kubelet": json.dumps(kubelet)}
        vmi["spec"]["domain"]["cpu"]["sockets"] = cpus - 1
        for amounts in pod["spec"]["containers"][0]["resources"].values():
            amounts["cpu"] = str(cpus)

    node = run_changed(tmp_path, CASE, "r5b.json", uneven, "explain", "vms/b").nodes()["unc"]
    assert node["verdict"] == "fits"
    assert [zone["cpusGiven"] for zone in node["perZone"]] == given
