"""Codes of the verdict refused: a rule of the kubelet or of KubeVirt says no, and what ends that."""

from typing import Any, Final

from msgspec.structs import replace

from _fastfit.codes import Code
from extender.api.objects import Node, Pod
from extender.placement.decide import Decider
from extender.placement.subject import subject_of
from tests.kit.migrations import running as source_of
from tests.kit.migrations import target
from tests.kit.objects import GI, KUBELET_A, machine, node, nrt, pod, vmi
from tests.kit.verbs import fresh_fit
from tests.unit.cache import test_failed_migrations as migrations
from tests.unit.kubevirt.test_cpu_request import odd_pool
from tests.unit.kubevirt.test_devices import GPU, PERMITTED, made, with_devices
from tests.unit.kubevirt.test_installation import record as installation
from tests.unit.placement.remedies.scene import FULL, Case, Scene, SummedScene, edited, kubelet, report, running, stated

__all__ = ["REFUSED"]

VM: Final = pod("vm", 4, 0)
STRICT: Final = installation(
    developerConfiguration={"featureGates": ["PCINUMAAwareTopology"]}, permittedHostDevices=PERMITTED
)
A, B = running("a", 12), running("b", 12)
ALIGNED: Final = {"cpuManagerPolicyOptions": {"full-pcpus-only": "true"}}


def _guarded(policy: str = "single-numa-node", **more: Any) -> Node:
    """Node `n` with Memory Manager Static."""
    return node("n", {**KUBELET_A, "topologyManagerPolicy": policy, **more}, machine())


def _labelled(**labels: str) -> Node:
    return edited(stated(), lambda raw: raw["metadata"]["labels"].update(labels))


def _cpu_manager(value: str) -> Node:
    """Node `n` whose policy only virt-handler's label tells."""
    facts = {key: found for key, found in kubelet().items() if key != "cpuManagerPolicy"}
    return node("n", facts, machine(), **{"kubevirt.io/cpumanager": value})


def _small_pages(raw: dict[str, Any]) -> None:
    for amounts in raw["spec"]["containers"][0]["resources"].values():
        amounts["hugepages-2Mi"] = "1Gi"


def _with_small_pages() -> Node:
    return edited(stated("none"), lambda raw: raw["status"]["allocatable"].update({"hugepages-2Mi": "4Gi"}))


def _ask(scene: Scene, asked: Pod) -> None:
    scene.asked = asked


def _refused(scene: Scene) -> None:
    """The kubelet refuses a pod that we placed on the node."""
    decider = Decider(scene.cluster)
    before = pod("before", 4, 0)
    subject = subject_of(scene.cluster, before)
    assert decider.assume_best(subject, fresh_fit(scene.cluster, subject, b'["n"]')) is not None
    bound = replace(before, spec=replace(before.spec, node_name="n"))
    scene.put(bound)
    scene.put(replace(bound, status=replace(bound.status, phase="Failed", reason="TopologyAffinityError")))


def _refused_before() -> Scene:
    scene = Scene(VM, stated(), running("old", 2))
    _refused(scene)
    return scene


def _moving(**more: Any) -> Scene:
    """A VM of one cell, and a node that has 9 CPUs free in two zones only."""
    scene = Scene(
        target("vm", **more),
        node("source", kubelet("none"), machine()),
        stated("best-effort"),
        edited(vmi("vm"), lambda raw: raw.update(status={"nodeName": "source"})),
        source_of("vm", "source"),
    )
    scene.put(*NEIGHBOURS)
    return scene


SMALL: Final = edited(stated(), lambda raw: raw["status"]["allocatable"].update(memory="1300Mi"))
FILLER: Final = edited(
    running("filler", 1, memory="1Gi"), lambda raw: raw["metadata"].update(labels={}, ownerReferences=[])
)
NEIGHBOURS: Final = (running("left", 10), running("right", 10))


def _split(policy: str) -> Scene:
    """A VM of cells of 9 and 15 vCPUs, and a node whose zones give 11 and 13."""
    wide = edited(vmi("vm", 24, 24), lambda raw: raw.update(status={"nodeName": "source"}))
    return Scene(
        target("vm", 25, 24, policy=policy),
        node("source", kubelet("none"), machine()),
        stated("none", reservedSystemCPUs="0,16,8,24"),
        wide,
        source_of("vm", "source", 25, 24, sidecar=False),
    )


def _failed_migration() -> Scene:
    scene = Scene(migrations.again())
    scene.cluster, scene.node = migrations.failed(), "b"
    return scene


def _burstable(raw: dict[str, Any]) -> None:
    raw["spec"]["containers"].append({"name": "virtiofs", "resources": {"requests": {"cpu": "10m"}}})
    raw["status"]["qosClass"] = "Burstable"


def _less_free(gib: int) -> list[dict[str, int]]:
    return [{**zone, "memory": gib * GI, "hugepages-1Gi": gib * GI} for zone in FULL]


REFUSED: Final = [
    Case(
        Code.NotSchedulable,
        "virt-handler",
        lambda: Scene(VM, _labelled(**{"kubevirt.io/schedulable": "false"})),
        "Look at virt-handler on the node",
        lambda s: s.put(_labelled(**{"kubevirt.io/schedulable": "true"})),
    ),
    Case(
        Code.CpuManagerNotStatic,
        "the kubelet",
        lambda: Scene(VM, _cpu_manager("false")),
        "Set cpuManagerPolicy: static",
        lambda s: s.put(_cpu_manager("true")),
    ),
    Case(
        Code.CpuManagerNotStatic,
        "the statement",
        lambda: Scene(VM, stated(cpuManagerPolicy="none")),
        "Where the kubelet is static already, correct annotation fastfit.dev/kubelet",
        lambda s: s.put(stated()),
    ),
    Case(
        Code.NoPagesOfSize,
        "the node",
        lambda: Scene(edited(VM, _small_pages), stated("none")),
        "Configure huge pages of that size on the node",
        lambda s: s.put(_with_small_pages()),
    ),
    Case(
        Code.NoPagesOfSize,
        "the VM",
        lambda: Scene(edited(VM, _small_pages), stated("none")),
        "choose another page size",
        lambda s: _ask(s, pod("vm", 4, 4)),
    ),
    Case(
        Code.KubeletCannotStart,
        "no reservation",
        lambda: Scene(VM, stated(reservedSystemCPUs="")),
        "explain names it",
        lambda s: s.put(stated()),
    ),
    Case(
        Code.NodeCpuShort,
        "other pods",
        lambda: Scene(pod("vm", 10, 0), stated("none"), A, B),
        "Free CPUs on the node",
        lambda s: s.delete(A),
    ),
    Case(
        Code.NodeCpuShort,
        "the VM's size",
        lambda: Scene(pod("vm", 10, 0), stated("none"), A, B),
        "lower the VM's vCPUs",
        lambda s: _ask(s, VM),
    ),
    Case(
        Code.NodeCpuShort,
        "a node too small",
        lambda: Scene(pod("vm", 40, 0), stated("none")),
        "Lower the VM's size, or use a larger node",
        lambda s: _ask(s, VM),
    ),
    Case(
        Code.ZoneCpuShort,
        "other pods",
        lambda: Scene(pod("vm", 6, 0), stated(), A, B),
        "one VM must move away",
        lambda s: s.delete(A),
    ),
    Case(
        Code.ZoneCpuShort,
        "the VM's size",
        lambda: Scene(pod("vm", 6, 0), stated(), A, B),
        "a smaller VM fits",
        lambda s: _ask(s, pod("vm", 3, 0)),
    ),
    Case(
        Code.NeverFitsZone,
        "CPUs",
        lambda: Scene(pod("vm", 20, 0), stated()),
        "one zone gives at most 16 CPUs. Choose a size within that",
        lambda s: _ask(s, pod("vm", 16, 0)),
    ),
    Case(
        Code.NeverFitsZone,
        "CPUs, another policy",
        lambda: Scene(pod("vm", 20, 0), stated()),
        "or Topology Manager restricted, which takes it",
        lambda s: s.put(stated("restricted")),
    ),
    Case(
        Code.NeverFitsZone,
        "devices",
        lambda: Scene(with_devices(VM, gpu=3), stated(), nrt("n", [{"cpu": 14, GPU: 2}, {"cpu": 16, GPU: 2}])),
        f"one zone gives at most 2 {GPU}. Choose a size within that",
        lambda s: _ask(s, with_devices(VM, gpu=2)),
    ),
    Case(
        Code.NeverFitsZone,
        "CPUs and memory of other widths",
        lambda: Scene(pod("vm", 20, 16, sidecar=False), _guarded("restricted")),
        "one zone gives at most 16 CPUs",
        lambda s: _ask(s, pod("vm", 12, 16, sidecar=False)),
    ),
    Case(
        Code.ZonesDisagree,
        "CPUs here, pages there",
        lambda: Scene(pod("vm", 8, 16), _guarded(), running("cpus", 15), running("pages", 1, 30)),
        "Free what is missing in zones that have the rest",
        lambda s: s.delete(running("pages", 1, 30)),
    ),
    Case(
        Code.ZoneMemoryShort,
        "other pods",
        lambda: Scene(pod("vm", 4, 16), _guarded("best-effort"), running("a", 1, 30), running("b", 1, 30)),
        "Free memory or huge pages of the zones",
        lambda s: s.delete(running("a", 1, 30)),
    ),
    Case(
        Code.ZoneMemoryShort,
        "the VM's size",
        lambda: Scene(pod("vm", 4, 16), _guarded("best-effort"), running("a", 1, 30), running("b", 1, 30)),
        "or lower the VM's memory",
        lambda s: _ask(s, pod("vm", 4, 1)),
    ),
    Case(
        Code.ZoneMemoryShort,
        "the report shows less",
        lambda: Scene(pod("vm", 4, 16, sidecar=False), _guarded("best-effort"), report(_less_free(4), "best-effort")),
        "the node's report shows less free than the zones have",
        lambda s: s.put(report(FULL, "best-effort")),
    ),
    Case(
        Code.ZoneMemoryShort,
        "a node too small",
        lambda: Scene(pod("vm", 4, 80, sidecar=False), _guarded("best-effort")),
        "Lower the VM's size, or use a larger node",
        lambda s: _ask(s, pod("vm", 4, 16, sidecar=False)),
    ),
    Case(
        Code.ZoneMemoryShort,
        "a zone too small",
        lambda: Scene(pod("vm", 4, 40), _guarded()),
        "use a node with larger zones",
        lambda s: s.put(node("n", KUBELET_A, machine(pages=48))),
    ),
    Case(
        Code.MemoryGroupConflict,
        "a neighbour",
        lambda: Scene(pod("vm", 20, 48, sidecar=False), _guarded("restricted"), running("a", 2, 2)),
        "move away the pods",
        lambda s: s.delete(running("a", 2, 2)),
    ),
    Case(
        Code.MemoryGroupConflict,
        "a neighbour, by pods",
        lambda: Scene(pod("vm", 20, 48), _guarded("restricted", topologyManagerScope="pod"), running("a", 2, 2)),
        "move away the pods",
        lambda s: s.delete(running("a", 2, 2)),
    ),
    Case(
        Code.MemoryGroupConflict,
        "its own helpers",
        lambda: Scene(pod("vm", 20, 48), _guarded("restricted")),
        "set topologyManagerScope: pod",
        lambda s: s.put(_guarded("restricted", topologyManagerScope="pod")),
    ),
    Case(
        Code.SmtAlignment,
        "an odd count",
        lambda: Scene(pod("vm", 9, 0), stated(**ALIGNED)),
        "compute asks for 9 CPUs, and cores have 2 threads: choose a multiple of 2",
        lambda s: _ask(s, pod("vm", 10, 0)),
    ),
    Case(
        Code.SmtAlignment,
        "cores cut by the reservation",
        lambda: Scene(pod("vm", 10, 0), stated("none", machine(zones=1), reservedSystemCPUs="0-3", **ALIGNED)),
        "reserve whole cores",
        lambda s: s.put(stated("none", machine(zones=1), reservedSystemCPUs="0-1,8-9", **ALIGNED)),
    ),
    Case(
        Code.SmtAlignment,
        "too few cores",
        lambda: Scene(
            pod("vm", 6, 0), stated("none", machine(zones=1), reservedSystemCPUs="0-3", **ALIGNED), running("a", 4)
        ),
        "free CPUs on the node",
        lambda s: s.delete(running("a", 4)),
    ),
    Case(
        Code.DeviceZoneShort,
        "other pods",
        lambda: Scene(
            with_devices(VM, gpu=2),
            stated(),
            nrt("n", [{"cpu": 14, GPU: 2}, {"cpu": 16}]),
            with_devices(running("a", 2), gpu=1),
        ),
        "Free a device",
        lambda s: s.delete(with_devices(running("a", 2), gpu=1)),
    ),
    Case(
        Code.ZonePagesShort,
        "other pods",
        lambda: Scene(pod("vm", 9, 16), stated(), vmi("vm"), running("a", 2, 30), running("b", 14)),
        "Free huge pages of the zones",
        lambda s: s.delete(running("a", 2, 30)),
    ),
    Case(
        Code.ZonePagesShort,
        "a node too small",
        lambda: Scene(pod("vm", 9, 40), stated(), vmi("vm", 8, 40)),
        "lower the VM's size",
        lambda s: (_ask(s, pod("vm", 9, 16)), s.put(vmi("vm", 8, 16))),
    ),
    Case(
        Code.CoreSplit,
        "two threads",
        lambda: Scene(
            pod("vm", 20, 20),
            stated("none", machine(cores=20, threads=1), reservedSystemCPUs="0,20"),
            vmi("vm", 20, 20, threads=2, isolate=False),
        ),
        "use threads: 1",
        lambda s: s.put(vmi("vm", 20, 20, isolate=False)),
    ),
    Case(
        Code.GuestMemoryPages,
        "less than a page per cell",
        lambda: Scene(pod("vm", 25, 1), stated("none"), vmi("vm", 24, 1)),
        "at least one page per guest cell",
        lambda s: (_ask(s, pod("vm", 25, 24)), s.put(vmi("vm", 24, 24))),
    ),
    Case(
        Code.RefusedBefore,
        "until a pod leaves",
        _refused_before,
        "tried again when a pod leaves the node",
        lambda s: s.delete(running("old", 2)),
    ),
    Case(
        Code.MoreZonesThanCells,
        "other pods",
        _moving,
        "Free CPUs in one zone",
        lambda s: s.delete(NEIGHBOURS[0]),
    ),
    Case(
        Code.NotSymmetric,
        "the policy",
        lambda: _split("strict"),
        "choose prefer",
        lambda s: _ask(s, target("vm", 25, 24, policy="prefer")),
    ),
    Case(
        Code.LauncherCpusShort,
        "an odd pool",
        lambda: Scene(pod("vm", 9, 16), stated(), odd_pool(7)),
        "give the pool an even number of threads, or the VM an even number of vCPUs",
        lambda s: (_ask(s, pod("vm", 11, 16)), s.put(odd_pool(8))),
    ),
    Case(
        Code.MigrationFailedBefore,
        "until a pod comes",
        _failed_migration,
        "tried again when a pod comes to the node or leaves it",
        lambda s: s.put(replace(running("new", 2), spec=replace(running("new", 2).spec, node_name="b"))),
    ),
    Case(
        Code.DeviceOutsideCells,
        "the policy",
        lambda: Scene(
            with_devices(pod("vm"), gpu=1),
            stated("none"),
            nrt("n", [{"cpu": 14}, {"cpu": 16, GPU: 1}], "none"),
            made((GPU,)),
            STRICT,
        ),
        "use Topology Manager restricted",
        lambda s: s.put(stated("restricted"), nrt("n", [{"cpu": 14}, {"cpu": 16, GPU: 1}], "restricted")),
    ),
    Case(
        Code.NotGuaranteed,
        "a helper",
        lambda: Scene(edited(pod("vm"), _burstable), stated(), vmi("vm")),
        "every container needs CPU and memory limits equal to its requests",
        lambda s: _ask(s, pod("vm")),
    ),
    Case(
        Code.LauncherPagesShort,
        "a memory request below the guest",
        lambda: Scene(pod("vm", 9, 8), stated(), vmi("vm")),
        "remove spec.domain.resources.requests.memory",
        lambda s: _ask(s, pod("vm", 9, 16)),
    ),
    Case(
        Code.NodeResourcesShort,
        "pods without a zone fill the node",
        lambda: SummedScene(VM, SMALL, FILLER),
        "Free the resource on the node",
        lambda s: s.delete(FILLER),
    ),
]
