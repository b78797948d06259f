"""Outcome codes of one node for one pod, and the other enumerations that rows and asks use.

The names and numbers of the codes are stable: they appear in metrics and in JSON. The texts for people are in
`extender/reasons.py`, one per code. The compiled kernel reads all these numbers from `_constants.pxd`, which
`tools/generate_constants.py` writes.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Final

__all__ = [
    "ACTION_BITS",
    "FIRST_REFUSAL",
    "LAST_UNKNOWN",
    "Code",
    "ContainerKind",
    "Mode",
    "OnUnknown",
    "Policy",
    "Scope",
    "action_on",
    "pack_actions",
]


class Code(IntEnum):
    """0 fits, 1..31 unknown, 32.. refused."""

    Fits = 0
    # unknown: what is known of the node or the pod does not decide
    NodeNotSeen = 1
    ZonesNotReported = 2
    ReportStale = 3
    PolicyNotKnown = 4
    TooManyZones = 5
    ReportContradictsPods = 6
    OptionsUndecided = 7
    PodLevelResources = 8
    GroupsNotKnown = 9
    FactsUnreadable = 10
    PagesNotReported = 11
    InitContainerCpus = 12
    TooManyResources = 13
    DemandUnreadable = 14
    FactsContradict = 15
    MoverNotKnown = 16
    DeviceZoneOpen = 17
    CpuManagerNotKnown = 18
    NotChecked = 19
    CpusNotReported = 20
    MemoryNotReported = 21
    MemoryManagerNotKnown = 22
    OptionNotKnown = 23
    ReportUnreadable = 24
    NoExclusiveCpus = 25
    # refused: a rule of the kubelet or of KubeVirt says no
    NotSchedulable = 32
    CpuManagerNotStatic = 33
    NoPagesOfSize = 34
    KubeletCannotStart = 35
    NodeCpuShort = 36
    ZoneCpuShort = 37
    NeverFitsZone = 38
    ZonesDisagree = 39
    ZoneMemoryShort = 40
    MemoryGroupConflict = 41
    SmtAlignment = 42
    DeviceZoneShort = 43
    ZonePagesShort = 44
    CoreSplit = 45
    GuestMemoryPages = 46
    RefusedBefore = 47
    MoreZonesThanCells = 48
    NotSymmetric = 49
    OrderUndecided = 62
    ProbeUnderWay = 63
    LauncherCpusShort = 65
    MigrationFailedBefore = 66
    DeviceOutsideCells = 67
    NotGuaranteed = 68
    NodeResourcesShort = 70
    LauncherPagesShort = 71


LAST_UNKNOWN: Final = 31
FIRST_REFUSAL: Final = 32
#: Bits of one unknown code's action in a row's `actions`.
ACTION_BITS: Final = 2


class ContainerKind(IntEnum):
    """What a container of a pod is: it decides when its request counts and what it leaves to later containers."""

    #: regular init container: ends before the next container starts
    INIT = 0
    #: restartable init container (sidecar)
    SIDECAR = 1
    APP = 2


class Policy(IntEnum):
    """Topology Manager policy of a node."""

    NONE = 0
    BEST_EFFORT = 1
    RESTRICTED = 2
    SINGLE_NUMA_NODE = 3


class Scope(IntEnum):
    """Topology Manager scope of a node."""

    CONTAINER = 0
    POD = 1


class Mode(IntEnum):
    """What a verdict does on a node: refuse and rank, rank only, or nothing."""

    ENFORCE = 0
    SCORE = 1
    OBSERVE = 2


class OnUnknown(IntEnum):
    """What the verdict unknown does under Mode.ENFORCE: keep the node (ranked last), refuse it, or fail the call."""

    KEEP = 0
    REFUSE = 1
    ERROR = 2


def pack_actions(of: Callable[[Code], OnUnknown]) -> int:
    """The action for every unknown code in one 64-bit word, ACTION_BITS each."""
    return sum(of(code) << ACTION_BITS * code for code in Code if 0 < code <= LAST_UNKNOWN)


def action_on(actions: int, code: int) -> OnUnknown:
    """What such a word says of a code; KEEP for codes that are not unknown."""
    if not 0 < code <= LAST_UNKNOWN:
        return OnUnknown.KEEP
    return OnUnknown(actions >> ACTION_BITS * code & (1 << ACTION_BITS) - 1)
