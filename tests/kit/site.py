"""A small cluster with everything in place: hollow kubelets, the extender, kube-scheduler, and a wiretap between them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from extender.names import NAMESPACE, SCHEDULER_NAME
from extender.sample.vms import InstanceType, Vm
from tests.kit.cluster.control_plane import ControlPlane, Scheduler
from tests.kit.cluster.hollow_kubelets import HollowKubelets
from tests.kit.cluster.processes import wait_for
from tests.kit.extender import Extender, deployed_scheduler
from tests.kit.machines import SHAPES
from tests.kit.vms import adopt, rendered
from tests.kit.wiretap import Wiretap

__all__ = ["EXTENDER_USER", "Object", "Site", "node", "site"]

Object = dict[str, Any]

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"

#: The extender runs as this user, which holds the extender's two roles of deploy/ and nothing else.
EXTENDER_USER = "extender-alone"


@dataclass(frozen=True, slots=True)
class Site:
    """What is running. `namespace` is where `vm` and `pod` create; VMs ask for our scheduler."""

    plane: ControlPlane
    kubelets: HollowKubelets
    extender: Extender
    scheduler: Scheduler
    wiretap: Wiretap
    namespace: str
    scheduler_config: Path

    def manifest(self, name: str, kind: InstanceType, *, host: str = "", owner: str = "") -> Object:
        """Create the VMI of a VM and return the manifest of its pod; `host` binds it to one node by selector.

        `owner`: the UID of the VirtualMachine that controls the VMI.
        """
        instance, pod = rendered(Vm(name, kind, namespace=self.namespace), SCHEDULER_NAME)
        if owner:
            reference = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": name, "uid": owner}
            instance["metadata"]["ownerReferences"] = [{**reference, "controller": True}]
        adopt(pod, self.plane.api.create(instance)["metadata"]["uid"])
        if host:
            pod["spec"]["nodeSelector"]["kubernetes.io/hostname"] = host
        return pod

    def vm(self, name: str, kind: InstanceType, *, host: str = "", owner: str = "") -> Object:
        """Create a VM; returns its pod."""
        return self.plane.api.create(self.manifest(name, kind, host=host, owner=owner))

    def pod(self, name: str, limits: Mapping[str, str]) -> Object:
        """Create a pod that is no VM, for our scheduler."""
        container = {"name": "main", "image": "none", "resources": {"limits": dict(limits)}}
        return self.plane.api.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": {"schedulerName": SCHEDULER_NAME, "containers": [container]},
            }
        )

    def path(self, pod: Object) -> str:
        return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"

    def now(self, pod: Object) -> Object:
        """The pod as it is now."""
        return self.plane.api.get(self.path(pod))

    def node_of(self, pod: Object) -> str:
        """Wait until the pod is bound; the node."""
        return str(wait_for(lambda: self.now(pod)["spec"].get("nodeName"), f"{pod['metadata']['name']} to be bound"))

    def verdict(self, pod: Object) -> Object:
        """Wait for the kubelet's word on the pod."""
        return self.kubelets.verdict(pod["metadata"]["uid"])

    def refusal(self, pod: Object) -> Object:
        """Wait for kube-scheduler's word that it did not place the pod: the condition PodScheduled."""

        def find() -> Object | None:
            status = self.now(pod)["status"]
            conditions = (each for each in status.get("conditions", ()) if each["type"] == "PodScheduled")
            return next((each for each in conditions if each["status"] == "False"), None)

        condition = wait_for(find, f"a word about {pod['metadata']['name']}")
        assert condition is not None
        return condition

    def clear(self) -> None:
        """Delete every pod and VM of the namespace, and wait until kubelets and extender have let go."""
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        vmis = f"/apis/kubevirt.io/v1/namespaces/{self.namespace}/virtualmachineinstances"
        for collection in (vmis, pods):
            for each in self.plane.api.items(collection):
                self.plane.api.delete(f"{collection}/{each['metadata']['name']}", grace=0)
        wait_for(lambda: not self.plane.api.items(pods), "all pods to go")
        wait_for(lambda: self.extender.metric("fastfit_charged_pods") == 0, "all charges to end")


@contextmanager
def site(
    plane: ControlPlane,
    nodes: Sequence[Object],
    directory: Path,
    *,
    scheduler_changes: Mapping[str, Any] | None = None,
    told: bool = True,
) -> Iterator[Site]:
    """Run a site. kube-scheduler gets the shipped file, addresses and kubeconfig changed, and our account's token.

    `scheduler_changes` are fields of its profile to set, or with None to take out. Unless `told` nothing tells the nodes'
    zones: no annotation, no NodeResourceTopology.
    """
    plane.kubectl("apply", "-k", str(DEPLOY / "base"))
    for binding, role, metadata in (
        ("ClusterRoleBinding", "fastfit-extender", {}),
        ("RoleBinding", "fastfit-layouts", {"namespace": NAMESPACE}),
    ):
        plane.api.apply(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": binding,
                "metadata": {"name": EXTENDER_USER, **metadata},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": binding.removesuffix("Binding"),
                    "name": role,
                },
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": EXTENDER_USER}],
            }
        )
    with ExitStack() as stack:
        kubelets = stack.enter_context(plane.hollow_kubelets(nodes, facts=told, nrt="exact" if told else "none"))
        extender = stack.enter_context(Extender(plane.kubeconfig_for(EXTENDER_USER), directory))
        wiretap = stack.enter_context(Wiretap(extender.port))
        account = plane.service_account_kubeconfig("fastfit", "fastfit")
        path = deployed_scheduler(wiretap.url, account, directory / "scheduler.yaml")
        if scheduler_changes is not None:
            config = yaml.safe_load(path.read_text())
            changed = config["profiles"][0] | dict(scheduler_changes)
            config["profiles"][0] = {key: value for key, value in changed.items() if value is not None}
            path.write_text(yaml.safe_dump(config))
        scheduler = stack.enter_context(plane.scheduler(path))
        yield Site(plane, kubelets, extender, scheduler, wiretap, plane.namespace("vms"), path)


def node(
    name: str, shape: str, policy: str, *, pages: int = 0, scope: str = "container", reserved: str = "0"
) -> Object:
    """A node of a machine from the catalogue, with static CPU Manager and `pages` 1Gi pages in each zone."""
    return {
        "name": name,
        "machine": SHAPES[shape]({"1Gi": pages} if pages else None),
        "kubelet": {
            "topologyManagerPolicy": policy,
            "topologyManagerScope": scope,
            "topologyManagerPolicyOptions": {},
            "cpuManagerPolicy": "static",
            "cpuManagerPolicyOptions": {},
            "memoryManagerPolicy": "None",
            "reservedMemory": [],
            "reservedSystemCPUs": reserved,
            "reservedCPUCount": 0,
        },
        "labels": {"machine-type.node.kubevirt.io/q35": "true", "kubevirt.io/realtime": "true"},
    }
