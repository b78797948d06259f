"""One contestant through one setting: every arrival, end and migration, with the world as judge."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec.structs import replace

from bench.migration.contestants import make
from bench.migration.plan import Boot, End, Setting, events
from bench.migration.world import Outcome, World
from extender.api.objects import Pod, PodStatus, Vmi
from extender.kubelet.pod import pod_demand
from extender.kubevirt.launcher_pod import Guest, guest_of
from extender.kubevirt.migration.target_pod import Plugged, target_pod
from extender.sample.vms import Vm, launcher_pod, vmi

__all__ = ["Tally", "run"]

_BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Tally:
    """The outcomes of the migrations.

    `missed`: not symmetric, though on some node it would have been; `in_vain`: the target waits, though some node would
    have taken it.
    """

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    missed: int = 0
    in_vain: int = 0
    #: VMs that no node would take, and pods that kubelets refused at a boot
    unplaced: int = 0
    refused_boots: int = 0
    #: share of the CPUs that are held when migrations begin
    load: float = 0.0

    def share(self, outcome: Outcome) -> float:
        """In percent of all migrations."""
        return 100 * self.outcomes[outcome] / max(1, self.outcomes.total())


class _Run:
    def __init__(self, setting: Setting, name: str) -> None:
        self._world = World(setting)
        self._who = make(name, setting)
        self._pods: dict[str, Pod] = {}
        self._records: dict[str, Vmi] = {}
        self._guests: dict[str, Guest] = {}
        self._seconds = 0
        self.tally = Tally()

    def boot(self, vm: Vm) -> None:
        """The VM is created. A pod that a kubelet refuses is created again and another node is tried.

        A real scheduler would get less help than that.
        """
        pod: Pod = msgspec.convert(launcher_pod(vm), Pod)
        record: Vmi = msgspec.convert(vmi(vm), Vmi)
        guest = guest_of(record)
        self._who.vm(record)
        tried: list[str] = []
        while (node := self._who.choose(pod, tried)) is not None:
            bound = self._bound(pod, node)
            problem = self._world.start(vm.name, node, pod_demand(pod), guest.size)
            if not problem:
                self._who.bound(bound)
                self._pods[vm.name], self._records[vm.name], self._guests[vm.name] = bound, record, guest
                self._runs_on(vm.name, node)
                return
            self.tally.refused_boots += 1
            self._who.gone(bound, problem)
            tried.append(node)
        self.tally.unplaced += 1
        self._who.vm_gone(record)

    def end(self, name: str) -> None:
        """The VM is stopped, if it runs."""
        if self._world.runs(name):
            self._world.stop(name)
            self._who.gone(self._pods.pop(name))
            self._who.vm_gone(self._records.pop(name))

    def move(self, name: str) -> None:
        """The VM is to be migrated, if it runs; a target that fails changes nothing."""
        if not self._world.runs(name):
            return
        source, guest = self._pods[name], self._guests[name]
        pod = target_pod(source, guest, Plugged())
        demand = pod_demand(pod)
        possible = any(each is Outcome.SYMMETRIC for each in self._world.could(name, demand, guest.size))
        node = self._who.choose(pod, [source.spec.node_name])
        outcome = Outcome.WAITS
        if node is None:
            self.tally.in_vain += any(
                each is not Outcome.REFUSED for each in self._world.could(name, demand, guest.size)
            )
        else:
            outcome, reason = self._world.move(name, node, demand, guest.size)
            bound = self._bound(pod, node)
            if outcome is Outcome.REFUSED:
                if not reason:
                    self._who.bound(bound)
                self._who.gone(bound, reason)
            else:
                self._who.bound(bound)
                self._pods[name] = bound
                self._runs_on(name, node)
                self._who.gone(source)
        self.tally.outcomes[outcome] += 1
        self.tally.missed += possible and outcome is not Outcome.SYMMETRIC

    def _bound(self, pod: Pod, node: str) -> Pod:
        self._seconds += 1
        start = (_BEGIN + timedelta(seconds=self._seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
        status = PodStatus(phase="Running", qos_class=pod.status.qos_class, start_time=start)
        return replace(pod, spec=replace(pod.spec, node_name=node), status=status)

    def _runs_on(self, name: str, node: str) -> None:
        record = self._records[name]
        self._records[name] = replace(record, status=replace(record.status, node_name=node))
        self._who.vm(self._records[name])

    def note_load(self) -> None:
        """Note the load when migrations begin."""
        self.tally.load = self._world.load()


def run(setting: Setting, name: str) -> Tally:
    """The contestant of that name on its own cluster."""
    this = _Run(setting, name)
    moving = False
    for event in events(setting):
        if isinstance(event, Boot):
            this.boot(event.vm)
        elif isinstance(event, End):
            this.end(event.name)
        else:
            if not moving:
                this.note_load()
                moving = True
            this.move(event.name)
    return this.tally
