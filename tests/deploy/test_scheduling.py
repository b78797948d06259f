"""The real kube-scheduler with the shipped files and the shipped rights, addresses and kubeconfig alone changed."""

import subprocess
from pathlib import Path

import pytest
import yaml

from extender.names import KUBEVIRT_DEVICE_PREFIX, SCHEDULER_NAME
from tests.deploy.manifests import DEPLOY, Object, scheduler_config
from tests.kit.cluster.control_plane import ControlPlane, Scheduler
from tests.kit.cluster.processes import free_ports, wait_for

LEASE = "/apis/coordination.k8s.io/v1/namespaces/fastfit/leases/fastfit"
NODE = {"cpu": "8", "memory": "16Gi", "pods": "10", f"{KUBEVIRT_DEVICE_PREFIX}kvm": "10"}


@pytest.fixture(scope="module")
def installed(cluster: ControlPlane) -> ControlPlane:
    """The reference is applied and there is one node."""
    cluster.kubectl("apply", "-k", str(DEPLOY / "base"))
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": ""}
    cluster.api.create(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": "worker"},
            "status": {"capacity": NODE, "allocatable": NODE, "conditions": [ready]},
        }
    )
    return cluster


def _start(cluster: ControlPlane, variant: str, directory: Path, kubeconfig: Path) -> Scheduler:
    """Run a variant. Nobody listens where its extender is looked for."""
    config = scheduler_config(variant)
    config["clientConnection"]["kubeconfig"] = str(kubeconfig)
    for entry in config.get("extenders", []):
        (port,) = free_ports(1)
        entry["urlPrefix"] = f"http://127.0.0.1:{port}"
    path = directory / "scheduler.yaml"
    path.write_text(yaml.safe_dump(config))
    return cluster.start_scheduler(path)


def _create_pod(cluster: ControlPlane, namespace: str, name: str, scheduler: str, *, vm: bool = False) -> None:
    limits = {"cpu": "1", "memory": "64Mi"} | ({f"{KUBEVIRT_DEVICE_PREFIX}kvm": "1"} if vm else {})
    spec = {
        "schedulerName": scheduler,
        "containers": [{"name": "compute", "image": "none", "resources": {"limits": limits}}],
    }
    metadata = {"name": name, "namespace": namespace}
    cluster.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def _pod(cluster: ControlPlane, namespace: str, name: str) -> Object:
    return cluster.api.get(f"/api/v1/namespaces/{namespace}/pods/{name}")


def _condition(cluster: ControlPlane, namespace: str, name: str) -> Object:
    """The first word of kube-scheduler about a pod that it did not place."""
    found: list[Object] = wait_for(
        lambda: _pod(cluster, namespace, name)["status"].get("conditions"), f"a word about {name}"
    )
    return found[0]


def _placed(cluster: ControlPlane, namespace: str, name: str) -> str:
    node: str = wait_for(lambda: _pod(cluster, namespace, name)["spec"].get("nodeName"), f"{name} to be placed")
    return node


def test_reference_runs_with_the_rights_of_its_account(installed: ControlPlane, tmp_path: Path) -> None:
    """By the token of our ServiceAccount it leads, places a pod, leaves a VM waiting, and gives the lease up."""
    scheduler = _start(installed, "", tmp_path, installed.service_account_kubeconfig("fastfit", "fastfit"))
    wait_for(lambda: installed.api.exists(LEASE) and installed.api.get(LEASE)["spec"].get("holderIdentity"), "a leader")
    namespace = installed.namespace()
    _create_pod(installed, namespace, "vm", SCHEDULER_NAME, vm=True)
    _create_pod(installed, namespace, "ordinary", SCHEDULER_NAME)
    # The extender is down: what is no VM is placed, the VM waits and says why.
    assert _placed(installed, namespace, "ordinary") == "worker"
    condition = _condition(installed, namespace, "vm")
    assert (condition["type"], condition["reason"]) == ("PodScheduled", "SchedulerError")
    assert "nodeName" not in _pod(installed, namespace, "vm")["spec"]

    # The README's second command finds what this scheduler placed.
    (line,) = [x for x in (DEPLOY / "README.md").read_text().splitlines() if x.startswith("kubectl get events ")]
    wait_for(lambda: "pod/ordinary" in installed.kubectl(*line.split()[1:]).stdout, "the event")

    # A restart by the liveness probe begins with SIGTERM: the lease is free at once, not after its 15 s.
    scheduler.stop()
    assert installed.api.get(LEASE)["spec"]["holderIdentity"] == ""
    assert "forbidden" not in scheduler.log()


@pytest.mark.parametrize("variant", ["emulation", "leave"])
def test_variants_take_over_the_lease(installed: ControlPlane, tmp_path: Path, variant: str) -> None:
    """Each runs under the same account and lease; `leave` places VMs, `emulation` sends every pod to the extender."""
    scheduler = _start(installed, variant, tmp_path, installed.service_account_kubeconfig("fastfit", "fastfit"))
    namespace = installed.namespace()
    _create_pod(installed, namespace, "vm", SCHEDULER_NAME, vm=True)
    if variant == "leave":
        assert _placed(installed, namespace, "vm") == "worker"
    else:
        _create_pod(installed, namespace, "ordinary", SCHEDULER_NAME)
        for name in ("vm", "ordinary"):
            assert _condition(installed, namespace, name)["reason"] == "SchedulerError"
    scheduler.stop()
    assert "forbidden" not in scheduler.log()


def test_kubeadm_file_serves_both_names(installed: ControlPlane, tmp_path: Path) -> None:
    """One process schedules for `default-scheduler` and for `fastfit`, under the default lease."""
    scheduler = _start(installed, "kubeadm", tmp_path, installed.admin_kubeconfig)
    namespace = installed.namespace()
    for name in ("default-scheduler", SCHEDULER_NAME):
        _create_pod(installed, namespace, name, name)
        assert _placed(installed, namespace, name) == "worker"
        _create_pod(installed, namespace, f"vm-of-{name}", name, vm=True)
        assert _condition(installed, namespace, f"vm-of-{name}")["reason"] == "SchedulerError"
    assert installed.api.exists("/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-scheduler")
    scheduler.stop()


def test_our_profile_has_no_preemption(installed: ControlPlane, tmp_path: Path) -> None:
    """As kube-scheduler understood the files: DefaultPreemption runs nowhere in our profile, and in the default one."""
    for variant, names in (("", {}), ("kubeadm", {"default-scheduler": True}), ("leave", {SCHEDULER_NAME: True})):
        config = scheduler_config(variant)
        config["clientConnection"]["kubeconfig"] = str(installed.admin_kubeconfig)
        path, written = tmp_path / "scheduler.yaml", tmp_path / "written.yaml"
        path.write_text(yaml.safe_dump(config))
        command = [str(installed.binary), "kube-scheduler", f"--config={path}", f"--write-config-to={written}"]
        _run([*command, "--secure-port=0"])
        profiles = yaml.safe_load(written.read_text())["profiles"]
        enabled = {p["schedulerName"]: "DefaultPreemption" in _enabled(p) for p in profiles}
        assert enabled == {SCHEDULER_NAME: False} | names


def _enabled(profile: Object) -> set[str]:
    """The plugins of a completed profile, wherever they are enabled."""
    return {plugin["name"] for point in profile["plugins"].values() for plugin in point.get("enabled") or []}


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
