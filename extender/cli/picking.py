"""Finds the pod that a user names, by its own name or by that of its VM."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path

from extender.api.objects import Pod
from extender.cache.pods.pod import is_over
from extender.errors import SnapshotError
from extender.kubevirt.launcher_pod import controlling_vmi, vmi_name

__all__ = ["failed_before", "is_manifest", "pick_pod"]

_SHOWN = 5
_SUFFIXES = (".yaml", ".yml", ".json")


def is_manifest(argument: str) -> bool:
    """Whether an argument names a file, and not a pod."""
    return argument.endswith(_SUFFIXES) or Path(argument).is_file()


def pick_pod(
    pods: Sequence[Pod], wanted: str, namespace: str | None = None, vmi_nodes: Mapping[str, str] | None = None
) -> Pod:
    """The VM's pod named `wanted` (NAME or NAMESPACE/NAME), else the pod that the VM of that name lives in, else any pod
    named so: one that has ended, or that is of no VM.

    Of a VM's pods, the one that waits for a node is meant, else the one that runs; where all have ended, the last one.
    `vmi_nodes`: the node of each known VMI by its UID, which tells the pods of a migration apart. Raises SnapshotError,
    which names similar pods, if nothing or pods of several namespaces are found.
    """
    place, slash, name = wanted.rpartition("/")
    if slash:
        namespace = place
    near = [pod for pod in pods if namespace is None or pod.metadata.namespace == namespace]
    named = [pod for pod in near if pod.metadata.name == name]
    found = [pod for pod in named if vmi_name(pod) and not is_over(pod)]
    if not found:
        by_namespace: dict[str, list[Pod]] = {}
        for pod in near:
            if vmi_name(pod) == name:
                by_namespace.setdefault(pod.metadata.namespace, []).append(pod)
        found = [_pod_of_vm(of_vm, vmi_nodes or {}) for of_vm in by_namespace.values()]
    found = found or named
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in found[:_SHOWN])
        raise SnapshotError(f"pod {wanted!r} is not one pod but {len(found)}: {names}; write NAMESPACE/NAME")
    raise SnapshotError(f"pod {wanted!r} is not there{_instead(near, name, namespace)}")


def failed_before(pods: Sequence[Pod], pod: Pod) -> list[Pod]:
    """The failed pods of the pod's VM other than itself, the last one last."""
    name, meta = vmi_name(pod), pod.metadata
    if not name:
        return []
    others = [
        other
        for other in pods
        if other.status.phase == "Failed"
        and vmi_name(other) == name
        and other.metadata.namespace == meta.namespace
        and other.metadata.name != meta.name
    ]
    return sorted(others, key=_born)


def _pod_of_vm(of_vm: Sequence[Pod], vmi_nodes: Mapping[str, str]) -> Pod:
    """Of the pods of one VM, the one that its name means."""
    live = [pod for pod in of_vm if not is_over(pod)]
    if not live:
        return max(reversed(of_vm), key=_born)

    def order(pod: Pod) -> tuple[bool, bool, bool, bool]:
        """Its VMI exists, it is not being deleted, it waits, or it is where the VMI runs."""
        node, vmi = pod.spec.node_name, controlling_vmi(pod)
        return vmi in vmi_nodes, not pod.metadata.deletion_timestamp, not node, vmi_nodes.get(vmi, "") == node

    return max(sorted(live, key=_born, reverse=True), key=order)


def _born(pod: Pod) -> tuple[str, str]:
    """Sorts pods by age, the oldest first; pods of one second stay in the order of the list."""
    return pod.metadata.creation_timestamp or "", pod.status.start_time or ""


def _instead(pods: Sequence[Pod], name: str, namespace: str | None) -> str:
    where = f" in namespace {namespace}" if namespace else ""
    names = {pod.metadata.name for pod in pods} | {vmi_name(pod) for pod in pods} - {""}
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"{where}; did you mean {close[0]}?"
    waiting = [
        f"{pod.metadata.namespace}/{pod.metadata.name}"
        for pod in pods
        if vmi_name(pod) and not pod.spec.node_name and not is_over(pod)
    ]
    if waiting:
        more = ", ..." if len(waiting) > _SHOWN else ""
        return f"{where}; VM pods that wait for a node: {', '.join(sorted(waiting)[:_SHOWN])}{more}"
    return f"{where}; there are {len(pods)} pods{where}, and no VM pod among them waits for a node"
