"""Configuration per node pool, as the state needs it: mode, what to do with doubts, and stated kubelet facts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from _fastfit.codes import Code, Mode, OnUnknown, pack_actions
from extender.config import DOUBTS, Doubt, Settings
from extender.config import Pool as PoolSettings
from extender.reasons import DOUBT_KINDS, REASONS

__all__ = ["Pool", "Pools", "pools_of"]


def _keep_all() -> dict[str, OnUnknown]:
    return dict.fromkeys(DOUBT_KINDS, OnUnknown.KEEP)


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool. `labels` all have to match; `kubelet` and `machine` are JSON objects in the golden format.

    `machine` may also be just `{"threadsPerCore": n}`. An empty name is the rest of the cluster.
    """

    name: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    mode: Mode = Mode.ENFORCE
    on_unknown: Mapping[str, OnUnknown] = field(default_factory=_keep_all)
    kubelet: Mapping[str, object] = field(default_factory=dict)
    machine: Mapping[str, object] = field(default_factory=dict)
    #: `on_unknown` by code, as rows carry it
    actions: int = field(init=False)

    def __post_init__(self) -> None:
        """Once for all rows."""
        object.__setattr__(self, "actions", pack_actions(self.on_code))

    def on_code(self, code: Code) -> OnUnknown:
        """What to do with a node whose verdict is unknown for this reason."""
        return self.on_unknown.get(REASONS[code].doubt, OnUnknown.KEEP)


@dataclass(frozen=True, slots=True)
class Pools:
    """The pools in order (the first match wins), and the rest of the cluster."""

    pools: Sequence[Pool] = ()
    rest: Pool = field(default_factory=Pool)

    @property
    def enforcing(self) -> bool:
        """Whether any pool refuses nodes; where none does, nothing of ours may keep a VM from starting."""
        return any(pool.mode is Mode.ENFORCE for pool in (self.rest, *self.pools))

    def of(self, labels: Mapping[str, str]) -> Pool:
        """The pool of a node with these labels."""
        for pool in self.pools:
            if all(labels.get(key) == value for key, value in pool.labels.items()):
                return pool
        return self.rest


def pools_of(settings: Settings) -> Pools:
    """The pools of a configuration; what a pool leaves out is the global setting."""
    return Pools(
        pools=tuple(_pool(settings, pool) for pool in settings.pools),
        rest=_pool(settings, None),
    )


def _pool(settings: Settings, pool: PoolSettings | None) -> Pool:
    doubts: list[Doubt] = list(DOUBTS)
    return Pool(
        name=pool.name if pool is not None else "",
        labels=pool.selector.match_labels if pool is not None else {},
        mode=Mode[settings.mode_of(pool).upper()],
        on_unknown={doubt: OnUnknown[settings.action_of(pool, doubt).upper()] for doubt in doubts},
        kubelet=(pool.kubelet if pool is not None else None) or {},
        machine=(pool.machine if pool is not None else None) or {},
    )
