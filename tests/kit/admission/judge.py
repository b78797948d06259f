"""The kubelets' verdicts, and whether each admitted guest would boot: reads the state file of the hollow kubelets.

The kubelets judge admission. They do not check the huge pages that a guest touches in each zone, for KubeVirt fixes
these zones after admission. `PageAccounting` keeps them, VM by VM in the order in which the VMs started.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from extender.api.objects import Pod, Vmi
from extender.api.quantity import milli
from extender.kubelet.cpuset import bits, parse_cpus
from extender.kubelet.facts_json import machine_from_json
from extender.kubelet.pod import pod_demand
from extender.kubelet.results import Admitted, Block, ContainerPlacement
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Domain, GuestError, unbound_bytes, zone_pages
from extender.kubevirt.guest.host_topology import host_topology
from extender.kubevirt.hugepages import pages_held
from extender.kubevirt.launcher_pod import COMPUTE, Guest, guest_of

__all__ = ["Judged", "PageAccounting", "Taken", "exclusive_cpus", "fits_sums", "guest_for", "requests_of", "verdicts"]

Json = dict[str, Any]

#: Pages that a guest touched: (zone id, resource name, bytes).
Taken = tuple[tuple[int, str, int], ...]

#: Pages per zone and their size in bytes, by the name in a machine's `hugepages`.
_PAGE_BYTES: Final = {"2Mi": 2 << 20, "1Gi": 1 << 30}


@dataclass(frozen=True, slots=True)
class Judged:
    """One verdict of a kubelet. `order`: its number among all verdicts; `holdings`: what each container got."""

    order: int
    node: str
    pod: str
    uid: str
    admitted: bool
    reason: str
    message: str
    active: bool
    holdings: Mapping[str, Json]


def verdicts(truth: Json) -> list[Judged]:
    """All verdicts of a state file, each node's in the order in which its kubelet gave them."""
    return [
        Judged(
            order=entry["order"],
            node=node,
            pod=f"{entry['namespace']}/{entry['name']}",
            uid=entry["uid"],
            admitted=entry["admitted"],
            reason=entry.get("reason", ""),
            message=entry.get("message", ""),
            active=entry["active"],
            holdings=entry["containers"],
        )
        for node, content in truth["nodes"].items()
        for entry in content["pods"]
    ]


def exclusive_cpus(judged: Iterable[Judged]) -> int:
    """The number of exclusive CPUs that running pods hold."""
    return sum(
        len(list(bits(parse_cpus(held["cpus"], one.pod))))
        for one in judged
        if one.active
        for held in one.holdings.values()
    )


def guest_for(vmi: Json) -> Guest:
    """The VM as its VMI states it."""
    return guest_of(msgspec.convert(vmi, Vmi))


class PageAccounting:
    """The free huge pages of one machine, as QEMU processes touch them."""

    def __init__(self, node: Json) -> None:
        """`node` is an element of the fleet."""
        self._machine = machine_from_json(node["machine"], node["name"])
        self.topology = host_topology(self._machine)
        self._free = {
            zone.id: {f"hugepages-{size}": count * _PAGE_BYTES[size] for size, count in zone.hugepages.items()}
            for zone in self._machine.zones
        }
        ids = [zone.id for zone in self._machine.zones]
        self._nearest = {
            zone.id: [other for _, other in sorted(zip(zone.distances, ids, strict=True))]
            for zone in self._machine.zones
        }

    def obstacle(self, guest: Guest, holdings: Mapping[str, Json]) -> str:
        """Why the guest could not boot on what its pod holds; empty: it boots."""
        if not guest.dedicated:
            return ""
        cpus = bits(parse_cpus(holdings[COMPUTE]["cpus"], COMPUTE))
        domain = boot(self.topology, cpus, guest.size)
        if isinstance(domain, GuestError):
            return domain.text
        return self.missing_pages(domain, guest.pages)

    def missing_pages(self, domain: Domain, pages: str) -> str:
        """The zone in which pages are missing that the domain touches at its start, and how many; empty: none."""
        bound = zone_pages(domain)
        for zone, amount in bound.items():
            free = self._free[zone].get(pages, 0)
            if amount > free:
                return f"zone {zone} has {free >> 30}Gi of {pages} left, its cell needs {amount >> 30}Gi"
        if domain.nodeset and sum(self._spare(zone, bound, pages) for zone in domain.nodeset) < unbound_bytes(domain):
            return f"zones {','.join(map(str, domain.nodeset))} have not enough of {pages} for all of the guest"
        return ""

    def take_cells(self, domain: Domain, pages: str) -> Taken:
        """Take the pages of a guest with cells, which must be free. Memory bound to no zone comes from the emptiest one."""
        taken = dict(zone_pages(domain))
        left = unbound_bytes(domain)
        for zone in sorted(domain.nodeset, key=lambda zone: -self._spare(zone, taken, pages)):
            more = min(left, self._spare(zone, taken, pages))
            taken[zone] += more
            left -= more
        assert not left, "missing_pages() was not asked"
        return self._take((zone, pages, amount) for zone, amount in taken.items())

    def give_back(self, taken: Taken) -> None:
        """Free the pages of a guest that has ended."""
        self._take((zone, size, -amount) for zone, size, amount in taken)

    def _spare(self, zone: int, taken: Mapping[int, int], pages: str) -> int:
        return self._free[zone].get(pages, 0) - taken.get(zone, 0)

    def _take(self, amounts: Iterable[tuple[int, str, int]]) -> Taken:
        taken = tuple(amounts)
        for zone, size, amount in taken:
            self._free[zone][size] -= amount
        return taken

    def take(self, pod: Json, guest: Guest, holdings: Mapping[str, Json]) -> Taken:
        """Take the pages that the guest touches. Memory bound to no zone comes from the nearest one that has pages.

        A real guest without enough pages ends, and its pod with it. Here the pod stays, so it keeps the pages it got.
        """
        placed = Admitted({name: _placement(held) for name, held in holdings.items()})
        demand = pod_demand(msgspec.convert(pod, Pod))
        held: Taken = ()
        for use in pages_held(self._machine, self.topology, demand, placed, guest):
            share, rest = divmod(use.bytes, len(use.zones))
            for position, zone in enumerate(use.zones):
                left = share + (rest if position == 0 else 0)
                for each in [zone] if guest.size.passthrough else self._nearest[zone]:
                    amount_here = min(left, self._free[each].get(use.resource, 0))
                    if amount_here:
                        held += self._take([(each, use.resource, amount_here)])
                        left -= amount_here
        return held


def _placement(held: Json) -> ContainerPlacement:
    return ContainerPlacement(
        cpus=frozenset(bits(parse_cpus(held["cpus"], "cpus"))),
        memory=tuple(Block(block["resource"], tuple(block["numa"]), block["bytes"]) for block in held["memory"]),
        hint=tuple(held["hint"]) if held["hint"] is not None else None,
        preferred=held["preferred"],
    )


def requests_of(pod: Json) -> dict[str, int]:
    """What kube-scheduler adds up for a pod, in thousandths: sidecars count like containers, init containers as a peak."""
    total: dict[str, int] = {"pods": 1000}
    for container in pod["spec"]["containers"]:
        _add(total, container)
    peaks: list[dict[str, int]] = []
    sidecars: dict[str, int] = {}
    for container in pod["spec"].get("initContainers", ()):
        if container.get("restartPolicy") == "Always":
            _add(total, container)
            _add(sidecars, container)
            peaks.append(dict(sidecars))
        else:
            peak = dict(sidecars)
            _add(peak, container)
            peaks.append(peak)
    for peak in peaks:
        for name, amount in peak.items():
            total[name] = max(total.get(name, 0), amount)
    return total


def fits_sums(pod: Json, node: Json, others: Iterable[Json]) -> bool:
    """Whether kube-scheduler's own filters would let the pod onto the node (labels and sums of resources)."""
    labels = node["metadata"].get("labels", {})
    if any(labels.get(name) != value for name, value in (pod["spec"].get("nodeSelector") or {}).items()):
        return False
    wanted = requests_of(pod)
    used: dict[str, int] = {}
    for other in others:
        for name, amount in requests_of(other).items():
            used[name] = used.get(name, 0) + amount
    allocatable = {name: milli(text) for name, text in node["status"]["allocatable"].items()}
    return all(used.get(name, 0) + amount <= allocatable.get(name, 0) for name, amount in wanted.items() if amount)


def _add(total: dict[str, int], container: Json) -> None:
    resources = container.get("resources", {})
    for name, text in {**resources.get("limits", {}), **resources.get("requests", {})}.items():
        total[name] = total.get(name, 0) + milli(text)
