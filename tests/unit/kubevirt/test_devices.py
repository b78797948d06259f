"""GPUs, host devices and VFs of a VM: strict placement under KubeVirt's gate, and what keeps a VM from migrating."""

import json
from typing import Any

import msgspec
import pytest

from extender.api.objects import NodeResourceTopology, Pod, Vmi
from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.kubevirt.devices import immovable, strict_devices
from extender.kubevirt.installation import Installation, installation_of
from extender.kubevirt.launcher_pod import Guest, guest_of
from tests.kit.bodies import args
from tests.kit.migrations import target
from tests.kit.objects import KUBELET_A, machine, node, nrt, pod, vmi
from tests.kit.verbs import explained, make_verbs
from tests.unit.kubevirt.test_installation import record

GPU, VGPU, DISK, VF = "nvidia.com/GA102", "nvidia.com/A10-8Q", "kubevirt.io/storage", "openshift.io/mlx_vf"
PERMITTED = {
    "pciHostDevices": [{"resourceName": GPU, "pciVendorSelector": "10DE:2236"}],
    "mediatedDevices": [{"resourceName": VGPU, "mdevNameSelector": "A10-8Q"}],
    "usb": [{"resourceName": DISK}],
}


def configured(*gates: str) -> Installation:
    """KubeVirt with these gates."""
    return installation_of(record(developerConfiguration={"featureGates": gates}, permittedHostDevices=PERMITTED))


STRICT, VGPU_MOVES = configured("PCINUMAAwareTopology"), configured("VGPULiveMigration")


def made(
    gpus: tuple[str, ...] = (), hosts: tuple[str, ...] = (), *, sriov: bool = False, vcpus: int = 8, **more: Any
) -> Vmi:
    """A VMI with passthrough and these devices; `more`: status, volumes, launchSecurity."""
    raw: dict[str, Any] = msgspec.to_builtins(vmi("vm", vcpus))
    raw["spec"]["domain"]["devices"] = {
        "gpus": [{"name": f"gpu{i}", "deviceName": name} for i, name in enumerate(gpus)],
        "hostDevices": [{"name": f"dev{i}", "deviceName": name} for i, name in enumerate(hosts)],
        "interfaces": [{"name": "default", "masquerade": {}}, *([{"name": "vf", "sriov": {}}] if sriov else [])],
    }
    raw["status"] = more.pop("status", {})
    if "launchSecurity" in more:
        raw["spec"]["domain"]["launchSecurity"] = more.pop("launchSecurity")
    raw["spec"] |= more
    return msgspec.convert(raw, Vmi)


@pytest.mark.parametrize(
    ("record_of", "asked", "strict"),
    [
        (made((GPU,)), [GPU], {GPU}),
        (made((), (GPU,)), [GPU], {GPU}),
        (made((VGPU,)), [VGPU], set()),
        (made((), (DISK,)), [DISK], set()),
        (made(sriov=True), [VF], {VF}),
        (made((GPU,), sriov=True), [GPU, VF, "devices.kubevirt.io/kvm"], {GPU, VF}),
        (made((VGPU,), sriov=True), [VGPU, VF], {VF}),
        (made(), ["example.com/other"], set()),
    ],
    ids=["GPU", "host device", "vGPU", "USB", "VF", "GPU and VF", "vGPU and VF", "no device of the guest"],
)
def test_which_devices_are_strict(record_of: Vmi, asked: list[str], strict: set[str]) -> None:
    """PCI devices of the guest; not mediated ones, USB, KubeVirt's own, nor what the guest does not name."""
    assert strict_devices(guest_of(record_of), asked, STRICT) == strict
    assert strict_devices(guest_of(record_of), asked, configured()) == frozenset()


def test_only_with_cells_of_its_own() -> None:
    """Without passthrough, without dedicated CPUs or without a known VMI placement is never strict."""
    guest = guest_of(made((GPU,)))
    assert strict_devices(None, [GPU], STRICT) == frozenset()
    shared = Guest(guest.size, guest.pages, dedicated=False, gpus=(GPU,))
    assert strict_devices(shared, [GPU], STRICT) == frozenset()
    raw: dict[str, Any] = msgspec.to_builtins(made((GPU,)))
    del raw["spec"]["domain"]["cpu"]["numa"]
    assert strict_devices(guest_of(msgspec.convert(raw, Vmi)), [GPU], STRICT) == frozenset()


def said(status: str, reason: str = "") -> dict[str, Any]:
    """A status with virt-handler's condition."""
    return {"conditions": [{"type": "LiveMigratable", "status": status, "reason": reason, "message": "about disk r"}]}


CLAIM = {"persistentVolumeClaim": {"claimName": "root"}, "name": "root"}


def disk(*modes: str) -> dict[str, Any]:
    """A status whose only disk has these access modes."""
    return {"volumeStatus": [{"name": "root", "persistentVolumeClaimInfo": {"claimName": "r", "accessModes": modes}}]}


@pytest.mark.parametrize(
    ("record_of", "installation", "why"),
    [
        (made(), STRICT, ""),
        (made(sriov=True), STRICT, ""),
        (made((), (GPU,)), STRICT, "host devices cannot migrate"),
        (made((VGPU, VGPU)), VGPU_MOVES, "more than one GPU cannot migrate"),
        (made((VGPU,)), configured(), "a GPU migrates only with KubeVirt's gate VGPULiveMigration"),
        (made((VGPU,)), VGPU_MOVES, ""),
        (made((GPU,)), VGPU_MOVES, "a GPU that is not a mediated device cannot migrate"),
        (made(launchSecurity={"sev": {}}), STRICT, "a VM with SEV cannot migrate"),
        (made(launchSecurity={"snp": {}}), STRICT, "a VM with SEV cannot migrate"),
        (made(launchSecurity={"tdx": {}}), STRICT, "a VM with TDX cannot migrate"),
        (made(launchSecurity={}), STRICT, "Secure Execution cannot migrate"),
        (made(volumes=[CLAIM]), STRICT, ""),
        (made(volumes=[CLAIM], status=disk("ReadWriteMany")), STRICT, ""),
        (made(volumes=[CLAIM], status=disk("ReadWriteOnce")), STRICT, "a disk is not shared (its claim lacks ReadWriteMany)"),
        (made(volumes=[{"name": "d", "hostDisk": {"path": "/d"}}]), STRICT, "a host disk is not shared"),
        (made(volumes=[{"name": "d", "hostDisk": {"path": "/d", "shared": True}}]), STRICT, ""),
        (made((GPU,), status=said("True")), STRICT, ""),
        (made(status=said("False", "DisksNotLiveMigratable")), STRICT, "KubeVirt says DisksNotLiveMigratable"),
        (made(status=said("False", "")), STRICT, "KubeVirt says so"),
    ],
)  # fmt: skip
def test_what_cannot_migrate(record_of: Vmi, installation: Installation, why: str) -> None:
    """virt-handler's condition counts; before it is there, the spec in KubeVirt's order. SR-IOV interfaces migrate."""
    assert immovable(guest_of(record_of), installation) == why


def with_devices(waiting: Pod, **counts: int) -> Pod:
    """The pod, whose compute asks for devices too."""
    raw: dict[str, Any] = msgspec.to_builtins(waiting)
    for amounts in raw["spec"]["containers"][0]["resources"].values():
        amounts |= {GPU if name == "gpu" else VF: str(count) for name, count in counts.items()}
    return msgspec.convert(raw, Pod)


def free(policy: str, *gpus: int) -> NodeResourceTopology:
    """A report: the CPUs that are not reserved in both zones, and so many GPUs."""
    return nrt("n", [{"cpu": cpus, GPU: count} for cpus, count in zip((14, 16), gpus, strict=True)], policy)


def cluster(policy: str, gpus: tuple[int, int], *, gate: bool) -> Cluster:
    """One node, empty, where policy none gives zone 0."""
    held = Cluster()
    kubelet = {**KUBELET_A, "topologyManagerPolicy": policy, "memoryManagerPolicy": "None", "reservedMemory": []}
    held.put(Source.NODES, node("n", kubelet, machine()))
    held.put(Source.NRTS, free(policy, *gpus))
    held.put(Source.VMIS, made((GPU,)))
    gates = ["PCINUMAAwareTopology"] if gate else []
    held.put(Source.KUBEVIRTS, record(developerConfiguration={"featureGates": gates}, permittedHostDevices=PERMITTED))
    return held


@pytest.mark.parametrize(
    ("policy", "gpus", "code"),
    [
        ("none", (1, 0), "Fits"),
        ("none", (0, 1), "DeviceOutsideCells"),
        ("none", (1, 1), "DeviceZoneOpen"),
        ("restricted", (0, 1), "Fits"),
        ("restricted", (1, 1), "Fits"),
    ],
)
def test_the_picture_refuses_what_would_not_start(policy: str, gpus: tuple[int, int], code: str) -> None:
    """Under the gate; policy none takes zone 0 and any device, restricted the device's zone. Without it all fit."""
    waiting = with_devices(pod("vm"), gpu=1)
    told = explained(cluster(policy, gpus, gate=True), waiting)
    assert told.nodes[0].code == code
    assert f"KubeVirt's gate PCINUMAAwareTopology: it boots only with {GPU} in zones with a vCPU" in told.notes
    assert explained(cluster(policy, gpus, gate=False), waiting).nodes[0].code == "Fits"


def test_kube_scheduler_hears_the_reason() -> None:
    """The node is failed for good with the rule in words."""
    body = args(["n"], msgspec.to_builtins(with_devices(pod("vm"), gpu=1)))
    answer = json.loads(make_verbs(cluster("none", (0, 1), gate=True)).filter(body, 1.0).body)
    assert answer["FailedAndUnresolvableNodes"] == {"n": "a PCI device would lie outside the guest's NUMA cells"}


def test_a_device_that_no_report_names() -> None:
    """Its zone is not known: the verdict is unknown, which ranks last and refuses nobody by default."""
    held = cluster("none", (1, 0), gate=True)
    held.put(Source.VMIS, made(sriov=True))
    assert explained(held, with_devices(pod("vm"), vf=1)).nodes[0].code == "DeviceZoneOpen"


def test_a_target_is_not_placed_strictly() -> None:
    """A migration's target is converted without its VF: a far one is no failure there."""
    held = cluster("none", (0, 1), gate=True)
    held.put(Source.VMIS, made(sriov=True))
    waiting = with_devices(target("vm"), gpu=1)
    assert explained(held, waiting).nodes[0].code == "Fits"


def test_explain_names_what_cannot_migrate() -> None:
    """A first boot is told in its notes; a target's nodes say that it is not NUMA's business."""
    held = cluster("none", (1, 0), gate=False)
    told = explained(held, with_devices(pod("vm"), gpu=1))
    words = "it cannot migrate live at all, which is not NUMA's business: a GPU migrates only with"
    assert any(note.startswith(words) for note in told.notes)
    moved = explained(held, target("vm")).nodes[0].migration
    assert moved is not None
    assert moved.outcome == "not NUMA's business"
    assert moved.text.startswith("the VM cannot migrate at all: a GPU migrates only with")
