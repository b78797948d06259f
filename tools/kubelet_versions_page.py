"""docs/kubelet-versions.md: by whose rules a kubelet is judged, and what differs between the modelled minors."""

from dataclasses import dataclass
from typing import Final

from extender.kubelet.versions import NEWEST, OLDEST, STAND_INS, judged_by
from extender.names import METRIC_PREFIX

__all__ = ["DIFFERENCES", "Difference", "kubelet_versions"]

_CM: Final = "pkg/kubelet/cm"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that kubelets of some minors do otherwise, where it stands in Kubernetes, and what we make of it."""

    what: str
    #: minor -> how it is there, up to the next one named
    since: tuple[tuple[str, str], ...]
    sources: str
    ours: str


DIFFERENCES: Final = (
    Difference(
        "a pod's own resources (spec.resources)",
        (
            ("1.33", "mean nothing: QoS class and managers go by the containers"),
            ("1.34", "known: such a pod gets no exclusive CPUs and no pinned memory"),
        ),
        f"`{_CM}/cpumanager/policy_static.go`, `{_CM}/memorymanager/policy_static.go` (guards from 1.34), "
        "`pkg/features/kube_features.go`: PodLevelResources alpha in 1.32, on in 1.34; KEP-2837",
        "by version; a waiting VM pod with such resources is unknown (`PodLevelResources`) on every node",
    ),
    Difference(
        "prefer-align-cpus-by-uncorecache, an odd rest of CPUs, machines with SMT",
        (
            ("1.33", "not taken from one cache: whole cores are counted rounded down"),
            ("1.34", "taken from one cache, the last thread of a core left"),
        ),
        f"`{_CM}/cpumanager/cpu_assignment.go`, takePartialUncore; KEP-4800",
        "by version; where several zones are in play, counts leave it undecided for every version",
    ),
    Difference(
        "prefer-align-cpus-by-uncorecache, stage",
        (
            ("1.33", "alpha: no kubelet starts with it unless CPUManagerPolicyAlphaOptions is on"),
            ("1.34", "beta: CPUManagerPolicyBetaOptions is on by default"),
        ),
        f"`{_CM}/cpumanager/policy_options.go`; KEP-4800",
        "a node that runs with the option has the gate: options are taken as stated, gates are not asked for",
    ),
    Difference(
        "strict-cpu-reservation, max-allowable-numa-nodes, stage",
        (("1.33", "beta, on by default"), ("1.35", "stable")),
        f"`{_CM}/cpumanager/policy_options.go` (KEP-4540), `{_CM}/topologymanager/policy_options.go` (KEP-4622)",
        "the same for every version: both stages start with default gates",
    ),
    Difference(
        "requests of a pod that is resized in place",
        (
            ("1.33", "the managers read `allocatedResources` from the pod's status"),
            ("1.35", "the managers read the spec, which the kubelet has set to what it allocated"),
        ),
        f"`{_CM}/cpumanager/policy_static.go` (guaranteedCPUs), `{_CM}/memorymanager/policy_static.go` "
        "(getRequestedResources); InPlacePodVerticalScaling on in 1.33, stable in 1.35; KEP-1287",
        "the same for every version: `allocatedResources` where the status has them",
    ),
    Difference(
        "zones in the hints of devices",
        (("1.33", "sets of all zones"), ("1.36", "sets of zones that have such a device")),
        f"`{_CM}/devicemanager/topology_hints.go` (deviceNUMANodes)",
        "by version, in the twin and in the kernel; the preferred sets are the same, so only best-effort decides otherwise",
    ),
    Difference(
        "CPUs that a container holds already (restart of the kubelet)",
        (("1.33", "full-pcpus-only is checked again"), ("1.37", "kept unchecked")),
        f"`{_CM}/cpumanager/policy_static.go`, Allocate",
        "by version",
    ),
    Difference(
        "align-by-socket together with distribute-cpus-across-numa",
        (("1.33", "the distribution knows no sockets"), ("1.37", "zones of one socket win")),
        f"`{_CM}/cpumanager/cpu_assignment.go`, takeByTopologyNUMADistributed; KEP-3327, KEP-2902",
        "by version; counts leave it undecided",
    ),
    Difference(
        "pod-level managers",
        (("1.33", "none"), ("1.36", "PodLevelResourceManagers: alpha, off; beta and off in 1.37")),
        "`pkg/features/kube_features.go`",
        "not modelled: the gate is taken as off",
    ),
)


def kubelet_versions() -> str:
    """The page."""
    lines = [
        "# Kubelet versions",
        "",
        f"Kubelets {OLDEST} to {NEWEST} are judged by the rules of their own minor (`status.nodeInfo.kubeletVersion` of the node).",
        "Patch releases do not count: between 1.33.6 and 1.33.13, and between 1.34.0 and 1.34.4, nothing changed in what",
        "the CPU, Memory, Topology and Device Managers decide.",
        "",
        "Other kubelets are judged by a stand-in, which is named: `fastfit explain` has a note, a line at the node (`-o wide`",
        "shows every node) and the field `standIn` (`-o json`).",
        "",
        f"| kubelet | {METRIC_PREFIX}_stand_in_nodes{{cause}} | said |",
        "|---|---|---|",
    ]
    examples = {"older": "v1.31.4", "newer": "v1.39.0", "unreadable": "edge", "unknown": ""}
    meaning = {
        "older": f"before {OLDEST}",
        "newer": f"after {NEWEST}",
        "unreadable": "a version of another form",
        "unknown": "the node tells none",
    }
    lines += [f"| {meaning[why]} | `{why}` | {judged_by(examples[why])} |" for why in STAND_INS]
    lines += [
        "",
        f"The metric is a number of nodes; all {len(STAND_INS)} causes are always there.",
        "",
        f"## What differs between {OLDEST} and {NEWEST}",
        "",
        "| what | how | source | ours |",
        "|---|---|---|---|",
    ]
    for row in DIFFERENCES:
        how = "; ".join(f"**{minor}**: {words}" for minor, words in row.since)
        lines.append(f"| {row.what} | {how} | {row.sources} | {row.ours} |")
    lines += [
        "",
        "A minor that is not named goes with the one before it. How kubelets of 1.33, 1.34 and 1.35 answer was recorded from",
        "their own managers (`tests/golden/kubelet/releases-*.jsonl.gz`); `python -m tests.conformance.kubelet.record --version",
        "1.33` records again, and `python -m tests.conformance.kubelet --version 1.33` plays fresh lives on both (needs Go).",
    ]
    return "\n".join(lines) + "\n"
