"""One node's kubelet: holds the state of all resource managers, admits pods and removes them.

Order of events as in pkg/kubelet/cm/topologymanager/scope_container.go and scope_pod.go (Kubernetes 1.33 to 1.37).
Stale state is swept. Then, per container or once per pod (by scope), the hints of the Device, CPU and Memory Manager
are merged and the policy decides; each manager allocates, in that order. The first refusal ends the admission. What was
allocated until then stays until the next sweep.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from extender.errors import BadObject
from extender.kubelet.counts import Amount, NodeCounts, ZoneCounts
from extender.kubelet.cpu_manager import CpuManager
from extender.kubelet.cpu_topology import shared_topology
from extender.kubelet.cpuset import MAX_CPU, bits, format_cpus, from_ids
from extender.kubelet.devices import DeviceManager
from extender.kubelet.managers import HintLists, Managers
from extender.kubelet.memory_manager import MemoryBlock, MemoryManager
from extender.kubelet.model import CannotStart, KubeletConfig, Machine
from extender.kubelet.pod import ContainerDemand, Kind, PodDemand
from extender.kubelet.refusal_text import RefusingNode, ZoneCpus, no_common_zones, outlook
from extender.kubelet.results import TOPOLOGY, Admitted, Block, ContainerPlacement, Failure, Refused
from extender.kubelet.topology_manager import NO_AFFINITY, Affinity, Hints, ResourceHints, TopologyManager
from extender.kubelet.trace import Decided, Failed, ManagerName, Trace, asked, decided, took
from extender.kubelet.versions import version_of

__all__ = ["DeviceHints", "Kubelet", "Placements"]

#: Zones up to which the kubelet can enumerate sets in reasonable time; its work doubles with every zone.
MAX_ZONES = 16
_MAX_ZONE_ID = 63

#: Hints given by the caller instead of the Device Manager: resource -> None (don't care) or (zone ids, preferred).
DeviceHints = Mapping[str, Sequence[tuple[Sequence[int], bool]] | None]
#: uid -> container -> what it holds.
Placements = Mapping[str, Mapping[str, ContainerPlacement]]

_MI = 1 << 20


@dataclass(frozen=True, slots=True)
class _Pod:
    """An active pod. `demand` is None for pods whose placement was loaded."""

    demand: PodDemand | None
    device_hints: DeviceHints | None


class Kubelet:
    """The twin of one node's kubelet. Raises CannotStart if that kubelet would not start, or would panic at once.

    `version` is the node's kubeletVersion or its minor (versions.py). `devices` gives the healthy devices per resource
    and zone id. Resources that are not in it have no zones and never constrain a pod.
    """

    def __init__(
        self,
        machine: Machine,
        config: KubeletConfig,
        version: str = "1.36",
        devices: Mapping[str, Mapping[int, int]] | None = None,
    ) -> None:
        self.machine = machine
        self.config = config
        self.version = version_of(version)
        if not machine.zones:
            raise CannotStart("the machine has no zones")
        self._ids = tuple(zone.id for zone in machine.zones)
        self._position = {zone: position for position, zone in enumerate(self._ids)}
        self._topology_manager = TopologyManager(machine, config)
        asks_zones = self._topology_manager.policy != "none" or config.memory_manager_policy == "Static"
        if asks_zones and len(machine.zones) > MAX_ZONES:
            raise CannotStart(
                f"{len(machine.zones)} zones: the kubelet would try every one of 2^{len(machine.zones)} sets"
            )
        if asks_zones and machine.zones[-1].id > _MAX_ZONE_ID:
            raise CannotStart(f"zone {machine.zones[-1].id}: the kubelet's zone masks have 64 bits")
        cpu = CpuManager(shared_topology(machine), config, self.version)
        memory = MemoryManager(machine, config)
        by_position = {r: self._by_position(r, counts) for r, counts in (devices or {}).items()}
        every_zone = range(len(machine.zones)) if self.version < "1.36" else ()
        self._now = Managers(DeviceManager(by_position, every_zone), cpu, memory)
        #: The managers of the empty node; never changed.
        self._empty = self._now.clone()
        #: Pods that count as active, in order of admission.
        self._active: dict[str, _Pod] = {}
        #: False while a restart admits its pods again; nothing is swept meanwhile.
        self._ready = True
        #: Affinities that the Topology Manager passed to the managers, by pod and container.
        self._affinity: dict[str, dict[str, Affinity]] = {}

    def clone(self) -> "Kubelet":
        """Return an independent copy; machine, configuration and topology are shared."""
        affinity = {uid: dict(containers) for uid, containers in self._affinity.items()}
        return self._with(self._now.clone(), dict(self._active), affinity)

    def _with(self, now: Managers, active: dict[str, _Pod], affinity: dict[str, dict[str, Affinity]]) -> "Kubelet":
        copy = object.__new__(Kubelet)
        copy.__dict__.update(self.__dict__)
        copy.__dict__.update(_now=now, _active=active, _affinity=affinity)
        return copy

    @property
    def _cpu(self) -> CpuManager:
        return self._now.cpu

    # --- admission ------------------------------------------------------------------------------------------

    def admit(
        self, pod: PodDemand, device_hints: DeviceHints | None = None, trace: Trace | None = None
    ) -> Admitted | Refused:
        """Decide on `pod`, and allocate until a refusal.

        `device_hints` replace the Device Manager's for all of its containers; no devices are then allocated. `trace`
        receives each step (trace.py). Raises BadObject for device hints on zones that the machine lacks.
        """
        given = None if device_hints is None else self._read_hints(device_hints)
        pod = pod.as_seen_by(self.version)
        self._active[pod.uid] = _Pod(pod, device_hints)
        failure = self._handle(pod, given, trace)
        containers = {c.name: self._placement(pod.uid, c.name) for c in pod.containers}
        if failure is None:
            return Admitted(containers)
        self.remove(pod.uid)
        return Refused(failure.reason, failure.message, failure.rule, containers)

    def outlook(self, pod: PodDemand, refused: Refused, device_hints: DeviceHints | None = None) -> str:
        """Return whether waiting can help a refused pod, from the answer of the empty node. The state does not change.

        A pod of several containers may fit beside other pods and not alone, since its first container then gets other
        zones. So "not even on the empty node" does not prove that it never fits, unless the rule says so.
        """
        return outlook(self.empty().admit(pod, device_hints), refused.rule)

    def empty(self) -> "Kubelet":
        """Return the kubelet of the same node without pods."""
        return self._with(self._empty.clone(), {}, {})

    def remove(self, uid: str) -> None:
        """Remove a pod. What it held is freed at the next admission, or when counts or placements are read."""
        self._active.pop(uid, None)
        self._affinity.pop(uid, None)

    def _handle(self, pod: PodDemand, given: list[ResourceHints] | None, trace: Trace | None) -> Failure | None:
        manager = self._topology_manager
        affinity = NO_AFFINITY
        asks = manager.policy != "none"
        if asks:
            self._sweep()
        elif trace is not None:
            trace(Decided("the pod", None, False, True, "policy none asks for no hints and gives no guidance"))
        if asks and manager.pod_scope:
            verdict = self._judge(pod, None, given, trace)
            if isinstance(verdict, Failure):
                return verdict
            affinity = verdict
        for container in pod.containers:
            if asks and not manager.pod_scope:
                verdict = self._judge(pod, container, given, trace)
                if isinstance(verdict, Failure):
                    return verdict
                affinity = verdict
            self._affinity.setdefault(pod.uid, {})[container.name] = affinity
            failure = self._allocate(pod, container, affinity, trace, devices=given is None)
            if failure is not None:
                return failure
        return None

    def _judge(
        self, pod: PodDemand, container: ContainerDemand | None, given: list[ResourceHints] | None, trace: Trace | None
    ) -> Affinity | Failure:
        lists = self._now.hints(pod, container, given)
        affinity, admit = self._topology_manager.decide([answer.hints for answer in lists.all()])
        who = "the pod" if container is None else f"container {container.name}"
        failure = None if admit else self._no_common_zones(who, lists, self._empty.hints(pod, container, given))
        if trace is not None:
            trace(asked(who, self._now, pod, container, lists, self._ids))
            trace(decided(who, lists, affinity, self._ids, failure))
        return affinity if failure is None else failure

    def _no_common_zones(self, who: str, now: HintLists, empty: HintLists) -> Failure:
        manager, cpu = self._topology_manager, self._cpu
        cpus = [
            ZoneCpus(
                self._ids[position],
                own.bit_count(),
                (own & ~cpu.reserved).bit_count(),
                (own & cpu.available).bit_count(),
            )
            for position, own in cpu.topology.zones.items()
        ]
        node = RefusingNode(manager.policy, self._ids, cpus, self._now.capacity, by_width=not cpu.by_socket)
        best, would_take = manager.decide([answer.hints for answer in empty.all()])
        zones = (manager.machine if best.mask is None else best.mask) if would_take else None
        rule = no_common_zones(node, now.all(), empty.all(), zones)
        return Failure(TOPOLOGY, "Resources cannot be allocated with Topology locality", f"{who}: {rule}")

    def _allocate(
        self, pod: PodDemand, container: ContainerDemand, affinity: Affinity, trace: Trace | None, *, devices: bool
    ) -> Failure | None:
        now = self._now
        order: tuple[tuple[ManagerName, DeviceManager | CpuManager | MemoryManager], ...] = (
            ("device", now.devices),
            ("cpu", now.cpu),
            ("memory", now.memory),
        )
        for name, manager in order if devices else order[1:]:
            # Each manager sweeps when it is called. Under policy none, a manager that is not reached keeps stale state.
            if self._ready:
                manager.sweep(self._active)
            failure = manager.allocate(pod, container, affinity)
            if trace is not None:
                if failure is not None:
                    trace(Failed(container.name, name, failure))
                elif step := took(
                    name, now, container.name, self._placement(pod.uid, container.name), affinity, self._ids
                ):
                    trace(step)
            if failure is not None:
                return failure
        return None

    def _sweep(self) -> None:
        if self._ready:
            self._now.sweep(self._active)

    # --- life of the node -----------------------------------------------------------------------------------

    def load(self, placements: Placements) -> None:
        """Replace the state by one in which exactly `placements` are held. Raises BadObject for unknown CPUs or zones.

        Blocks are accounted in the order given, lowest zone first, as in the kubelet's start-up check.
        """
        cpus: dict[str, dict[str, int]] = {}
        memory: dict[str, dict[str, list[MemoryBlock]]] = {}
        devices: dict[str, dict[str, dict[str, dict[int, int]]]] = {}
        for uid, containers in placements.items():
            for name, placement in containers.items():
                where = f"placement of {uid}/{name}"
                if placement.cpus:
                    if not all(0 <= cpu <= MAX_CPU for cpu in placement.cpus):
                        raise BadObject(f"{where}: CPU ids are 0 to {MAX_CPU}")
                    cpus.setdefault(uid, {})[name] = self._known_cpus(from_ids(placement.cpus), where)
                blocks = [MemoryBlock(b.resource, self._mask(b.zones, where), b.bytes) for b in placement.memory]
                if blocks and self._now.memory.static:
                    memory.setdefault(uid, {})[name] = blocks
                known = {r: counts for r, counts in placement.devices.items() if r in self._now.devices.total}
                if known:
                    devices.setdefault(uid, {})[name] = {r: self._by_position(r, c) for r, c in known.items()}
        self._now = self._empty.clone()
        self._cpu.load(cpus)
        self._now.memory.load(memory)
        self._now.devices.load(devices)
        self._active = dict.fromkeys(placements, _Pod(None, None))
        self._affinity = {}

    def started(self, uid: str, name: str) -> None:
        """Note that container `name` starts: memory of earlier init containers is freed, their CPUs are not."""
        pod = self._active.get(uid)
        for earlier in pod.demand.containers if pod is not None and pod.demand is not None else ():
            if earlier.name == name or earlier.kind is Kind.APP:
                break
            if earlier.kind is Kind.INIT:
                self._now.memory.drop(uid, earlier.name)

    def restart(self) -> dict[str, Admitted | Refused]:
        """Restart from the state files and admit every active pod again, in order; the answers are by uid.

        A container in the files keeps what it holds. One that is not there (an init container whose memory was freed)
        asks again, so a *running* pod can be refused. Pods that were loaded are kept as they are. Raises CannotStart if
        the start-up check of the files fails.
        """
        self._now.restart()
        pods, self._active = self._active, {uid: pod for uid, pod in self._active.items() if pod.demand is None}
        self._affinity = {}
        self._ready = False
        answers = {uid: self.admit(pod.demand, pod.device_hints) for uid, pod in pods.items() if pod.demand is not None}
        self._ready = True
        return answers

    # --- views ----------------------------------------------------------------------------------------------

    def state(self) -> dict[str, object]:
        """Return the state files' content in the golden format, including what refused pods have left there."""
        memory: dict[str, object] = {}
        for position, zone in enumerate(self._now.memory.zones):
            entry: dict[str, object] = {"assignments": zone.blocks, "group": list(self._zone_ids(zone.group))}
            for resource, allocatable in zone.allocatable.items():
                entry[resource] = {
                    "allocatableMi": allocatable // _MI,
                    "freeMi": zone.free[resource] // _MI,
                    "reservedMi": zone.used(resource) // _MI,
                }
            memory[str(self._ids[position])] = entry
        return {"sharedPoolCPUs": format_cpus(self._cpu.shared if self._cpu.static else 0), "memory": memory}

    def placements(self) -> dict[str, dict[str, ContainerPlacement]]:
        """Return what active pods hold now, by uid and container; load() takes it.

        Devices that a later container reuses from an init container are listed with the later one only.
        """
        self._sweep()
        placements: dict[str, dict[str, ContainerPlacement]] = {}
        for uid in self._active:
            devices = self._now.devices.shares(uid)
            names = dict.fromkeys((*self._cpu.held.get(uid, ()), *self._now.memory.held.get(uid, ()), *devices))
            placements[uid] = {
                name: replace(self._placement(uid, name), devices=self._by_zone(devices.get(name, {})))
                for name in names
            }
        return placements

    def counts(self) -> NodeCounts:
        """Return what is free for the next admission."""
        self._sweep()
        topology, available, reserved = self._cpu.topology, self._cpu.available, self._cpu.reserved
        zones = []
        for position, zone in enumerate(self.machine.zones):
            own = topology.zones.get(position, 0)
            memory = self._now.memory.zones[position] if self._now.memory.static else None
            zones.append(
                ZoneCounts(
                    id=zone.id,
                    socket=zone.cores[0].socket if zone.cores else -1,
                    cpu_total=own.bit_count(),
                    cpu_reserved=(own & reserved).bit_count(),
                    cpu_free=(own & available).bit_count(),
                    cores_free=topology.free_cores(position, available),
                    memory={r: Amount(a, memory.free[r]) for r, a in memory.allocatable.items()} if memory else {},
                    blocks=memory.blocks if memory else 0,
                    group=memory.group if memory else 1 << position,
                    devices={
                        resource: Amount(total[position], self._now.devices.free[resource][position])
                        for resource, total in self._now.devices.total.items()
                        if position in total
                    },
                )
            )
        return NodeCounts(
            tuple(zones),
            self._cpu.physical.bit_count(),
            topology.cpus_per_core,
            topology.cut_zones,
            topology.uneven,
            self._now.devices.every_zone,
        )

    def _placement(self, uid: str, name: str) -> ContainerPlacement:
        affinity = self._affinity.get(uid, {}).get(name, NO_AFFINITY)
        blocks = self._now.memory.held.get(uid, {}).get(name, ())
        return ContainerPlacement(
            cpus=frozenset(bits(self._cpu.held.get(uid, {}).get(name, 0))),
            memory=tuple(Block(b.resource, self._zone_ids(b.mask), b.bytes) for b in blocks),
            hint=None if affinity.mask is None else self._zone_ids(affinity.mask),
            preferred=affinity.preferred,
            devices=self._by_zone(self._now.devices.held.get(uid, {}).get(name, {})),
        )

    # --- zone ids and positions -----------------------------------------------------------------------------

    def _zone_ids(self, mask: int) -> tuple[int, ...]:
        return tuple(self._ids[position] for position in bits(mask))

    def _mask(self, zones: Sequence[int], where: str) -> int:
        unknown = [zone for zone in zones if zone not in self._position]
        if unknown:
            raise BadObject(f"{where}: the machine has no zone {unknown[0]}")
        return from_ids(self._position[zone] for zone in zones)

    def _known_cpus(self, cpus: int, where: str) -> int:
        foreign = cpus & ~self._cpu.topology.all
        if foreign:
            raise BadObject(f"{where}: the machine has no CPU {format_cpus(foreign)}")
        return cpus

    def _by_zone(self, devices: Mapping[str, Mapping[int, int]]) -> dict[str, dict[int, int]]:
        return {r: {self._ids[position]: n for position, n in counts.items()} for r, counts in devices.items()}

    def _by_position(self, resource: str, counts: Mapping[int, int]) -> dict[int, int]:
        for zone in counts:
            if zone not in self._position:
                raise BadObject(f"devices of {resource}: the machine has no zone {zone}")
        return {self._position[zone]: counts[zone] for zone in sorted(counts) if counts[zone] > 0}

    def _read_hints(self, given: DeviceHints) -> list[ResourceHints]:
        read = []
        for resource, entries in given.items():
            hints = None
            if entries is not None:
                masks = [(self._mask(zones, f"hints of {resource}"), preferred) for zones, preferred in entries]
                hints = Hints(tuple(m for m, _ in masks), frozenset(m for m, preferred in masks if preferred))
            read.append(ResourceHints(resource, 0, 0, hints))
        return read
