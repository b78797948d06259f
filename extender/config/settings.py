"""The settings tree: every field with its type, bounds, unit, default and reason, stated once.

`describe` in this package and docs/settings.md are generated from it. Field names are the file's names in snake_case
(`body_bytes` is `bodyBytes` in the file). `text.py` reads the file, `check.py` checks it.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

import msgspec
from msgspec import Meta

from extender.names import API_VERSION, CONFIG_KIND
from extender.reasons import REASONS

__all__ = [
    "DOUBTS",
    "Action",
    "Charges",
    "Debug",
    "Doubt",
    "Limits",
    "Logs",
    "Migration",
    "Mode",
    "Pool",
    "Reply",
    "Selector",
    "Server",
    "Settings",
    "Sources",
    "Tls",
    "Use",
]

Mode = Literal["enforce", "score", "observe"]
Action = Literal["keep", "refuse", "error"]
Use = Literal["required", "optional", "off"]
Migration = Literal["strict", "prefer", "off"]
Doubt = Literal["node", "zones", "stale", "policy", "contradiction", "counts", "pages", "pod"]

#: Kinds of doubt, each with the names of its codes; together all codes of the verdict `unknown`.
DOUBTS: Final[Mapping[Doubt, tuple[str, ...]]] = {
    kind: tuple(code.name for code, reason in REASONS.items() if reason.doubt == kind) for kind in get_args(Doubt)
}


def _field(why: str, unit: str = "", **bounds: Any) -> Meta:
    return Meta(description=why, extra={"unit": unit}, **bounds)


def _pattern(pattern: str, form: str) -> Meta:
    return Meta(pattern=pattern, extra={"form": form})


_NAME = _pattern(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\Z", "lower-case letters, digits and '-', at most 63")
_LABEL_KEY = _pattern(
    r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z",
    "a label key of Kubernetes, such as example.com/rack",
)
_LABEL_VALUE = _pattern(
    r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z",
    "a label value of Kubernetes: letters, digits, '-', '_' and '.', at most 63",
)

Labels = dict[Annotated[str, _LABEL_KEY], Annotated[str, _LABEL_VALUE]]
OnUnknown = dict[Doubt, Action]


class _Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A part of the tree."""


class Selector(_Part, frozen=True):
    """Which nodes belong to a pool."""

    match_labels: Annotated[Labels, _field("a node is in the pool if it has all of these labels; {} is every node")]


class Pool(_Part, frozen=True):
    """Nodes that share settings; a node belongs to the first pool whose selector matches."""

    name: Annotated[str, _NAME, _field("appears in explain, decisions and metrics; unique")]
    selector: Annotated[Selector, _field("which nodes")]
    mode: Annotated[Mode | None, _field("mode of these nodes; left out: the global one")] = None
    on_unknown: Annotated[OnUnknown, _field("per kind of doubt; a kind left out: the global action")] = {}
    kubelet: Annotated[
        dict[str, Any] | None,
        _field("facts of these nodes' kubelets that no API shows; a node's own annotation wins over it"),
    ] = None
    machine: Annotated[
        dict[str, Any] | None,
        _field("facts of these nodes' hardware that no API shows; a node's own annotation wins over it"),
    ] = None


class Sources(_Part, frozen=True):
    """Kinds that are watched besides nodes and pods, which are always required."""

    noderesourcetopologies: Annotated[
        Use,
        _field("zones of the nodes; optional, so that a cluster without the CRD starts and says that it sees no zones"),
    ] = "optional"
    virtualmachineinstances: Annotated[
        Use,
        _field(
            "guest topology of the VMs; without it first boots are judged by the kubelet's rules alone, and no target of a "
            "live migration is certain"
        ),
    ] = "optional"
    virtualmachineinstancemigrations: Annotated[
        Use, _field("the source node of a migration; without it the VM's own status names it")
    ] = "optional"
    kubevirts: Annotated[
        Use, _field("KubeVirt's feature gates and hotplug ratio; without it KubeVirt's documented defaults hold")
    ] = "optional"


class Charges(_Part, frozen=True):
    """How long an assumed placement is kept without a binding."""

    promise_seconds: Annotated[
        int,
        _field(
            "kept without a binding: longer than volume binding usually takes, short enough that a lost attempt frees",
            "seconds",
            ge=1,
            le=3600,
        ),
    ] = 30


class Reply(_Part, frozen=True):
    """The replies to kube-scheduler."""

    always_send_failures: Annotated[
        bool,
        _field(
            "true where another filter extender stands behind this one; else reasons go out only if no node is left"
        ),
    ] = False
    shortlist: Annotated[
        int,
        _field(
            "filter returns only the best so many fitting nodes where more fit: kube-scheduler then scores only those; "
            "0 returns all. Off while alwaysSendFailures is on, and for a pod whose last shortlist did not lead to a binding",
            "nodes",
            ge=0,
            le=20000,
        ),
    ] = 64
    score_top: Annotated[
        int,
        _field(
            "nodes in a prioritize reply; kube-scheduler reads an absent one as 0, and decodes a short reply faster",
            "nodes",
            ge=1,
            le=20000,
        ),
    ] = 100


class Limits(_Part, frozen=True):
    """Bounds on the cost of one caller."""

    body_bytes: Annotated[
        int,
        _field(
            "5,000 long node names and a large pod take 1.4 MB; whole Node objects are refused early",
            "bytes",
            ge=65536,
            le=67108864,
        ),
    ] = 4194304
    node_names: Annotated[
        int, _field("four times the largest supported cluster", "names per call", ge=1, le=100000)
    ] = 20000
    nesting: Annotated[
        int, _field("a pod nests about 12 deep; a hostile body could exhaust the stack", "levels", ge=32, le=256)
    ] = 64
    connections: Annotated[
        int,
        _field(
            "one kube-scheduler holds one or two; the rest is room for restarts. Times bodyBytes it must leave the cache its "
            "memory",
            "connections",
            ge=4,
            le=4096,
        ),
    ] = 32
    request_seconds: Annotated[
        int, _field("for one body to arrive; kube-scheduler's own timeout is 1-5 s", "seconds", ge=1, le=300)
    ] = 10


class Server(_Part, frozen=True):
    """Time limits of the scheduler port."""

    keep_alive_seconds: Annotated[
        int,
        _field(
            "Go drops idle connections after 90 s; closing first would lose a call, so stay well above",
            "seconds",
            ge=120,
            le=86400,
        ),
    ] = 150
    drain_seconds: Annotated[
        int, _field("after SIGTERM: un-ready but answering, until others have noticed", "seconds", ge=0, le=300)
    ] = 5


class Tls(_Part, frozen=True):
    """TLS files of the scheduler port; read again when their content changes."""

    cert_file: Annotated[str, _field("PEM: the server's certificate and its chain", "file", min_length=1)]
    key_file: Annotated[str, _field("PEM: its private key", "file", min_length=1)]
    client_ca_file: Annotated[
        str | None,
        _field(
            "PEM: who may sign kube-scheduler's client certificate, which then needs TLS 1.3; left out: callers are not "
            "authenticated",
            "file",
        ),
    ] = msgspec.field(default=None, name="clientCAFile")


class Debug(_Part, frozen=True):
    """The /debug pages of the operations port."""

    remote: Annotated[bool, _field("true answers /debug beyond loopback; the pages show names of pods and nodes")] = (
        False
    )
    decisions: Annotated[
        int,
        _field(
            "kept in memory, about 1 KB each; 1,000 are some minutes of a busy cluster", "decisions", ge=1, le=10000
        ),
    ] = 1000


class Logs(_Part, frozen=True):
    """Logs on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], _field("debug adds one line per request")] = "info"
    format: Annotated[Literal["json", "console"], _field("json for collectors, console for people")] = "json"


class Settings(_Part, frozen=True):
    """The whole configuration. `needs_restart` names the fields that a running process does not apply."""

    api_version: Annotated[str, _field("version of this format")] = API_VERSION
    kind: Annotated[str, _field("kind of this object")] = CONFIG_KIND
    mode: Annotated[
        Mode,
        _field("enforce refuses and ranks; score only ranks; observe does neither and records what it would have done"),
    ] = "enforce"
    on_unknown: Annotated[
        OnUnknown,
        _field("what `unknown` does under enforce: keep ranks the node last, refuse drops it, error fails the call"),
    ] = {}
    migration: Annotated[
        Migration,
        _field(
            "what a VM's guest cells do to its live-migration targets: prefer refuses certain failures and ranks the rest, "
            "strict passes only targets with the same layout, off ignores them; a VM's annotation fastfit.dev/migration "
            "wins over it, unless migrationFromOwners is false"
        ),
    ] = "prefer"
    migration_from_owners: Annotated[
        bool,
        _field(
            "false: `migration` holds for every VM, and the annotation fastfit.dev/migration counts for nothing; an owner's "
            "strict can keep a node from being drained. explain shows whose annotation is not followed"
        ),
    ] = True
    pools: Annotated[tuple[Pool, ...], _field("groups of nodes with settings of their own; the first match wins")] = ()
    sources: Annotated[Sources, _field("kinds watched besides nodes and pods")] = Sources()
    stale_after_seconds: Annotated[
        int,
        _field(
            "readiness fails when a source is silent for longer; the API server sends a bookmark every minute",
            "seconds",
            ge=90,
            le=86400,
        ),
    ] = 180
    report_stale_after_seconds: Annotated[
        int,
        _field(
            "age at which a node's zone report counts as stale; 0 never: reports change only when something changes",
            "seconds",
            ge=0,
            le=604800,
        ),
    ] = 0
    wait_for_vm_milliseconds: Annotated[
        int,
        _field(
            "a pod may overtake its VirtualMachineInstance or migration in the watches: its first call waits this long "
            "for them, other calls do not; 0 never waits",
            "milliseconds",
            ge=0,
            le=50,
        ),
    ] = 50
    write_guest_cells: Annotated[
        bool,
        _field(
            "annotates the VMI of a VM that has booted with its guest cells, so that they are known after a restart of ours; "
            "needs the verb patch on virtualmachineinstances. false, or forbidden: then the cells of VMs that have moved "
            "are not known, and no target is refused for them"
        ),
    ] = True
    keep_last_layouts: Annotated[
        bool,
        _field(
            "keeps the vCPUs per guest cell of each VM's last run, by the VM's UID, in ConfigMaps of our own, so that a VM "
            "which stood still while we restarted is placed as before; needs the verbs get and patch on these. false, or "
            "forbidden: then such a VM is placed as a new one"
        ),
    ] = True
    charges: Annotated[Charges, _field("promised placements")] = Charges()
    reply: Annotated[Reply, _field("what kube-scheduler is told")] = Reply()
    limits: Annotated[Limits, _field("bounds on one caller")] = Limits()
    server: Annotated[Server, _field("the scheduler port over time")] = Server()
    tls: Annotated[Tls | None, _field("TLS of the scheduler port; left out: plain HTTP, for loopback")] = None
    allow_remote_without_client_certificates: Annotated[
        bool, _field("true lets anyone who reaches a port beyond loopback ask; for networks that are closed otherwise")
    ] = False
    debug: Annotated[Debug, _field("the /debug pages")] = Debug()
    logs: Annotated[Logs, _field("standard error")] = Logs()

    def mode_of(self, pool: Pool | None) -> Mode:
        """The mode of a node in `pool` (None: in no pool)."""
        return self.mode if pool is None or pool.mode is None else pool.mode

    def action_of(self, pool: Pool | None, doubt: Doubt) -> Action:
        """The action for a doubt about a node in `pool`: the pool's, else the global one, else keep."""
        own: Action | None = None if pool is None else pool.on_unknown.get(doubt)
        return own if own is not None else self.on_unknown.get(doubt, "keep")
