"""The control plane of the tests does what a cluster does, and its kubelets judge like kubelets."""

import gzip
import json
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from extender.sample.machines import xeon_6230
from tests.kit.cluster.api import ApiError
from tests.kit.cluster.build import DEFAULT_VERSION, RELEASES, SOURCE
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.hollow_kubelets import HollowKubelets
from tests.kit.cluster.processes import wait_for

Object = dict[str, Any]
NRT = "/apis/topology.node.k8s.io/v1alpha2/noderesourcetopologies"
GOLDEN = Path(__file__).parents[1] / "golden" / "kubelet" / "vm.jsonl.gz"
# Lines of the golden file: a machine with sparse zone ids, one with memory-less zones, one with full-pcpus-only.
GOLDEN_LINES = {285: "power9-sparse", 339: "threadripper-2990wx", 495: "xeon-6140-2s"}


def node(name: str, policy: str = "single-numa-node", **more: Any) -> Object:
    """A node of two zones with 40 CPUs each, 2 of 80 reserved, 32 pages of 1Gi per zone."""
    kubelet = {
        "topologyManagerPolicy": policy,
        "topologyManagerScope": "pod",
        "topologyManagerPolicyOptions": {},
        "cpuManagerPolicy": "static",
        "cpuManagerPolicyOptions": {},
        "memoryManagerPolicy": "Static",
        "reservedMemory": [{"numaNode": 0, "limits": {"memory": "1Gi"}}],
        "reservedSystemCPUs": "0,40",
        "reservedCPUCount": 0,
    }
    return {"name": name, "kubelet": kubelet, "machine": xeon_6230({"1Gi": 32}), **more}


def vm(
    name: str, namespace: str, cpus: int, *, pages: int = 0, node_name: str = "", more: Object | None = None
) -> Object:
    """A pod with the containers of a dedicated VM: a fractional sidecar before `compute`."""
    amounts = {"cpu": str(cpus), "memory": "500Mi", **(more or {})} | ({"hugepages-1Gi": f"{pages}Gi"} if pages else {})
    small = {"cpu": "15m", "memory": "60M"}
    log: Object = {"name": "guest-console-log", "restartPolicy": "Always"}
    spec = {
        "nodeName": node_name,
        "terminationGracePeriodSeconds": 60,
        "initContainers": [log | {"image": "x", "resources": {"requests": small, "limits": small}}],
        "containers": [{"name": "compute", "image": "x", "resources": {"requests": amounts, "limits": amounts}}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def judged(plane: ControlPlane, pod: Object) -> Object:
    """Create the pod and wait until its kubelet decided; return its status."""
    plane.api.create(pod)
    return ended(plane, pod)


def ended(plane: ControlPlane, pod: Object) -> Object:
    def status() -> Object | None:
        found: Object = plane.api.get(path(pod))["status"]
        return found if found["phase"] != "Pending" else None

    found = wait_for(status, f"the verdict on {pod['metadata']['name']}")
    assert found is not None
    return found


def available(plane: ControlPlane, node_name: str, resource: str = "cpu") -> list[int]:
    """What the NodeResourceTopology of a node calls available, by zone."""
    zones = plane.api.get(f"{NRT}/{node_name}")["zones"]
    found = [{each["name"]: int(each["available"]) for each in zone["resources"]} for zone in zones]
    return [zone[resource] for zone in found]


def until_available(plane: ControlPlane, node_name: str, expected: list[int], resource: str = "cpu") -> None:
    wait_for(
        lambda: available(plane, node_name, resource) == expected,
        f"{expected} available {resource} on {node_name}",
    )


@pytest.fixture
def one_node(control_plane: ControlPlane) -> Iterator[HollowKubelets]:
    with control_plane.hollow_kubelets([node("one")]) as kubelets:
        yield kubelets


def test_the_api_server_is_the_pinned_release(control_plane: ControlPlane) -> None:
    """The binary is stamped with the release, and kubectl talks to it."""
    versions = json.loads(control_plane.kubectl("version", "-o", "json").stdout)
    assert versions["serverVersion"]["gitVersion"] == RELEASES[DEFAULT_VERSION].version
    assert versions["clientVersion"]["gitVersion"] == RELEASES[DEFAULT_VERSION].version


def test_users_have_the_rights_of_their_roles_alone(control_plane: ControlPlane) -> None:
    """RBAC is on: a user known by certificate and a service account may do what is bound to them, and the log tells."""
    namespace = control_plane.namespace()
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot", "namespace": namespace}}
    control_plane.api.create(account)
    control_plane.kubectl("create", "clusterrole", "see", "--verb=list", "--resource=pods")
    control_plane.kubectl("create", "clusterrolebinding", "see", "--clusterrole=see", "--group=team/a")
    rights = f"--serviceaccount={namespace}:robot"
    control_plane.kubectl("create", "clusterrolebinding", "robot", "--clusterrole=system:kube-scheduler", rights)
    kubeconfigs = {
        "viewer": control_plane.kubeconfig_for("viewer", ["team/a"]),
        "nobody": control_plane.kubeconfig_for("nobody"),
        "robot": control_plane.service_account_kubeconfig(namespace, "robot"),
    }
    allowed = {
        (user, what): control_plane.kubectl("get", what, "-A", check=False, kubeconfig=kubeconfig).returncode == 0
        for user, kubeconfig in kubeconfigs.items()
        for what in ("pods", "nodes")
    }
    assert allowed == {
        ("viewer", "pods"): True,
        ("viewer", "nodes"): False,
        ("nobody", "pods"): False,
        ("nobody", "nodes"): False,
        ("robot", "pods"): True,
        ("robot", "nodes"): True,
    }
    seen = {
        (e["objectRef"]["resource"], e["responseStatus"]["code"])
        for e in control_plane.audit("viewer")
        if "objectRef" in e
    }
    assert seen == {("pods", 200), ("nodes", 403)}


def test_an_admitted_pod_runs(control_plane: ControlPlane, one_node: HollowKubelets) -> None:
    """The real kube-scheduler binds a pod, the kubelet gives it exclusive CPUs of one zone, and it is Running."""
    pod = vm("fits", control_plane.namespace(), cpus=9, pages=4)
    with control_plane.scheduler():
        assert judged(control_plane, pod)["phase"] == "Running"
    live = control_plane.api.get(path(pod))
    verdict = one_node.verdict(live["metadata"]["uid"])
    compute = verdict["containers"]["compute"]
    assert (verdict["admitted"], verdict["active"], compute["hint"], compute["preferred"]) == (True, True, [0], True)
    assert compute["cpus"] == "2,4,6,8,10,42,44,46,48"
    pages = [block for block in compute["memory"] if block["resource"] == "hugepages-1Gi"]
    assert pages == [{"resource": "hugepages-1Gi", "numa": [0], "bytes": 4 << 30}]
    conditions = {each["type"]: each["status"] for each in live["status"]["conditions"]}
    assert (conditions["Ready"], conditions["PodScheduled"]) == ("True", "True")


def test_a_pod_that_no_zone_holds_is_refused(control_plane: ControlPlane, one_node: HollowKubelets) -> None:
    """The scheduler sees 78 free CPUs; the kubelet refuses 41 of them in one zone, with its own words and an event."""
    pod = vm("wide", control_plane.namespace(), cpus=41)
    with control_plane.scheduler():
        status = judged(control_plane, pod)
    text = "Resources cannot be allocated with Topology locality"
    assert (status["phase"], status["reason"]) == ("Failed", "TopologyAffinityError")
    assert status["message"] == f"Pod was rejected: {text}"
    namespace = pod["metadata"]["namespace"]
    events = wait_for(
        lambda: control_plane.api.items(
            f"/api/v1/namespaces/{namespace}/events", fieldSelector="reason=TopologyAffinityError"
        ),
        "the event",
    )
    assert (events[0]["message"], events[0]["source"]) == (text, {"component": "kubelet", "host": "one"})
    state = one_node.state()
    assert (state["admitted"], state["refused"], state["refusedByReason"]) == (0, 1, {"TopologyAffinityError": 1})
    until_available(control_plane, "one", [38, 40])


def test_what_the_node_lacks_as_a_whole_is_refused_by_the_predicates(
    control_plane: ControlPlane, one_node: HollowKubelets
) -> None:
    """After the Topology Manager come the predicates: a pod with a foreign selector is refused by the node's labels."""
    pod = vm("elsewhere", control_plane.namespace(), cpus=1, node_name="one")
    pod["spec"]["nodeSelector"] = {"kubernetes.io/hostname": "another"}
    assert judged(control_plane, pod)["reason"] == "NodeAffinity"


def test_a_deleted_pod_gives_back_what_it_held(control_plane: ControlPlane, one_node: HollowKubelets) -> None:
    """A graceful deletion is finished by the kubelet, and what the pod held can be had again."""
    namespace = control_plane.namespace()
    first, second = (vm(name, namespace, cpus=38, node_name="one") for name in ("first", "second"))
    assert judged(control_plane, first)["phase"] == "Running"
    assert judged(control_plane, second)["phase"] == "Running"
    until_available(control_plane, "one", [0, 2])
    assert judged(control_plane, vm("early", namespace, cpus=30, node_name="one"))["phase"] == "Failed"
    control_plane.api.delete(path(first))
    wait_for(lambda: not control_plane.api.exists(path(first)), "the end of the first pod")
    assert judged(control_plane, vm("late", namespace, cpus=30, node_name="one"))["phase"] == "Running"
    until_available(control_plane, "one", [8, 2])
    active = [pod["name"] for pod in one_node.state()["nodes"]["one"]["pods"] if pod["active"]]
    assert active == ["second", "late"]


def test_zones_are_published_with_the_chosen_lag(control_plane: ControlPlane) -> None:
    """Between the start of a pod and the NodeResourceTopology that shows it lies at least the lag."""
    lag = 3
    with control_plane.hollow_kubelets([node("slow")], nrt_lag=lag):
        assert available(control_plane, "slow") == [38, 40]
        status = judged(control_plane, vm("pod", control_plane.namespace(), cpus=5, node_name="slow"))
        until_available(control_plane, "slow", [33, 40])
        written = control_plane.api.get(f"{NRT}/slow")["metadata"]["managedFields"][0]["time"]
    passed = datetime.fromisoformat(written) - datetime.fromisoformat(status["startTime"])
    assert passed >= timedelta(seconds=lag - 1)  # both are cut to whole seconds


def test_an_exporter_like_nfd_leaves_vms_out(control_plane: ControlPlane) -> None:
    """A pod with a fractional container is missing from the zones, one without is counted; `none` publishes nothing."""
    nodes = [node("nfd"), node("exact", nrt="exact"), node("none", nrt="none")]
    with control_plane.hollow_kubelets(nodes, nrt="nfd"):
        namespace = control_plane.namespace()
        for name in ("nfd", "exact", "none"):
            whole = vm(f"whole-{name}", namespace, cpus=4, node_name=name)
            del whole["spec"]["initContainers"]
            assert judged(control_plane, vm(f"vm-{name}", namespace, cpus=5, node_name=name))["phase"] == "Running"
            assert judged(control_plane, whole)["phase"] == "Running"
        until_available(control_plane, "nfd", [34, 40])
        until_available(control_plane, "exact", [29, 40])
        assert not control_plane.api.exists(f"{NRT}/none")
        attributes = {each["name"]: each["value"] for each in control_plane.api.get(f"{NRT}/nfd")["attributes"]}
    assert (attributes["topologyManagerPolicy"], attributes["topologyManagerScope"]) == ("single-numa-node", "pod")
    assert "nodeTopologyPodsFingerprint" not in attributes


def test_the_fingerprint_names_the_set_of_pods(control_plane: ControlPlane) -> None:
    """Ten pods in six namespaces give the fingerprint that the reference implementation gives for them."""
    names = {
        "analytics": ["controller-69dkj"],
        "kube-public": ["subscriber-tq6v7", "transformer-hfbng", "validator-c6pn5"],
        "kube-system": ["proxy-wszrd"],
        "middleware": ["processor-jkrl4"],
        "network": ["gateway-vsll5", "importer-kzdfr", "importer-q5vt9"],
        "staging": ["prometheus-bwgbn"],
    }
    for namespace in names.keys() - {"kube-public", "kube-system"}:
        control_plane.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})

    def published() -> str | None:
        attributes = control_plane.api.get(f"{NRT}/marked")["attributes"]
        return next((each["value"] for each in attributes if each["name"] == "nodeTopologyPodsFingerprint"), None)

    with control_plane.hollow_kubelets([node("marked")], fingerprint=True):
        assert published() is None  # nothing runs yet
        control_plane.api.create_all(
            vm(name, namespace, cpus=1, node_name="marked")
            for namespace, in_namespace in names.items()
            for name in in_namespace
        )
        wait_for(lambda: published() == "pfp0v001567144e4a561bb5a", "the fingerprint of all ten pods")


def test_devices_sit_in_zones(control_plane: ControlPlane) -> None:
    """A pod gets its CPUs where its device is; where the zones of devices and CPUs cannot meet it is refused."""
    vf = "example.com/vf"
    with control_plane.hollow_kubelets([node("nics", devices={vf: {"1": 2}})]) as kubelets:
        namespace = control_plane.namespace()
        near = vm("near", namespace, cpus=6, node_name="nics", more={vf: "1"})
        assert judged(control_plane, near)["phase"] == "Running"
        compute = kubelets.verdict(control_plane.api.get(path(near))["metadata"]["uid"])["containers"]["compute"]
        assert (compute["hint"], compute["cpus"], compute["devices"]) == ([1], "1,3,5,41,43,45", {vf: {"1": 1}})
        wide = vm("wide", namespace, cpus=36, node_name="nics", more={vf: "1"})
        assert judged(control_plane, wide)["reason"] == "TopologyAffinityError"


def test_facts_and_capacity_stand_on_the_node(control_plane: ControlPlane) -> None:
    """The node's totals leave out what is reserved; the facts are annotated as they were given."""
    given = node("facts", labels={"zone": "a"}, capacity={"example.com/dongle": "3"}, kubeletVersion="v1.35.9")
    with control_plane.hollow_kubelets([given], facts=True):
        live = control_plane.api.get("/api/v1/nodes/facts")
    assert json.loads(live["metadata"]["annotations"]["fastfit.dev/kubelet"]) == given["kubelet"]
    assert json.loads(live["metadata"]["annotations"]["fastfit.dev/machine"]) == given["machine"]
    assert live["metadata"]["labels"].items() >= {"zone": "a", "kubevirt.io/cpumanager": "true"}.items()
    memory = sum(zone["memoryBytes"] for zone in given["machine"]["numa"]) >> 30
    allocatable, capacity = live["status"]["allocatable"], live["status"]["capacity"]
    assert (capacity["cpu"], allocatable["cpu"], allocatable["hugepages-1Gi"]) == ("80", "78", "64Gi")
    assert (capacity["memory"], allocatable["memory"]) == (f"{memory}Gi", f"{memory - 64 - 1}Gi")
    assert (allocatable["example.com/dongle"], allocatable["devices.kubevirt.io/kvm"]) == ("3", "1k")
    assert live["status"]["nodeInfo"]["kubeletVersion"] == "v1.35.9"
    assert "taints" not in live["spec"]


def test_restarts_lose_nothing(control_plane: ControlPlane, one_node: HollowKubelets) -> None:
    """An API server that was away comes back with its objects; restarted kubelets keep every CPU where it was."""
    namespace = control_plane.namespace()
    before = vm("before", namespace, cpus=7, node_name="one")
    assert judged(control_plane, before)["phase"] == "Running"
    uid = control_plane.api.get(path(before))["metadata"]["uid"]
    cpus = one_node.verdict(uid)["containers"]["compute"]["cpus"]
    control_plane.stop_api_server()
    with pytest.raises(OSError, match="refused"):
        control_plane.api.get("/readyz")
    control_plane.start_api_server()
    assert control_plane.api.get(path(before))["metadata"]["uid"] == uid
    assert judged(control_plane, vm("between", namespace, cpus=7, node_name="one"))["phase"] == "Running"
    one_node.restart()
    assert one_node.verdict(uid)["containers"]["compute"]["cpus"] == cpus
    until_available(control_plane, "one", [24, 40])


@pytest.mark.parametrize("line", GOLDEN_LINES, ids=GOLDEN_LINES.values())
def test_verdicts_equal_the_golden_ones(control_plane: ControlPlane, line: int) -> None:
    """A node's life from the golden data, played through the API: verdict, words, CPUs, hints and memory are the same."""
    with gzip.open(GOLDEN) as file:
        scenario = json.loads(file.readlines()[line])
    assert scenario["name"] == GOLDEN_LINES[line]
    namespace = control_plane.namespace()
    life = {"name": "golden", "kubelet": scenario["kubelet"], "machine": scenario["machine"]}
    played = []
    # The golden pods were admitted and never started.
    with control_plane.hollow_kubelets([life], start_containers=False) as kubelets:
        for step in scenario["steps"]:
            if "admit" in step:
                name, spec = step["admit"]["uid"], step["admit"]["spec"] | {"nodeName": "golden"}
                pod = {
                    "apiVersion": "v1",
                    "kind": "Pod",
                    "metadata": {"name": name, "namespace": namespace},
                    "spec": spec,
                }
                uid = control_plane.api.create(pod)["metadata"]["uid"]
                played.append((observed(kubelets.verdict(uid)), step["observed"]))
            elif "remove" in step:
                where = f"/api/v1/namespaces/{namespace}/pods/{step['remove']}"
                uid = control_plane.api.get(where)["metadata"]["uid"]
                control_plane.api.delete(where, grace=0)
                kubelets.wait_released(uid)
    assert played
    assert [got for got, _ in played] == [golden for _, golden in played]


def observed(verdict: Object) -> Object:
    """A verdict in the form of the golden data."""
    words = {} if verdict["admitted"] else {key: verdict[key] for key in ("reason", "message")}
    containers = {
        name: {key: held[key] for key in ("cpus", "hint", "preferred")} | {"memory": in_mib(held["memory"])}
        for name, held in verdict["containers"].items()
    }
    return {"admit": verdict["admitted"], **words, "containers": containers}


def in_mib(blocks: list[Object]) -> list[Object]:
    return [{"resource": b["resource"], "numa": b["numa"], "Mi": b["bytes"] >> 20} for b in blocks]


def test_the_go_sources_are_formatted(cluster_binary: Path) -> None:
    """gofmt has nothing to say about them."""
    done = subprocess.run(["gofmt", "-l", SOURCE], capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_errors_of_the_api_are_told(control_plane: ControlPlane) -> None:
    """A refused request raises the server's own words."""
    with pytest.raises(ApiError, match=r'404 pods "none" not found') as caught:
        control_plane.api.get("/api/v1/namespaces/default/pods/none")
    assert caught.value.body["reason"] == "NotFound"
