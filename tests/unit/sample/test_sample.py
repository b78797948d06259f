"""The bundled sample: up to date, varied, consistent, and made of pods as KubeVirt makes them."""

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from extender import names
from extender.api.objects import NodeResourceTopology, Pod
from extender.cache.events import Source
from extender.kubelet.admission import Kubelet
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.kubelet.pod import pod_demand
from extender.kubelet.results import Refused
from extender.kubevirt.launcher_pod import vmi_name
from extender.sample import generate
from extender.sample.hosts import HOSTS, Host, kubelet_object
from extender.sample.vms import TYPES, Vm, launcher_pod, vmi
from extender.snapshot import Snapshot, read


@pytest.fixture(scope="module")
def sample() -> Snapshot:
    return read(generate.CLUSTER)


def test_the_files_are_what_the_generator_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody edits the files by hand, and the generator gives the same bytes every time."""
    cluster, body = generate.CLUSTER.read_bytes(), generate.FILTER_BODY.read_bytes()
    monkeypatch.setattr(generate, "CLUSTER", tmp_path / "cluster.json")
    monkeypatch.setattr(generate, "FILTER_BODY", tmp_path / "filter.json")
    generate.main()
    assert (tmp_path / "cluster.json").read_bytes() == cluster
    assert (tmp_path / "filter.json").read_bytes() == body
    assert "frontdesk" in capsys.readouterr().out


def test_the_sample_has_the_shapes_that_the_demo_promises(sample: Snapshot) -> None:
    """A dozen nodes: two-zone Xeons, NPS4, sparse ids, memory-less zones; one without annotations, one without report."""
    zones = {host.name: [zone["id"] for zone in host.machine["numa"]] for host in HOSTS}
    assert len(sample.records[Source.NODES]) == len(HOSTS) == 12
    assert zones["xeon-1"] == [0, 1]
    assert zones["epyc-1"] == list(range(8))
    assert zones["sparse-1"] == [0, 8]
    assert {zone["id"] for zone in _host("ripper-1").machine["numa"] if not zone["memoryBytes"]} == {1, 3}
    reported = {record.metadata.name for record in sample.records[Source.NRTS]}
    stated = {
        record.metadata.name
        for record in sample.records[Source.NODES]
        if names.MACHINE_ANNOTATION in (record.metadata.annotations or {})
    }
    everything = set(zones)
    assert everything - reported == {"snc-1"}
    assert everything - stated == {"snc-1", "xeon-4"}
    assert {host.policy for host in HOSTS} == {"none", "best-effort", "restricted", "single-numa-node"}
    assert {host.scope for host in HOSTS} == {"container", "pod"}


def test_every_kind_of_vm_waits(sample: Snapshot) -> None:
    """One pending VM of each kind, with its VMI; the large one asks for 33 CPUs."""
    waiting = {vmi_name(pod): pod for pod in sample.pods() if not pod.spec.node_name}
    vmis = {record.metadata.name for record in sample.records[Source.VMIS]}
    kinds = {
        (pod.metadata.annotations or {})["kubevirt.io/cluster-instancetype-name"].partition(".")[0]
        for pod in waiting.values()
    }
    assert kinds == {"cx1", "d1", "u1", "rt1"}
    assert set(waiting) <= vmis
    exclusive = {name: max(c.exclusive_cpus for c in pod_demand(pod).containers) for name, pod in waiting.items()}
    assert exclusive == {"frontdesk": 9, "warehouse": 33, "ci-runner": 9, "intranet": 0, "upf-2": 10}


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.name)
def test_reports_agree_with_the_kubelet_model(sample: Snapshot, host: Host) -> None:
    """What a report calls available is what the node's kubelet has left after its pods, per zone."""
    kubelet = Kubelet(machine_from_json(host.machine, host.name), config_from_json(kubelet_object(host), host.name))
    running = [pod for pod in sample.pods() if pod.spec.node_name == host.name]
    for pod in sorted(running, key=lambda pod: pod.status.start_time or ""):
        assert not isinstance(kubelet.admit(pod_demand(pod)), Refused)
    nrt = next((r for r in sample.records[Source.NRTS] if r.metadata.name == host.name), None)
    if nrt is None:
        assert not host.reported
        return
    assert isinstance(nrt, NodeResourceTopology)
    free = {zone.id: zone for zone in kubelet.counts().zones}
    for zone in nrt.zones or ():
        left = free[int(zone.name.removeprefix("node-"))]
        for resource in zone.resources or ():
            if resource.name == "cpu":
                assert int(resource.available) == left.cpu_free
            elif resource.name in left.memory:
                assert int(resource.available) == left.memory[resource.name].free
                assert int(resource.allocatable) == left.memory[resource.name].total


def _host(name: str) -> Host:
    return next(host for host in HOSTS if host.name == name)


def test_a_launcher_pod_is_what_kubevirt_makes() -> None:
    """An 8-vCPU VM with 1Gi pages: 9 CPUs, the guest in pages, 444Mi beside it, a console sidecar, a controlling VMI."""
    pod = launcher_pod(Vm("small", TYPES["cx1.2xlarge1gi"]))
    devices = {f"devices.kubevirt.io/{name}": "1" for name in ("kvm", "tun", "vhost-net")}
    held = {"cpu": "9", "memory": "444Mi", "hugepages-1Gi": "16Gi"}
    compute = pod["spec"]["containers"][0]
    assert compute["resources"] == {
        "requests": {**held, "ephemeral-storage": "50M", **devices},
        "limits": {**held, **devices},
    }
    console = {"cpu": "15m", "memory": "60M"}
    assert pod["spec"]["initContainers"][0]["resources"] == {"requests": console, "limits": console}
    assert pod["metadata"]["annotations"]["kubevirt.io/memory-overhead-bytes"] == "465567744"
    demand = pod_demand(msgspec.convert(pod, Pod))
    assert demand.guaranteed
    assert [container.exclusive_cpus for container in demand.containers] == [0, 9]


@pytest.mark.parametrize(
    ("kind", "cpu", "memory", "qos"),
    [
        ("cx1.8xlarge", "33", "636Mi", "Guaranteed"),
        ("d1.2xlarge", "9", "33212Mi", "Guaranteed"),
        ("rt1.2xlarge", "9", "444Mi", "Guaranteed"),
        ("u1.large", "200m", "8488Mi", "Burstable"),
    ],
)
def test_what_an_instance_type_asks_for(kind: str, cpu: str, memory: str, qos: str) -> None:
    """CPUs, plain memory and QoS class of the compute container for each series."""
    pod = launcher_pod(Vm("x", TYPES[kind]))
    requests = pod["spec"]["containers"][0]["resources"]["requests"]
    assert (requests["cpu"], requests["memory"], pod["status"]["qosClass"]) == (cpu, memory, qos)
    computed = msgspec.structs.replace(
        msgspec.convert(pod, Pod), status=msgspec.convert({"phase": "Pending"}, type(msgspec.convert(pod, Pod).status))
    )
    assert pod_demand(computed).guaranteed == (qos == "Guaranteed")


def test_even_parity_gives_a_second_emulator_thread() -> None:
    """With the annotation an even number of vCPUs gets two more CPUs, so whole cores are asked for."""
    assert Vm("x", TYPES["rt1.2xlarge"], annotations={names.EVEN_PARITY_ANNOTATION: ""}).cpus == 10


def test_only_cx1_states_its_hotplug_limit() -> None:
    """maxSockets equals the size for cx1 and is four times the sockets for the others."""

    def cpu(kind: str) -> Any:
        return vmi(Vm("x", TYPES[kind]))["spec"]["domain"]["cpu"]

    assert cpu("cx1.8xlarge")["maxSockets"] == 32
    assert cpu("rt1.2xlarge")["maxSockets"] == 32
    assert cpu("d1.2xlarge")["maxSockets"] == 32
    assert cpu("cx1.2xlarge1gi")["maxSockets"] == 8


def test_the_call_to_try_is_a_call_of_kube_scheduler() -> None:
    """The body for curl has the pod and every node's name, and no Nodes."""
    body = orjson.loads(generate.FILTER_BODY.read_bytes())
    assert body["NodeNames"] == [host.name for host in HOSTS]
    assert body["Nodes"] is None
    assert body["Pod"]["spec"]["schedulerName"] == names.SCHEDULER_NAME
