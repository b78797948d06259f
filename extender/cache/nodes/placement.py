"""Where an admitted pod was put, kept small: 50,000 of them stay in memory, and few are ever looked at again."""

from dataclasses import dataclass, field
from typing import NamedTuple

from extender.cache.interning import Interner, Memo
from extender.cache.nodes.facts import NodeFacts
from extender.kubelet.cpuset import bits, from_ids
from extender.kubelet.pod import PodDemand
from extender.kubelet.results import Admitted, Block, ContainerPlacement
from extender.kubevirt.guest.host_topology import HostTopology
from extender.kubevirt.hugepages import PageUse, pages_held
from extender.kubevirt.launcher_pod import Guest

__all__ = ["CompactPlacement", "Pages", "PodGuest"]

#: Huge pages held.
Pages = tuple[PageUse, ...]

#: One container: name, CPUs as a mask, memory, hint, preferred, devices by resource and zone.
_Container = tuple[
    str, int, tuple[Block, ...], tuple[int, ...] | None, bool, tuple[tuple[str, tuple[tuple[int, int], ...]], ...]
]

_CONTAINERS: Interner[_Container] = Interner(16384)
_SHARED_PAGES: Interner[Pages] = Interner(4096)
#: Pages by what they follow from; the objects whose ids are in the key are kept with it.
_PAGES: Memo[tuple[int, tuple[_Container, ...], int, Guest | None, int], tuple[HostTopology, PodDemand, Pages]]
_PAGES = Memo(16384)


class PodGuest(NamedTuple):
    """The guest in a pod, with as many sockets as run; and the cells that it moved in with, 0 where it boots there or
    they are not known.
    """

    guest: Guest | None
    cells: int = 0


@dataclass(slots=True)
class CompactPlacement:
    """An Admitted in small, and the pages that follow from it, once they have been asked for."""

    containers: tuple[_Container, ...]
    _guest: Guest | None = field(default=None, init=False)
    _pages: Pages | None = field(default=None, init=False)

    @classmethod
    def of(cls, answer: Admitted) -> "CompactPlacement":
        """The small form."""
        return cls(tuple(_CONTAINERS.intern(_small(name, place)) for name, place in answer.containers.items()))

    @property
    def cpus(self) -> int:
        """All exclusive CPUs of the pod, as a mask."""
        cpus = 0
        for container in self.containers:
            cpus |= container[1]
        return cpus

    @property
    def memory_zones(self) -> tuple[int, ...]:
        """Ids of the zones that its memory is pinned to, ascending."""
        return tuple(sorted({zone for container in self.containers for block in container[2] for zone in block.zones}))

    @property
    def known_pages(self) -> Pages:
        """The answer of pages() so far."""
        return self._pages or ()

    def admitted(self) -> Admitted:
        """The answer as the kubelet twin gave it."""
        return Admitted(
            {
                name: ContainerPlacement(
                    cpus=frozenset(bits(cpus)),
                    memory=memory,
                    hint=hint,
                    preferred=preferred,
                    devices={resource: dict(zones) for resource, zones in devices},
                )
                for name, cpus, memory, hint, preferred, devices in self.containers
            }
        )

    def pages(self, facts: NodeFacts, demand: PodDemand, guest: Guest | None, cells: int = 0) -> Pages:
        """Huge pages that the pod holds physically. `facts` are those under which it was placed; `cells` as in pages_held.

        Touched when the guest starts here, so that a guest which grows or goes later changes nothing of them.
        """
        if self._pages is None or (self._guest is None and guest is not None):
            self._guest = guest
            self._pages = _pages(self, facts, demand, guest, cells)
        return self._pages


def _small(name: str, place: ContainerPlacement) -> _Container:
    devices = tuple((resource, tuple(zones.items())) for resource, zones in place.devices.items())
    return name, from_ids(place.cpus), place.memory, place.hint, place.preferred, devices


def _pages(placed: CompactPlacement, facts: NodeFacts, demand: PodDemand, guest: Guest | None, cells: int) -> Pages:
    if facts.machine is None or facts.topology is None:
        return ()
    key = id(facts.topology), placed.containers, id(demand.containers), guest, cells
    known = _PAGES.get(key)
    if known is not None:
        return known[2]
    pages = _SHARED_PAGES.intern(pages_held(facts.machine, facts.topology, demand, placed.admitted(), guest, cells))
    _PAGES.keep(key, (facts.topology, demand, pages))
    return pages
