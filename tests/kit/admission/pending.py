"""Finds pending pods that would fit: a copy of each is bound to each node, and the kubelet there judges it.

A node gets one copy at a time; different nodes are asked in parallel, for they share nothing. Pairs of pod and node that
kube-scheduler's own sums exclude are left out. Pods with equal requests are tried once.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from tests.kit.admission.judge import PageAccounting, fits_sums, guest_for
from tests.kit.cluster.api import ApiError
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.hollow_kubelets import HollowKubelets
from tests.kit.cluster.processes import wait_for

__all__ = ["Placeable", "placeable"]

Json = dict[str, Any]

#: A scheduler that does not exist, so that the copies are bound here alone.
_NO_SCHEDULER: Final = "nobody"
_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Placeable:
    """A pending pod, and a node whose kubelet admits it."""

    pod: str
    node: str


def placeable(
    plane: ControlPlane,
    kubelets: HollowKubelets,
    pages: Mapping[str, PageAccounting],
    pending: Sequence[Json],
    pods: Sequence[Json],
    instances: Mapping[str, Json],
) -> tuple[list[Placeable], int]:
    """Pending pods that a kubelet would admit now, and how many copies were bound to find out.

    `pods` are all pods of the cluster, `instances` the VMIs by the name of their pod. A pod counts only where
    KubeVirt's page rule holds as well. No scheduler may run meanwhile.
    """
    shapes: dict[str, list[Json]] = {}
    for pod in pending:
        shapes.setdefault(_shape(pod, instances), []).append(pod)
    jobs = []
    for node in plane.api.items("/api/v1/nodes"):
        name = node["metadata"]["name"]
        here = [pod for pod in pods if pod["spec"].get("nodeName") == name and pod["status"]["phase"] == "Running"]
        jobs.append((name, [same[0] for same in shapes.values() if fits_sums(same[0], node, here)]))

    def ask(job: tuple[str, list[Json]]) -> list[tuple[Json, str]]:
        name, candidates = job
        return [(pod, name) for pod in candidates if _admits(plane, kubelets, pages[name], pod, name, instances)]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = [hit for hits in pool.map(ask, jobs) for hit in hits]
    same_as = {id(same[0]): same for same in shapes.values()}
    hits = [Placeable(_key(pod), node) for first, node in found for pod in same_as[id(first)]]
    return hits, sum(len(candidates) for _, candidates in jobs)


def _admits(
    plane: ControlPlane,
    kubelets: HollowKubelets,
    pages: PageAccounting,
    pod: Json,
    node: str,
    instances: Mapping[str, Json],
) -> bool:
    namespace = pod["metadata"]["namespace"]
    created = plane.api.create(_copy(pod, node))
    path = f"/api/v1/namespaces/{namespace}/pods/{created['metadata']['name']}"
    target = {"apiVersion": "v1", "kind": "Node", "name": node}
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": created["metadata"]["name"]},
        "target": target,
    }
    plane.request("POST", f"{path}/binding", binding)
    uid = created["metadata"]["uid"]
    verdict = kubelets.verdict(uid)
    try:
        return bool(verdict["admitted"]) and not pages.obstacle(guest_for(instances[_key(pod)]), verdict["containers"])
    finally:
        try:
            plane.api.delete(path, grace=0)
        except ApiError as error:
            if error.status != 404:
                raise
        wait_for(lambda: not plane.api.exists(path), f"the end of {path}")
        wait_for(lambda: not kubelets.verdict(uid)["active"], f"the release of {path}")


def _copy(pod: Json, node: str) -> Json:
    spec = copy.deepcopy(pod["spec"])
    spec["schedulerName"] = _NO_SCHEDULER
    metadata = {key: pod["metadata"][key] for key in ("namespace", "labels", "annotations", "ownerReferences")}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**metadata, "name": f"copy-{pod['metadata']['name']}-{node}".replace(".", "-")},
        "spec": spec,
    }


def _key(pod: Json) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _shape(pod: Json, instances: Mapping[str, Json]) -> str:
    """What a pod asks for: all that kubelets and KubeVirt look at."""
    containers = [
        [each.get("restartPolicy"), each["resources"]]
        for key in ("initContainers", "containers")
        for each in pod["spec"].get(key, ())
    ]
    instance = instances[_key(pod)]
    wishes = [instance["spec"]["domain"], instance["metadata"].get("annotations"), pod["spec"].get("nodeSelector")]
    return json.dumps([containers, wishes], sort_keys=True)
