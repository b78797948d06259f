"""Public reports, rebuilt as inputs in reports/: docs/field-cases.md names each, its right value and the rule behind it.

The right values are those of the real code (Kubernetes 1.36.3 and 1.37.2, KubeVirt 1.9.0), decided before ours ran.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.kit.field import FIELD, Said, run

REPORTS = FIELD / "reports"
PAGE = Path(__file__).parents[2] / "docs" / "field-cases.md"
TAE, UAE, SMT = "TopologyAffinityError", "UnexpectedAdmissionError", "SMTAlignmentError"
FITS = ("fits", "Fits")


@dataclass(frozen=True, slots=True)
class Case:
    """One command on the input of a report; the arguments are those of the page.

    `pods`: of `admit`, per pod its refusal, or the CPUs of each container that holds some. `starts`: words of the rule
    by which the kubelet does not start; empty: it starts. `nodes`: of `explain` and `targets`, (verdict, code) per node.
    `cpus`: CPUs per zone that a node gives. `says`: what the text of the command contains.
    """

    report: str
    command: str
    pods: tuple[str | Mapping[str, str], ...] = ()
    starts: str = ""
    nodes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    cpus: Mapping[str, list[int]] = field(default_factory=dict)
    says: str = ""

    def ask(self, output: str = "json") -> Said:
        name, *arguments = self.command.split()
        given = (
            ["--machine", "machine.json", "--pod", "pods.json"] if name == "admit" else ["--snapshot", "snapshot.json"]
        )
        return run(f"reports/{self.report}", name, *given, *arguments, output=output)


def admit(report: str, *pods: str | Mapping[str, str], by: str = "kubelet.yaml", **more: Any) -> Case:
    """`admit` with one of the report's kubelet files."""
    return Case(report, f"admit --kubelet {by}", pods, **more)


def stops(report: str, words: str, by: str = "kubelet.yaml") -> Case:
    """The kubelet does not start with this file."""
    return Case(report, f"admit --kubelet {by}", starts=words)


def one(report: str, vm: str, verdict: tuple[str, str], node: str = "w", cpus: list[int] | None = None) -> Case:
    """`explain` on a cluster of one node."""
    return Case(report, f"explain vms/{vm}", nodes={node: verdict}, cpus={node: cpus} if cpus else {})


KUBELETS = (
    admit("kubernetes-84597", {"c0": "1-4"}, {"c0": "6-9"}, {"c0": "12-15"}, TAE),
    admit("kubernetes-123816", {"init0": "33", "c0": "0,2,4-14,32,34,36-46"}, TAE),
    admit("kubernetes-110306", TAE),
    admit("kubernetes-128708", {"c0": "1"}, UAE, says="failed to find NUMA nodes to extend the current topology hint"),
    admit("kubernetes-120733", {"c0": "24,72"}, UAE, says="failed to find NUMA nodes to extend the current topology hint"),
    admit(
        "kubernetes-112228",
        {"init0": "4", "c0": "1,5"}, {"init0": "2", "c0": "2,6"}, {"init0": "3", "c0": "3,7"}, UAE,
        says="requested=1, available=0",
    ),
    admit("kubernetes-98121", {"c0": "0-1,24-25"}),
    stops("kubernetes-98121", "the machine has no CPU 12-15", "offline.yaml"),
    admit("kubernetes-124066", {"c0": "25-34,73-82"}),
    one("kubernetes-124066", "rest", FITS, "off", [48, 22]),
    admit("kubernetes-140495", {"c0": "0-1"}),
    one("kubernetes-140495", "rest", FITS, "i7", [24]),
    admit("telco-reference-930", SMT, {}, {"c0": "1,33"}, says="requested 1 cpus not multiple cpus per core = 2"),
    admit("volcano-2892", {"c0": "1-8,21-28"}, {"c0": "10-17,30-37"}),
    stops("bottlerocket-4754", "reservedMemory is 10Mi of hugepages-2Mi in all"),
    admit("bottlerocket-4754", {"c0": "2"}, by="fixed.yaml"),
    stops("numaresources-operator-80", "reservedMemory is 1024Mi of memory in all"),
    admit("numaresources-operator-80", {"c0": "1"}, by="fixed.yaml"),
    admit("kubernetes-109766", {"c0": "2,6"}),
    stops("kubernetes-109766", "reservedMemory is 2048Mi of hugepages-1Gi in all", "pages.yaml"),
    stops("kubernetes-99715", "systemReserved: hugepages-2Mi cannot be reserved"),
    admit("kubernetes-99715", {"c0": "1,5"}, by="fixed.yaml"),
    Case(
        "kubernetes-114642",
        "admit --kubelet kubelet.yaml --version 1.36",
        ({"c0": "1-2,5-6,9-10,13-14,29-30,33-34,37-38,42"},),
    ),
    stops("kubernetes-114642", "needs the feature gate CPUManagerPolicyAlphaOptions", "nogate.yaml"),
    Case(
        "kubernetes-141237",
        "admit --kubelet kubelet.yaml --version 1.37",
        ({"c0": "0-14,16-30,49-63,96-110,128-142,144-158,177-191,224-238"},),
    ),
    stops("kubernetes-70161", "cpuManagerPolicy static"),
    admit("kubernetes-70161", {"c0": "1"}, by="fixed.yaml"),
    stops("kubernetes-102073", "'static' is not None or Static"),
    admit("kubernetes-102073", {"c0": "1"}, by="fixed.yaml"),
    stops("website-54271", "'true' is not a number of at least 8"),
    admit("website-54271", {"c0": "4-7"}, by="fixed.yaml"),
)  # fmt: skip

EXPORTERS = (
    one("resource-topology-exporter-243", "big", FITS, cpus=[33, 0]),
    one("resource-topology-exporter-243", "huge", ("refused", "ZoneMemoryShort")),
    one("node-feature-discovery-1312", "wide", FITS, "m5", [0, 34]),
    one("node-feature-discovery-1312", "wider", ("refused", "NeverFitsZone"), "m5"),
    one("node-feature-discovery-1286", "small", FITS, cpus=[9, 0]),
    one("node-feature-discovery-1286", "big", ("refused", "ZoneMemoryShort")),
    one("scheduler-plugins-249", "v", FITS, cpus=[1, 0]),
    one("scheduler-plugins-626", "v", FITS, cpus=[0, 0, 14, 0]),
    one("sriov-network-operator-435", "excluded", FITS, cpus=[0, 9]),
    one("sriov-network-operator-435", "zoned", ("refused", "ZonesDisagree")),
    one("koordinator-1585", "v", ("unknown", "ZonesNotReported")),
    one("kubernetes-92436", "v", FITS, cpus=[6]),
)

KUBEVIRT = (
    one("kubevirt-17248", "dual", FITS, "talos", [24, 28]),
    one("kubevirt-6981", "numavm", ("refused", "ZonePagesShort")),
    one("kubevirt-user-guide-745", "odd", ("refused", "SmtAlignment")),
    one("kubevirt-user-guide-745", "even", FITS, cpus=[4, 0]),
    one("kubevirt-user-guide-745", "odd-vcpus", FITS, cpus=[4, 0]),
    one("harvester-8182", "second", ("refused", "ZonePagesShort"), "tr"),
    one("harvester-8182", "plain", FITS, "tr", [0, 9, 0, 0]),
    one("kubevirt-16992", "pool", FITS, cpus=[4, 0]),
    one("kubevirt-16992", "short", ("refused", "LauncherCpusShort")),
    Case(
        "k0s-4954",
        "explain vms/fedora-test",
        nodes={"none": FITS, "static": ("refused", "NeverFitsZone")},
        cpus={"none": [0, 0]},
    ),
    one("kubevirt-12107", "byrequest", ("refused", "ZonePagesShort")),
    one("kubevirt-12107", "small", FITS, cpus=[4, 16]),
    one("kubevirt-17003", "emu", FITS, cpus=[3, 0]),
    one("kubevirt-17003", "emupass", FITS, cpus=[3, 0]),
    one("kubevirt-gpu-device-plugin-86", "gpuvm", ("unknown", "DeviceZoneOpen"), "g"),
    one("kubevirt-gpu-device-plugin-86", "nogpu", FITS, "g", [9, 0]),
    Case("kubevirt-18946", "targets vms/moving", nodes={"other": FITS}, says="source node"),
    Case("kubevirt-12560", "targets vms/hot", nodes={"full": ("refused", "NodeCpuShort")}, says="15 exclusive CPUs"),
    Case("kubevirt-15625", "targets vms/hot", says="evacuable targets now: 0 symmetric, 0 possible"),
    Case(
        "kubevirt-9322", "targets vms/hot", nodes={"other": FITS}, says="15 exclusive CPUs, 16Gi hugepages-1Gi, 708Mi"
    ),
    one("kubevirt-18880", "half", ("refused", "LauncherPagesShort")),
)

#: Case -> why ours does not say the right value.
WRONG = [
    (one("kubevirt-16289", "v", FITS, "gb200"), "more than 16 zones are judged with policy none alone"),
]
CASES = (*KUBELETS, *EXPORTERS, *KUBEVIRT)


def named(case: Case) -> str:
    return f"{case.report}: {case.command}"


@pytest.mark.parametrize("case", CASES, ids=named)
def test_the_right_value(case: Case) -> None:
    """What the report's people saw, or what the real code does with the same numbers today."""
    check(case)


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.xfail(strict=True, reason=why)) for case, why in WRONG], ids=named
)
def test_the_right_value_that_is_not_said_yet(case: Case) -> None:
    check(case)


def check(case: Case) -> None:
    said = case.ask()
    if case.starts:
        assert said.code == 2
        assert "a kubelet does not start with" in said.text
        assert case.starts in said.text
    for pod, right in zip(said.answer.get("pods", ()), case.pods, strict=True):
        if isinstance(right, str):
            assert (pod["admit"], pod.get("reason")) == (False, right)
        else:
            assert pod["admit"], pod
            assert {name: own["cpus"] for name, own in pod["containers"].items() if own["cpus"]} == right
    for node, verdict in case.nodes.items():
        assert said.verdicts()[node] == verdict
    for node, given in case.cpus.items():
        assert [zone["cpusGiven"] for zone in said.nodes()[node]["perZone"]] == given
    if case.says:
        assert case.says in case.ask("text" if case.command.startswith("admit") else "table").text


def test_more_zones_than_are_judged_are_unknown_without_a_remedy_that_is_already_true() -> None:
    """kubevirt-16289 states the option; the limit is ours."""
    (node,) = run("reports/kubevirt-16289", "explain", "--snapshot", "snapshot.json", "vms/v").nodes().values()
    assert (node["verdict"], node["code"]) == ("unknown", "TooManyZones")
    assert node["advice"] == "34 zones are more than fastfit judges (31): kube-scheduler's own scores decide there."


def test_the_page_and_the_inputs_agree() -> None:
    """Every input has a row, every row its input, and the commands of a row are those that are tested."""
    rows = re.findall(r"^\| \[[^]]+\]\([^)]+\) \|.*", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    page: dict[str, list[str]] = {}
    for row in rows:
        cells = [cell.strip() for cell in row.split(" | ")]
        page.setdefault(cells[2].strip("`"), []).extend(re.findall(r"`([^`]+)`", cells[3]))
    tested: dict[str, list[str]] = {}
    for case in (*CASES, *(case for case, _ in WRONG)):
        tested.setdefault(case.report, []).append(case.command)
    assert page == tested
    assert sorted(page) == sorted(folder.name for folder in REPORTS.iterdir())
    for report, commands in page.items():
        files = {path.name for path in (REPORTS / report).iterdir()}
        named_files = set(re.findall(r"\S+\.yaml", " ".join(commands)))
        assert files <= {"snapshot.json", "machine.json", "pods.json"} | named_files
