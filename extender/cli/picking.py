"""Finds the pod that a user names, by its own name or by that of its VM."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from extender.api.objects import Pod
from extender.errors import SnapshotError
from extender.kubevirt.launcher_pod import vmi_name

__all__ = ["is_manifest", "pick_pod"]

_SHOWN = 5
_SUFFIXES = (".yaml", ".yml", ".json")


def is_manifest(argument: str) -> bool:
    """Whether an argument names a file, and not a pod."""
    return argument.endswith(_SUFFIXES) or Path(argument).is_file()


def pick_pod(pods: Sequence[Pod], wanted: str, namespace: str | None = None) -> Pod:
    """The pod named `wanted` (NAME or NAMESPACE/NAME), else the pod of the VM of that name.

    Of a VM's pods, the one without a node is chosen. Raises SnapshotError, which names similar pods, if there is not
    exactly one.
    """
    place, slash, name = wanted.rpartition("/")
    if slash:
        namespace = place
    near = [pod for pod in pods if namespace is None or pod.metadata.namespace == namespace]
    found = [pod for pod in near if pod.metadata.name == name]
    if not found:
        of_vm = [pod for pod in near if vmi_name(pod) == name]
        found = [pod for pod in of_vm if not pod.spec.node_name] or of_vm
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in found[:_SHOWN])
        raise SnapshotError(f"pod {wanted!r} is not one pod but {len(found)}: {names}; write NAMESPACE/NAME")
    raise SnapshotError(f"pod {wanted!r} is not there{_instead(near, name, namespace)}")


def _instead(pods: Sequence[Pod], name: str, namespace: str | None) -> str:
    where = f" in namespace {namespace}" if namespace else ""
    names = {pod.metadata.name for pod in pods} | {vmi_name(pod) for pod in pods} - {""}
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"{where}; did you mean {close[0]}?"
    waiting = [
        f"{pod.metadata.namespace}/{pod.metadata.name}" for pod in pods if vmi_name(pod) and not pod.spec.node_name
    ]
    if waiting:
        more = ", ..." if len(waiting) > _SHOWN else ""
        return f"{where}; VM pods that wait for a node: {', '.join(sorted(waiting)[:_SHOWN])}{more}"
    return f"{where}; there are {len(pods)} pods{where}, and no VM pod among them waits for a node"
