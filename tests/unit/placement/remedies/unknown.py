"""Codes of the verdict unknown: what is not known, and how it becomes known."""

import json
from typing import Any, Final

from _fastfit.codes import Code
from extender.api.objects import Node, Pod
from extender.cache.events import Source
from tests.kit.migrations import target
from tests.kit.objects import KUBELET_A, machine, node, nrt, pod, vmi
from tests.unit.kubevirt.test_devices import GPU, PERMITTED, made, with_devices
from tests.unit.kubevirt.test_installation import record as installation
from tests.unit.placement.remedies.scene import (
    FULL,
    Case,
    Scene,
    edited,
    kubelet,
    report,
    running,
    stated,
)

__all__ = ["UNKNOWN"]

VM: Final = pod("vm", 4, 0)
PAGES: Final = "hugepages-1Gi"
UNCORE: Final = {"cpuManagerPolicyOptions": {"prefer-align-cpus-by-uncorecache": "true"}}
STRICT: Final = installation(
    developerConfiguration={"featureGates": ["PCINUMAAwareTopology"]}, permittedHostDevices=PERMITTED
)


def _says(**fields: Any) -> Node:
    """Node `n` with a report, which states these fields of its kubelet alone."""
    return node("n", fields)


def _lacking(*names: str) -> list[dict[str, int]]:
    """The report of an empty node without these resources."""
    return [{name: amount for name, amount in zone.items() if name not in names} for zone in FULL]


def _no_available(raw: dict[str, Any]) -> None:
    for zone in raw["zones"]:
        for resource in zone["resources"]:
            del resource["available"]


def _stale() -> Scene:
    scene = Scene(VM, node("n"), report(), nrt_stale_after=600.0)
    scene.cluster.sync(1000.0)
    return scene


def _fraction(raw: dict[str, Any]) -> None:
    for amounts in raw["spec"]["containers"][0]["resources"].values():
        amounts["cpu"] = "8500m"


def _whole_cpus(scene: Scene) -> None:
    scene.asked = pod("vm")


def _unseen_pods() -> Scene:
    scene = Scene(VM, node("n"), edited(report(), _no_available))
    scene.cluster.absent(Source.PODS)
    return scene


def _loose(raw: dict[str, Any]) -> None:
    """A pod whose huge pages may lie in any zone."""
    raw["status"]["qosClass"] = "Burstable"
    del raw["spec"]["containers"][0]["resources"]["limits"]["cpu"]


GUESTS: Final = [edited(running(f"m{number}", 1, 20), _loose) for number in (1, 2)]
FAR: Final = nrt("n", [{"cpu": 14, GPU: 1}, {"cpu": 16, GPU: 1}], "none")


def _with_init(cpus: str) -> Pod:
    """A pod whose init container and sidecar have CPUs."""

    def edit(raw: dict[str, Any]) -> None:
        parts = [("disk", cpus, {}), ("side", "3", {"restartPolicy": "Always"})]
        raw["spec"]["initContainers"] = [
            {
                "name": name,
                "resources": {key: {"cpu": count, "memory": "1Mi"} for key in ("requests", "limits")},
                **more,
            }
            for name, count, more in parts
        ]

    return edited(pod("vm", 4, 0), edit)


def _many(raw: dict[str, Any]) -> None:
    (compute,) = raw["spec"]["containers"]
    raw["spec"]["containers"] = [compute, *({"name": f"c{number}"} for number in range(64))]


def _asking(cpus: str) -> Pod:
    def edit(raw: dict[str, Any]) -> None:
        for amounts in raw["spec"]["containers"][0]["resources"].values():
            amounts["cpu"] = cpus

    return edited(VM, edit)


def _of_pod(raw: dict[str, Any]) -> None:
    raw["spec"]["resources"] = raw["spec"]["containers"][0]["resources"]


def _zones(count: int, policy: str = "restricted", option: str = "") -> Node:
    options = {"topologyManagerPolicyOptions": {"max-allowable-numa-nodes": option}} if option else {}
    return stated(policy, machine(zones=count, cores=4), reservedSystemCPUs="0", **options)


def _annotated(text: str) -> Node:
    return edited(stated(), lambda raw: raw["metadata"]["annotations"].update({"fastfit.dev/kubelet": text}))


def _twice(raw: dict[str, Any]) -> None:
    raw["zones"].append(raw["zones"][0])


def _policy(value: str) -> Any:
    return edited(report(), lambda raw: raw["attributes"][0].update(value=value))


def _with_machine(scene: Scene) -> None:
    scene.put(
        node(
            "n",
            {**KUBELET_A, "topologyManagerPolicy": "restricted", "reservedSystemCPUs": "0,16,8,24"} | UNCORE,
            machine(),
        )
    )


UNKNOWN: Final = [
    Case(
        Code.ZonesNotReported, "no report", lambda: Scene(VM, node("n")), "Run an exporter", lambda s: s.put(report())
    ),
    Case(
        Code.ZonesNotReported,
        "nothing stated",
        lambda: Scene(VM, node("n")),
        "state the machine",
        lambda s: s.put(stated()),
    ),
    Case(
        Code.ZonesNotReported,
        "a report without zones",
        lambda: Scene(VM, node("n"), edited(report(), lambda raw: raw.update(zones=[]))),
        "writes a report without zones: see its log",
        lambda s: s.put(report()),
    ),
    Case(
        Code.ReportStale,
        "the exporter is dead",
        _stale,
        "The exporter on the node has stopped updating",
        lambda s: s.put(report([{**FULL[0], "cpu": 13}, FULL[1]])),
    ),
    Case(
        Code.PolicyNotKnown,
        "not in the report",
        lambda: Scene(VM, node("n"), _policy("")),
        "state it in annotation fastfit.dev/kubelet",
        lambda s: s.put(_says(topologyManagerPolicy="restricted")),
    ),
    Case(
        Code.PolicyNotKnown,
        "a new policy in the report",
        lambda: Scene(VM, node("n"), _policy("cluster-wide")),
        "a topologyManagerPolicy that is known",
        lambda s: s.put(_says(topologyManagerPolicy="restricted")),
    ),
    Case(
        Code.PolicyNotKnown,
        "a machine and no policy stated",
        lambda: Scene(VM, node("n", {"cpuManagerPolicy": "static", "reservedCPUCount": 2}, machine())),
        "Neither the node's report nor a statement names",
        lambda s: s.put(stated()),
    ),
    Case(
        Code.TooManyZones,
        "more than 8",
        lambda: Scene(VM, _zones(9)),
        "Set the kubelet's option max-allowable-numa-nodes to 9",
        lambda s: s.put(_zones(9, option="9")),
    ),
    Case(
        Code.TooManyZones,
        "more than the option says",
        lambda: Scene(VM, _zones(12, option="10")),
        "Raise the kubelet's option max-allowable-numa-nodes, as it is stated here, to 12",
        lambda s: s.put(_zones(12, option="12")),
    ),
    Case(
        Code.TooManyZones,
        "more than 16",
        lambda: Scene(VM, _zones(17, option="17")),
        "with Topology Manager none and Memory Manager None alone",
        lambda s: s.put(_zones(17, "none")),
    ),
    Case(
        Code.ReportContradictsPods,
        "a statement",
        lambda: Scene(VM, stated(), running("big", 24)),
        "correct the annotation or the pool",
        lambda s: s.put(stated("none")),
    ),
    Case(
        Code.ReportContradictsPods,
        "a report",
        lambda: Scene(VM, _says(memoryManagerPolicy="Static"), report(), running("big", 4, memory="40Gi")),
        "state what differs in annotation fastfit.dev/kubelet",
        lambda s: s.put(_says(memoryManagerPolicy="None")),
    ),
    Case(
        Code.OptionsUndecided,
        "an option that goes by CPU ids",
        lambda: Scene(
            pod("vm", 25, 48, sidecar=False),
            _says(memoryManagerPolicy="Static", **UNCORE),
            nrt("n", [{**zone, "cpu": 14} for zone in FULL], "restricted", reserved=(2, 2)),
            vmi("vm", 24, 48),
        ),
        "state the machine",
        _with_machine,
    ),
    Case(
        Code.PodLevelResources,
        "a webhook",
        lambda: Scene(edited(pod("vm", 5, 4), _of_pod), stated(), vmi("vm", 4, 4)),
        "look for the webhook",
        lambda s: setattr(s, "asked", pod("vm", 5, 4)),
    ),
    Case(
        Code.FactsUnreadable,
        "no JSON",
        lambda: Scene(VM, _annotated("static")),
        "Correct the annotation",
        lambda s: s.put(_annotated(json.dumps(kubelet()))),
    ),
    Case(
        Code.FactsUnreadable,
        "a field of another type",
        lambda: Scene(VM, _annotated('{"cpuManagerPolicy": 5}')),
        "Correct the annotation",
        lambda s: s.put(_annotated(json.dumps(kubelet()))),
    ),
    Case(
        Code.PagesNotReported,
        "Memory Manager is off",
        lambda: Scene(pod("vm"), _says(memoryManagerPolicy="None"), report(_lacking("memory", PAGES)), vmi("vm")),
        "With Memory Manager None a report names no pages per zone: state the machine",
        lambda s: s.put(stated()),
    ),
    Case(
        Code.PagesNotReported,
        "an exclude list",
        lambda: Scene(pod("vm"), _says(memoryManagerPolicy="Static"), report(_lacking(PAGES)), vmi("vm")),
        "leaves out hugepages-1Gi: take it out of the exporter's exclude list",
        lambda s: s.put(report()),
    ),
    Case(
        Code.PagesNotReported,
        "guests whose zone is not known",
        lambda: Scene(pod("vm"), stated(), vmi("vm"), *GUESTS),
        "move such pods off the node",
        lambda s: s.delete(*GUESTS),
    ),
    Case(
        Code.InitContainerCpus,
        "the container",
        lambda: Scene(_with_init("2"), node("n"), report(_lacking("memory", PAGES), "restricted")),
        "Give the init container a fractional CPU request",
        lambda s: setattr(s, "asked", _with_init("1500m")),
        Code.MemoryManagerNotKnown,
    ),
    Case(
        Code.InitContainerCpus,
        "the machine",
        lambda: Scene(_with_init("2"), node("n"), report(_lacking("memory", PAGES), "restricted")),
        "or state the machine",
        lambda s: s.put(stated("restricted")),
    ),
    Case(
        Code.TooManyResources,
        "containers",
        lambda: Scene(edited(VM, _many), stated()),
        "up to 64 containers",
        lambda s: setattr(s, "asked", VM),
    ),
    Case(
        Code.DemandUnreadable,
        "an amount",
        lambda: Scene(_asking("four"), stated()),
        "correct it; explain names it",
        lambda s: setattr(s, "asked", VM),
    ),
    Case(
        Code.FactsContradict,
        "another policy",
        lambda: Scene(VM, stated("restricted"), report()),
        "correct them; explain names what differs",
        lambda s: s.put(stated()),
    ),
    Case(
        Code.FactsContradict,
        "other zones",
        lambda: Scene(VM, stated(shape=machine(zones=1)), report()),
        "correct them; explain names what differs",
        lambda s: s.put(stated()),
    ),
    Case(
        Code.MoverNotKnown,
        "no VMI",
        lambda: Scene(target("vm"), stated()),
        "check the source virtualmachineinstances",
        lambda s: s.put(vmi("vm")),
    ),
    Case(
        Code.DeviceZoneOpen,
        "the kubelet may take another one",
        lambda: Scene(with_devices(pod("vm"), gpu=1), stated("none"), FAR, made((GPU,)), STRICT),
        "Topology Manager restricted or single-numa-node",
        lambda s: s.put(stated("restricted"), nrt("n", [{"cpu": 14, GPU: 1}, {"cpu": 16, GPU: 1}], "restricted")),
    ),
    Case(
        Code.DeviceZoneOpen,
        "no zone is reported",
        lambda: Scene(with_devices(pod("vm"), vf=1), stated("restricted"), made(sriov=True), STRICT),
        "The report names no zone for openshift.io/mlx_vf",
        lambda s: s.put(nrt("n", [{"cpu": 14, "openshift.io/mlx_vf": 2}, {"cpu": 16}], "restricted")),
    ),
    Case(
        Code.CpuManagerNotKnown,
        "nothing says it",
        lambda: Scene(VM, node("n", {"topologyManagerPolicy": "none"}, machine())),
        "state cpuManagerPolicy in annotation",
        lambda s: s.put(stated("none")),
    ),
    Case(
        Code.CpuManagerNotKnown,
        "no virt-handler",
        lambda: Scene(VM, node("n", {"topologyManagerPolicy": "none"}, machine())),
        "see that virt-handler runs there",
        lambda s: s.put(node("n", {"topologyManagerPolicy": "none"}, machine(), **{"kubevirt.io/cpumanager": "true"})),
    ),
    Case(
        Code.CpusNotReported,
        "an exclude list",
        lambda: Scene(VM, node("n", **{"kubevirt.io/cpumanager": "true"}), report(_lacking("cpu"))),
        "take cpu out of the exporter's exclude list",
        lambda s: s.put(report()),
    ),
    Case(
        Code.CpusNotReported,
        "nothing says what is free",
        _unseen_pods,
        "use an exporter that publishes `available`",
        lambda s: s.put(report()),
    ),
    Case(
        Code.MemoryNotReported,
        "an exclude list",
        lambda: Scene(VM, _says(memoryManagerPolicy="Static"), report(_lacking("memory"))),
        "take memory out of the exporter's exclude list",
        lambda s: s.put(report()),
    ),
    Case(
        Code.MemoryManagerNotKnown,
        "a report of CPUs alone",
        lambda: Scene(VM, node("n"), report(_lacking("memory", PAGES))),
        "state memoryManagerPolicy in annotation",
        lambda s: s.put(_says(memoryManagerPolicy="None")),
    ),
    Case(
        Code.MemoryManagerNotKnown,
        "memory of the machine",
        lambda: Scene(pod("vm", 4, 0, "40Gi"), node("n"), report()),
        "state memoryManagerPolicy in annotation",
        lambda s: s.put(_says(memoryManagerPolicy="None")),
    ),
    Case(
        Code.OptionNotKnown,
        "of a newer kubelet, or a mistake",
        lambda: Scene(VM, stated(cpuManagerPolicyOptions={"full-pcpu-only": "true"})),
        "correct the statement",
        lambda s: s.put(stated(cpuManagerPolicyOptions={"full-pcpus-only": "true"})),
    ),
    Case(
        Code.ReportUnreadable,
        "a zone twice",
        lambda: Scene(VM, node("n"), edited(report(), _twice)),
        "Correct what writes the node's NodeResourceTopology",
        lambda s: s.put(report()),
    ),
    Case(
        Code.ReportUnreadable,
        "an exporter that cannot be changed",
        lambda: Scene(VM, node("n"), edited(report(), _twice)),
        "Or state the machine",
        lambda s: s.put(stated()),
    ),
    Case(
        Code.NoExclusiveCpus,
        "a fraction of a CPU",
        lambda: Scene(edited(pod("vm"), _fraction), stated(), vmi("vm")),
        "and `compute` whole CPUs",
        _whole_cpus,
    ),
]
