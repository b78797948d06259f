"""Objects of a large KubeVirt cluster at their real size, managedFields included, as JSON text made from templates."""

import json
import re
from typing import Any

from extender.sample.hosts import Host, node_object, nrt_object
from extender.sample.machines import epyc_rome_nps4_smt, xeon_6230
from extender.sample.vms import TYPES, Vm, launcher_pod, vmi

__all__ = ["Templates"]

#: Every node runs each of these twice, and they fit.
_KINDS = ("cx1.xlarge1gi", "cx1.2xlarge1gi", "d1.2xlarge", "cx1.xlarge1gi", "cx1.xlarge1gi")
#: CPU features and models that KubeVirt's labeller writes for one server model, and NFD's cpuid labels.
_FEATURES, _MODELS, _CPUIDS = 110, 24, 48


def _fields(value: Any) -> dict[str, Any]:
    """What managedFields says of an object: a tree of its fields."""
    if isinstance(value, dict):
        return {f"f:{key}": _fields(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict) and "name" in value[0]:
        return {f'k:{{"name":"{item["name"]}"}}': {".": {}, **_fields(item)} for item in value}
    return {}


def _managed(obj: dict[str, Any], *managers: str) -> dict[str, Any]:
    parts = (
        {"metadata": {k: obj["metadata"].get(k) for k in ("labels", "annotations", "ownerReferences")}}
        | {k: v for k, v in obj.items() if k not in {"metadata", "status", "apiVersion", "kind"}},
        {"status": obj.get("status", {})},
    )
    obj["metadata"]["managedFields"] = [
        {
            "manager": manager,
            "operation": "Update",
            "apiVersion": "v1",
            "time": "2026-09-01T08:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": _fields(part),
        }
        for manager, part in zip(managers, parts, strict=False)
    ]
    return obj


def _conditions(*types: str) -> list[dict[str, Any]]:
    return [
        {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": "2026-09-01T08:00:00Z",
         "reason": f"{kind}Because", "message": f"{kind} is as it should be"}
        for kind in types
    ]  # fmt: skip


def _pod(kind: str) -> dict[str, Any]:
    """A virt-launcher pod with what KubeVirt and the API server add to it."""
    pod = launcher_pod(Vm("@VM@", TYPES[kind], node="@NODE@"))
    pod["metadata"] |= {
        "name": "virt-launcher-@VM@-abcde",
        "uid": "@POD@",
        "resourceVersion": "@VERSION@",
        "creationTimestamp": "@CREATED@",
    }
    pod["metadata"]["ownerReferences"][0]["uid"] = "@VMI@"
    pod["metadata"]["labels"]["kubevirt.io/created-by"] = "@VMI@"
    pod["metadata"]["annotations"] |= {
        "k8s.v1.cni.cncf.io/network-status": json.dumps(
            [{"name": "ovn", "interface": "eth0", "ips": ["10.128.3.141"], "mac": "0a:58:0a:80:03:8d", "dns": {}}] * 2
        ),
        "kubevirt.io/migrationTransportUnix": "true",
    }
    mounts = [
        {"name": name, "mountPath": f"/var/run/kubevirt/{name}", "mountPropagation": "HostToContainer"}
        for name in ("private", "public", "ephemeral-disks", "container-disks", "hotplug-disks", "libvirt-runtime",
                     "sockets", "token", "root")
    ]  # fmt: skip
    variables = [
        {"name": f"{name}_RESOURCE", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": f"metadata.{name}"}}}
        for name in ("name", "namespace", "uid", "labels", "annotations")
    ]
    for container in (*pod["spec"]["containers"], *pod["spec"]["initContainers"]):
        container |= {
            "image": "quay.io/kubevirt/virt-launcher@sha256:" + "8f" * 32,
            "imagePullPolicy": "IfNotPresent",
            "command": ["/usr/bin/virt-launcher-monitor", "--qemu-timeout", "312s", "--name", "@VM@", "--uid", "@VMI@",
                        "--namespace", "vms", "--kubevirt-share-dir", "/var/run/kubevirt", "--run-as-nonroot"],
            "env": variables,
            "volumeMounts": mounts,
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"add": ["NET_BIND_SERVICE"],
                                "drop": ["ALL"]}, "privileged": False, "runAsGroup": 107, "runAsNonRoot": True},
            "terminationMessagePath": "/dev/termination-log",
        }  # fmt: skip
    pod["spec"]["volumes"] += [{"name": mount["name"], "emptyDir": {}} for mount in mounts]
    pod["spec"]["tolerations"] = [
        {"effect": "NoExecute", "key": f"node.kubernetes.io/{why}", "operator": "Exists", "tolerationSeconds": 300}
        for why in ("not-ready", "unreachable", "memory-pressure")
    ]
    pod["status"]["conditions"] = _conditions(
        "kubevirt.io/virtual-machine-unpaused", "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady",
        "PodScheduled",
    )  # fmt: skip
    pod["status"] |= {"hostIP": "192.0.2.7", "podIP": "10.128.3.141", "startTime": "@CREATED@"}
    pod["status"]["containerStatuses"] = [
        {"name": "compute", "containerID": "cri-o://" + "5e" * 32, "image": "quay.io/kubevirt/virt-launcher",
         "imageID": "quay.io/kubevirt/virt-launcher@sha256:" + "8f" * 32, "ready": True, "restartCount": 0,
         "started": True, "state": {"running": {"startedAt": "@CREATED@"}}}
    ]  # fmt: skip
    return _managed(pod, "virt-controller", "kubelet")


def _vmi(kind: str) -> dict[str, Any]:
    machine = vmi(Vm("@VM@", TYPES[kind], node="@NODE@"))
    machine["metadata"] |= {"uid": "@VMI@", "resourceVersion": "@VERSION@", "creationTimestamp": "@CREATED@"}
    machine["spec"]["domain"]["firmware"] = {"uuid": "@VMI@", "serial": "@VMI@"}
    machine["spec"]["domain"]["features"] = {"acpi": {"enabled": True}, "smm": {"enabled": True}}
    machine["spec"]["volumes"].append({"name": "init", "cloudInitNoCloud": {"userData": "#cloud-config\n" * 60}})
    machine["status"]["conditions"] = _conditions("Ready", "LiveMigratable", "AgentConnected", "StorageLiveMigratable")
    machine["status"]["interfaces"] = [{"name": "default", "ipAddress": "10.128.3.141", "mac": "02:00:00:00:00:01"}] * 2
    machine["status"]["phaseTransitionTimestamps"] = [
        {"phase": phase, "phaseTransitionTimestamp": "@CREATED@"} for phase in ("Pending", "Scheduling", "Running")
    ]
    return _managed(machine, "virt-controller", "virt-handler")


def _hosts() -> tuple[Host, ...]:
    """Two server models; every second node states its facts, the others are known from their NRTs."""
    pages = {"1Gi": 96, "2Mi": 49152}
    return (
        Host("@NODE@", xeon_6230(pages), "restricted", memory_static=True),
        Host("@NODE@", xeon_6230(pages), "single-numa-node", memory_static=True, facts=False),
        Host("@NODE@", epyc_rome_nps4_smt({"1Gi": 32, "2Mi": 20480}, 128), "best-effort"),
        Host("@NODE@", xeon_6230(pages), "best-effort", facts=False),
    )


def _node(host: Host) -> dict[str, Any]:
    node = node_object(host)
    node["metadata"] |= {"uid": "@POD@", "resourceVersion": "@VERSION@"}
    node["metadata"]["labels"] |= {
        **{f"cpu-feature.node.kubevirt.io/feature-{number}": "true" for number in range(_FEATURES)},
        **{f"cpu-model.node.kubevirt.io/Model-{number}": "true" for number in range(_MODELS)},
        **{f"cpu-model-migration.node.kubevirt.io/Model-{number}": "true" for number in range(_MODELS)},
        **{f"feature.node.kubernetes.io/cpu-cpuid.ID{number}": "true" for number in range(_CPUIDS)},
    }
    node["metadata"]["annotations"]["kubevirt.io/heartbeat"] = "@CREATED@"
    node["status"]["nodeInfo"]["bootID"] = "@POD@"
    node["status"]["conditions"] = _conditions("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
    node["status"]["images"] = [
        {"names": [f"quay.io/team/image-{number}@sha256:" + "ab" * 32], "sizeBytes": 300_000_000}
        for number in range(50)
    ]
    return _managed(node, "kubelet", "node-feature-discovery")


def _nrt(host: Host) -> dict[str, Any]:
    nrt = nrt_object(host, {})
    nrt["metadata"] |= {"uid": "@VMI@", "resourceVersion": "@VERSION@"}
    return _managed(nrt, "nfd-topology-updater")


def _text(obj: dict[str, Any]) -> bytes:
    return json.dumps(obj, separators=(",", ":")).encode()


def _uid(kind: int, number: int) -> bytes:
    return b"%08x-0000-4%03x-8%03x-%012x" % (number * 2654435761 % 2**32, kind, number % 4096, number)


class Templates:
    """Objects by number, for a cluster of so many nodes: pod and VMI `n` are on node `n % nodes`."""

    def __init__(self, nodes: int) -> None:
        self.nodes = nodes
        hosts = _hosts()
        self._nodes = [_Template(_text(_node(host))) for host in hosts]
        self._nrts = [_Template(_text(_nrt(host))) for host in hosts]
        self._vmis = [_Template(_text(_vmi(kind))) for kind in _KINDS]
        running = [_text(_pod(kind)) for kind in _KINDS]
        bound = [
            text.replace(b'"phase":"Running"', b'"phase":"Pending"').replace(b'"startTime":', b'"was":')
            for text in running
        ]
        pending = [
            text.replace(b'"nodeName":', b'"was":').replace(b'"type":"PodScheduled"', b'"type":"Was"') for text in bound
        ]
        self._pods = {
            phase: [_Template(text) for text in texts]
            for phase, texts in (("Running", running), ("Bound", bound), ("Pending", pending))
        }

    def node(self, number: int, version: int) -> bytes:
        """A Node; what changes in it is a heartbeat."""
        return self._nodes[number % len(self._nodes)].filled(number, number, version)

    def nrt(self, number: int, version: int) -> bytes:
        """A NodeResourceTopology that never changes."""
        return self._nrts[number % len(self._nrts)].filled(number, number, version)

    def vmi(self, number: int, version: int) -> bytes:
        """A VMI that runs."""
        return self._vmis[number // self.nodes % len(_KINDS)].filled(number, number % self.nodes, version)

    def pod(self, number: int, version: int, phase: str = "Running") -> bytes:
        """The VMI's launcher: `Pending` without a node, `Bound`, or `Running`."""
        template = self._pods[phase][number // self.nodes % len(_KINDS)]
        return template.filled(number, number % self.nodes, version)


class _Template:
    """A text with placeholders, split at them once."""

    def __init__(self, text: bytes) -> None:
        self._parts = re.split(rb"@([A-Z]+)@", text)

    def filled(self, number: int, node: int, version: int) -> bytes:
        """The text for object `number` on `node`."""
        values = {
            b"NODE": b"worker-%05d.example.net" % node,
            b"VM": b"tenant-vm-%06d" % number,
            b"POD": _uid(1, number),
            b"VMI": _uid(2, number),
            b"CREATED": b"2026-09-%02dT%02d:%02d:%02dZ"
            % (1 + number // 86400 % 28, number // 3600 % 24, number // 60 % 60, number % 60),
            b"VERSION": b"%d" % version,
        }
        parts = self._parts.copy()
        parts[1::2] = [values[name] for name in parts[1::2]]
        return b"".join(parts)
