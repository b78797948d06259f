"""The rows of the decision table of kubelet admission: 54, by number, each observed on the real managers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from extender.kubelet.admission import Kubelet
from extender.kubelet.pod import PodDemand
from tests.kit.kubelet_nodes import DEVICE, A, B, C, D, E, F, config, kubelet, machine, pod

__all__ = ["NINE", "ROWS", "WIDE", "Row", "Step", "a"]

TAE, UAE, SMT = "TopologyAffinityError", "UnexpectedAdmissionError", "SMTAlignmentError"


@dataclass
class Step:
    """A pod and what is asserted of its admission; what is None is not looked at."""

    pod: PodDemand
    reason: str = ""
    says: str = ""
    hint: Sequence[int] | None = None
    preferred: bool | None = None
    cpus: str | Mapping[str, str] | None = None
    memory: Sequence[int] | Mapping[str, Sequence[int]] | None = None


@dataclass
class Row:
    """One row on one node: earlier events (a pod to admit, a uid to remove), then steps."""

    number: int
    node: Kubelet
    steps: Sequence[Step | PodDemand | str]
    variant: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"row{self.number:02}{self.variant}"


def a(policy: str, reserved: str = "0,16", **settings: Any) -> Kubelet:
    return kubelet(A, config(policy, reserved, **settings))


def b(policy: str, node: Mapping[str, Any] = B, **settings: Any) -> Kubelet:
    return kubelet(node, config(policy, "0,16", **settings))


def refused(what: PodDemand, reason: str, says: str = "", **more: Any) -> Step:
    return Step(what, reason, says, **more)


def with_device(policy: str, node: Mapping[str, Any] = A, reserved: str = "0,16", **settings: Any) -> Kubelet:
    return kubelet(node, config(policy, reserved, **settings), devices={DEVICE: {0: 4}})


FIRST = Step(pod("p1", "8c/2Gi/16hp"), hint=[0], preferred=True, cpus="1-4,17-20", memory=[0])
SECOND = Step(pod("p2", "8c/2Gi/16hp"), hint=[1], preferred=True, cpus="8-11,24-27", memory=[1])
THIRD = Step(pod("p3", "8c/2Gi/16hp"), hint=[1], cpus="12-15,28-31", memory=[1])
WIDE = pod("wide", "20c/2Gi/40hp")
WIDE_STEP = Step(WIDE, hint=[0, 1], preferred=True, cpus="1-2,8-15,17-18,24-31", memory=[0, 1])
SMALL = pod("small", "2c/1Gi/2hp")
FRAGMENTED = [pod("e1", "10c/1Gi/1hp"), pod("e2", "12c/1Gi/1hp")]
SPLIT_PAGES = [pod("e1", "2c/2Gi/30hp"), pod("e2", "2c/2Gi/30hp")]
HELPERS = ["+15m/1Gi", "10m/1Gi"]
VIOLATES = "[memorymanager] preferred hint violates NUMA node allocation"
EXTEND = "[memorymanager] failed to find NUMA nodes to extend the current topology hint"
DEFAULT = "[memorymanager] failed to get the default NUMA affinity, no NUMA nodes with enough memory is available"
NEAR = [[10, 12, 11, 21], [12, 10, 21, 21], [11, 21, 10, 12], [21, 21, 12, 10]]
SMALL_ZONES = machine(2, 1, 2, memory_gi=16, pages=0)
ONE_ZONE = machine(1, 1, 8)
ONE_ZONE["numa"][0]["cores"] = A["numa"][0]["cores"]
NINE = machine(1, 9, 1, pages=0)
for number, zone in enumerate(NINE["numa"]):
    zone["cores"][0]["threads"] = [2 * number, 2 * number + 1]

ROWS = [
    Row(1, a("SN"), [FIRST]),
    Row(2, a("SN"), [FIRST, SECOND]),
    Row(3, a("SN"), [FIRST, SECOND, THIRD]),
    Row(4, a("SN"), [FIRST, SECOND, THIRD, refused(pod("p4", "8c/2Gi/8hp"), TAE)]),
    Row(5, a("SN"), [pod("e1", "4c/1Gi/16hp"), Step(pod("p", "4c/1Gi/20hp"), hint=[1], cpus="8-9,24-25")]),
    Row(
        6,
        a("SN"),
        [
            Step(pod("p1", "9c/2Gi/16hp"), hint=[0], cpus="1-5,17-20"),
            Step(pod("p2", "9c/2Gi/16hp"), hint=[1], cpus="8-12,24-27"),
        ],
    ),
    Row(7, a("SN"), [*FRAGMENTED, refused(pod("p", "8c/2Gi/8hp"), TAE)]),
    Row(8, a("R"), [*FRAGMENTED, refused(pod("p", "8c/2Gi/8hp"), TAE)]),
    Row(
        9,
        a("BE"),
        [
            *FRAGMENTED,
            Step(pod("p", "8c/2Gi/8hp"), hint=[0], preferred=False, cpus="6-7,14-15,22-23,30-31", memory=[0]),
        ],
    ),
    Row(10, a("R"), [refused(pod("p", "20c/2Gi/16hp"), TAE)]),
    Row(
        11,
        a("R"),
        [WIDE_STEP],
        state={"0": {"assignments": 2, "group": [0, 1]}, "1": {"assignments": 2, "group": [0, 1]}},
    ),
    Row(12, a("R", memory=False), [Step(pod("p", "20c/2Gi"), hint=[0, 1], cpus="1-2,8-15,17-18,24-31")]),
    Row(13, a("R"), [refused(pod("p", "4c/1Gi/40hp"), TAE)]),
    Row(13, a("BE"), [Step(pod("p", "4c/1Gi/40hp"), cpus="1-2,17-18", memory=[0, 1])], "-best-effort"),
    Row(14, a("R", "0,8,16,24", memory=False), [refused(pod("p", "15c"), TAE)], "-15c"),
    Row(14, a("R", "0,8,16,24", memory=False), [refused(pod("p", "16c"), TAE)], "-16c"),
    Row(
        14,
        a("R", "0,8,16,24", memory=False),
        [Step(pod("p", "17c"), hint=[0, 1], cpus="1-7,9-10,17-23,25")],
        "-17c",
    ),
    Row(14, a("BE", "0,8,16,24", memory=False), [Step(pod("p", "15c"))], "-best-effort"),
    Row(15, a("R", memory=False), [Step(pod("p", "15c"), hint=[1], cpus="8-15,24-30")]),
    *[
        Row(16, a(policy), [*SPLIT_PAGES, refused(pod("p", "2c/2Gi/4hp"), UAE, EXTEND, cpus="2,18")], f"-{policy}")
        for policy in ("SN", "R", "BE")
    ],
    Row(17, a("NO"), [*SPLIT_PAGES, refused(pod("p", "2c/2Gi/4hp"), UAE, DEFAULT)]),
    Row(18, a("NO"), [pod("e", "14c/1Gi/1hp"), Step(pod("p", "4c/2Gi/2hp"), cpus="8-9,24-25", memory=[0])]),
    Row(
        19,
        a("BE"),
        [Step(pod("p", "20c/2Gi/16hp"), hint=[0, 1], preferred=False, memory=[0, 1])],
        state={"0": {"group": [0, 1]}, "1": {"group": [0, 1]}},
    ),
    Row(
        20,
        a("BE"),
        [pod("e", "2c/1Gi/1hp"), Step(pod("p", "20c/1Gi/16hp"), hint=[0], cpus="2-11,18-27", memory=[0])],
    ),
    *[Row(21, a(policy), [SMALL, refused(WIDE, UAE, VIOLATES)], f"-{policy}") for policy in ("R", "BE")],
    Row(
        22,
        a("SN", cpu_options=["full-pcpus-only"]),
        [
            refused(pod("p", "9c/2Gi/8hp"), SMT, "requested 9 cpus not multiple cpus per core = 2", hint=[0]),
            Step(pod("p2", "8c/2Gi/8hp"), cpus="1-4,17-20"),
        ],
    ),
    Row(23, a("SN", cpu_options=["full-pcpus-only"]), [refused(pod("p", "17c"), TAE)]),
    Row(
        24,
        a("SN", "0,1", cpu_options=["full-pcpus-only"], memory=False),
        [Step(pod("p", "14c"), hint=[0], cpus="2-7,16-23")],
    ),
    Row(
        25,
        a("BE", "0,1,8,9", cpu_options=["full-pcpus-only"], memory=False),
        [
            pod("e1", "12c"),
            pod("e2", "12c"),
            refused(pod("p", "2c"), SMT, "available physical CPUs = 0, requested CPUs = 2", hint=[0]),
        ],
    ),
    Row(
        26,
        a("SN", cpu_options=["distribute-cpus-across-cores"], memory=False),
        [Step(pod("p1", "4c"), hint=[0], cpus="1-4"), Step(pod("p2", "4c"), hint=[0], cpus="5-7,17")],
    ),
    Row(
        27,
        a("R", cpu_options=["distribute-cpus-across-numa"], memory=False),
        [Step(pod("p", "20c"), hint=[0, 1], cpus="1-5,8-12,17-21,24-28")],
        "-20c",
    ),
    Row(
        27,
        a("R", cpu_options=["distribute-cpus-across-numa"], memory=False),
        [Step(pod("p", "21c"), hint=[0, 1], cpus="1-5,8-13,17-21,24-28")],
        "-21c",
    ),
    Row(
        28,
        a("SN", memory=False),
        [
            Step(pod("p1", "3c"), hint=[0], cpus="1-2,17"),
            Step(pod("p2", "3c"), hint=[0], cpus="3,18-19"),
            Step(pod("p3", "1c"), hint=[0], cpus="4"),
        ],
    ),
    Row(
        29,
        a("BE"),
        [
            WIDE,
            pod("s1", "2c/1Gi/2hp"),
            "wide",
            pod("s2", "2c/1Gi/2hp"),
            "s1",
            Step(SMALL, hint=[0, 1], preferred=False, cpus="2,18", memory=[0, 1]),
        ],
    ),
    Row(30, a("R"), [WIDE, refused(SMALL, TAE)]),
    Row(31, with_device("SN"), [pod("e", "14c/1Gi/1hp"), refused(pod("p", "2c/1Gi/1dev"), TAE)]),
    Row(
        32,
        with_device("BE"),
        [pod("e", "16c/2Gi/40hp"), Step(pod("p", "2c/1Gi/1dev"), hint=[0], memory=[0])],
        state={"0": {"group": [0]}, "1": {"group": [0, 1]}},
    ),
    Row(33, b("R"), [Step(pod("p", "16c/1Gi/24hp"), hint=[1, 2], cpus="4-11,20-27", memory=[1, 2])]),
    Row(
        33,
        b("R", options={"prefer-closest-numa-nodes": "true"}),
        [Step(pod("p", "16c/1Gi/24hp"), hint=[2, 3], cpus="8-15,24-31", memory=[2, 3])],
        "-closest",
    ),
    Row(
        34,
        b(
            "R",
            machine(2, 2, 4, distances=NEAR),
            options={"prefer-closest-numa-nodes": "true"},
            memory=False,
        ),
        [Step(pod("p", "12c"), hint=[0, 2], cpus="1-2,8-11,17-18,24-27")],
    ),
    Row(
        34,
        b("R", machine(2, 2, 4, distances=NEAR), memory=False),
        [Step(pod("p", "12c"), hint=[0, 1], cpus="1-2,4-7,17-18,20-23")],
        "-without",
    ),
    Row(
        35,
        b("R"),
        [
            Step(pod("e1", "2c/1Gi/1hp"), memory=[0]),
            Step(pod("e2", "12c/1Gi/24hp"), memory=[1, 2]),
            refused(pod("p", "12c/1Gi/24hp"), UAE, VIOLATES, hint=[0, 3]),
        ],
    ),
    Row(
        36,
        b("SN"),
        [
            Step(pod("e1", "8c/1Gi/8hp"), hint=[1]),
            Step(pod("e2", "8c/1Gi/8hp"), hint=[2]),
            Step(pod("e3", "8c/1Gi/8hp"), hint=[3]),
            refused(pod("p", "8c/1Gi/8hp"), TAE),
        ],
    ),
    Row(
        37,
        kubelet(C, config("R", "0,8", cpu_options=["align-by-socket"], memory=False)),
        [pod("e1", "6c"), pod("e2", "4c"), "e1", Step(pod("p", "8c"), hint=[0, 1], cpus="1-2,6-7,9-10,14-15")],
    ),
    Row(
        37,
        kubelet(C, config("R", "0,8", memory=False)),
        [pod("e1", "6c"), pod("e2", "4c"), "e1", refused(pod("p", "8c"), TAE)],
        "-without",
    ),
    Row(
        38,
        kubelet(F, config("NO", "0", memory=False)),
        [Step(pod("p", "2c", init=["1c"]), cpus={"i0": "4", "c0": "1,5"})],
        state={"sharedPoolCPUs": "0,2-3,6-7"},
    ),
    Row(
        39,
        a("SN", memory=False),
        [Step(pod("p", "2c", init=["6c"]), hint=[0], cpus={"i0": "1-3,17-19", "c0": "1,17"})],
        state={"sharedPoolCPUs": "0,4-16,20-31"},
    ),
    Row(40, a("SN", memory=False), [refused(pod("p", "16c", init=["1c"]), TAE, cpus={"i0": "1", "c0": ""})]),
    Row(
        40,
        a("SN", memory=False, scope="pod"),
        [Step(pod("p", "16c", init=["1c"]), hint=[1], cpus={"c0": "8-15,24-31", "i0": "8"})],
        "-pod",
    ),
    Row(
        41,
        a("SN", scope="pod"),
        [Step(pod("p", "8c/1Gi/4hp", "8c/1Gi/4hp"), hint=[1], cpus={"c0": "8-11,24-27", "c1": "12-15,28-31"})],
    ),
    Row(
        41,
        a("SN"),
        [Step(pod("p", "8c/1Gi/4hp", "8c/1Gi/4hp"), cpus={"c0": "1-4,17-20", "c1": "8-11,24-27"})],
        "-container",
    ),
    Row(
        42,
        a("SN", memory=False, scope="pod"),
        [
            Step(
                pod("p", "8c", init=["+2c", "12c"]),
                hint=[0],
                cpus={"i0": "1,17", "i1": "2-7,18-23", "c0": "2-5,18-21"},
            )
        ],
    ),
    Row(43, a("SN"), [Step(pod("p", "2500m/4Gi/2hp"), hint=[0], cpus="", memory=[0])]),
    Row(44, a("SN"), [Step(pod("p", "4c", burstable=True), cpus="", memory=[])]),
    Row(45, a("SN"), [Step(pod("p", "4c/4Gi", pod_level="4c/4Gi"), cpus="", memory=[])]),
    Row(
        46,
        a("SN"),
        [
            Step(
                pod("p1", "8c/1Gi/16hp", init=HELPERS),
                cpus={"c0": "1-4,17-20", "i0": "", "i1": ""},
                memory={"c0": [0], "i0": [0], "i1": [0]},
            ),
            Step(
                pod("p2", "8c/1Gi/16hp", init=HELPERS),
                cpus={"c0": "8-11,24-27"},
                memory={"c0": [1], "i0": [0], "i1": [0]},
            ),
        ],
    ),
    Row(
        46,
        a("SN", scope="pod"),
        [
            Step(pod("p1", "8c/1Gi/16hp", init=HELPERS), memory={"c0": [0], "i0": [0], "i1": [0]}),
            Step(pod("p2", "8c/1Gi/16hp", init=HELPERS), memory={"c0": [1], "i0": [1], "i1": [1]}),
        ],
        "-pod",
    ),
    *[
        Row(47, a(policy), [refused(pod("p", "20c/1Gi/40hp", init=HELPERS), UAE, VIOLATES)], f"-{policy}")
        for policy in ("R", "BE")
    ],
    *[
        Row(
            47,
            a(policy, scope="pod"),
            [Step(pod("p", "20c/1Gi/40hp", init=HELPERS), hint=[0, 1], preferred=True, memory={"c0": [0, 1]})],
            f"-{policy}-pod",
        )
        for policy in ("R", "BE")
    ],
    Row(
        48,
        kubelet(ONE_ZONE, config("SN", "0,16")),
        [pod("e", "8c/2Gi/16hp"), refused(pod("p", "4c/2Gi/20hp"), UAE, DEFAULT)],
    ),
    Row(49, kubelet(E, config("R", "0,16")), [refused(pod("p", "4c/40Gi"), TAE)]),
    Row(49, kubelet(E, config("BE", "0,16")), [Step(pod("p", "4c/40Gi"), memory=[0, 1])], "-best-effort"),
    Row(49, kubelet(E, config("NO", "0,16")), [Step(pod("p", "4c/40Gi"), memory=[2])], "-none"),
    Row(
        50,
        kubelet(D, config("SN", "0,16", cpu_options=["prefer-align-cpus-by-uncorecache"], memory=False)),
        [
            Step(pod("p1", "6c"), cpus="1-3,17-19"),
            Step(pod("p2", "6c"), cpus="4-6,20-22"),
            Step(pod("p3", "8c"), cpus="8-11,24-27"),
            Step(pod("p4", "4c"), cpus="12-13,28-29"),
        ],
    ),
    Row(
        51,
        a("BE", memory=False),
        [
            pod("e", "30c"),
            refused(pod("p", "2c"), UAE, "not enough cpus available to satisfy request: requested=2, available=0"),
        ],
    ),
    Row(
        52,
        a("SN"),
        [
            pod("e1", "14c/1Gi/1hp"),
            pod("e2", "16c/1Gi/1hp"),
            refused(pod("p", "8c/1Gi/8hp"), TAE),
            "e2",
            Step(pod("q", "8c/1Gi/8hp"), hint=[1]),
        ],
    ),
    Row(53, with_device("R", SMALL_ZONES, "0"), [refused(pod("p", "6c/24Gi/1dev"), TAE)]),
    Row(
        53,
        with_device("BE", SMALL_ZONES, "0"),
        [Step(pod("p", "6c/24Gi/1dev"), hint=[0], cpus="1-6", memory=[0, 1])],
        "-best-effort",
    ),
    Row(
        54,
        kubelet(NINE, config("BE", "0", memory=False, options={"max-allowable-numa-nodes": "16"})),
        [Step(pod("p", "2c"), hint=[1], cpus="2-3")],
    ),
]
