"""The one table of reasons: for every outcome code the text that kube-scheduler shows, and the knob behind it.

`text` travels in FailedAndUnresolvableNodes and ends up in the pod's event, where equal texts are counted; so it is
short, constant and without numbers (a text that changes between attempts makes kube-scheduler retry for ever). `advice`
is for `explain` and the docs: what an administrator or VM owner can do. `rule` is for `explain`: the rule of the
kubelet or of KubeVirt that the counts of the node's zones break, or why they do not decide. Only codes have one that
`_fastfit.counting.zone_code` gives.
"""

from dataclasses import dataclass
from typing import Final

import orjson

from _fastfit.codes import FIRST_REFUSAL, Code

__all__ = ["DOUBT_KINDS", "REASONS", "Reason", "verdict_of", "wire_texts"]


@dataclass(frozen=True, slots=True)
class Reason:
    """A code with its words. `doubt` names the key of `onUnknown` that governs it; empty for refusals."""

    text: str
    advice: str
    doubt: str = ""
    rule: str = ""


REASONS: Final[dict[Code, Reason]] = {
    Code.Fits: Reason("fits", ""),
    # --- unknown ---------------------------------------------------------------------------------------
    Code.NodeNotSeen: Reason(
        "node not seen yet by the extender",
        "The node is not in the watch cache. It should appear within a second; check `fastfit_source_age_seconds`.",
        "node",
    ),
    Code.ZonesNotReported: Reason(
        "no NUMA zones reported for the node",
        "Run an exporter (NFD topology updater or resource-topology-exporter) on the node, "
        "or state the machine: annotation fastfit.dev/machine, or `machine` of its pool.",
        "zones",
    ),
    Code.ReportStale: Reason(
        "the node's NUMA report is too old",
        "The exporter on the node has stopped updating its NodeResourceTopology; see `reportStaleAfterSeconds`.",
        "stale",
    ),
    Code.PolicyNotKnown: Reason(
        "Topology Manager policy of the node not known",
        "Neither the node's report nor a statement names a topologyManagerPolicy that is known: state it in annotation "
        "fastfit.dev/kubelet or in `kubelet` of the node's pool.",
        "policy",
    ),
    Code.TooManyZones: Reason(
        "more NUMA zones than the kubelet handles",
        "With a Topology Manager policy more than 8 zones need the option max-allowable-numa-nodes, stated to us; more than "
        "16 are judged with policy none and Memory Manager None alone.",
        "zones",
    ),
    Code.ReportContradictsPods: Reason(
        "the node's pods cannot all be placed by what is known of it",
        "A running pod holds more than the stated machine and configuration allow: correct the annotation or the pool; "
        "explain names the pods and each fact with its source.",
        "contradiction",
    ),
    Code.OptionsUndecided: Reason(
        "CPU Manager options leave the zones open",
        "Counts per zone do not decide where this CPU Manager option puts the CPUs: state the machine "
        "in annotation fastfit.dev/machine or in `machine` of the node's pool.",
        "counts",
        rule="a CPU Manager option decides by CPU ids which zones give the CPUs",
    ),
    Code.PodLevelResources: Reason(
        "pod-level resources: exclusive CPUs depend on a feature gate",
        "The pod sets spec.resources; whether its CPUs are pinned depends on PodLevelResourceManagers. KubeVirt does not set "
        "it: look for the webhook that does.",
        "pod",
    ),
    Code.GroupsNotKnown: Reason(
        "memory groups of the node not known",
        "Memory Manager's groups cannot be derived from what is seen of the node. No verdict gives this code any more.",
        "counts",
    ),
    Code.FactsUnreadable: Reason(
        "the node's fastfit.dev annotations cannot be read",
        "Correct the annotation; `fastfit explain` shows the path of the mistake.",
        "policy",
    ),
    Code.FactsContradict: Reason(
        "what is stated of the node contradicts its NUMA report",
        "The annotations or the pool differ from the node's NodeResourceTopology (zones, CPUs or policy): correct them; "
        "explain names what differs.",
        "contradiction",
    ),
    Code.PagesNotReported: Reason(
        "huge pages per NUMA zone not known",
        "Either the report names no huge pages of this size per zone (Memory Manager None, or the exporter leaves them out): "
        "state the machine (annotation or pool). Or pods hold so many pages of zones that are not known, because they are "
        "not Guaranteed or lie over several zones, that too few are free for certain: move such pods off the node. explain "
        "tells which.",
        "pages",
        rule="whether a touched zone has the pages free is not known",
    ),
    Code.InitContainerCpus: Reason(
        "an init container holds CPUs, counts do not decide",
        "Give the init container a fractional CPU request, or state the machine in annotation fastfit.dev/machine or in "
        "`machine` of the node's pool.",
        "counts",
        rule="which zones keep an init container's CPUs depends on CPU ids",
    ),
    Code.TooManyResources: Reason(
        "too many containers or kinds of resources in the pod",
        "A pod is judged with up to 64 containers, and up to 8 kinds each of memory with huge pages and of devices that have "
        "zones: ask for fewer.",
        "zones",
    ),
    Code.DemandUnreadable: Reason(
        "the pod's requests cannot be read",
        "A quantity of the pod is malformed, out of range, or no whole number of bytes: correct it; explain names it.",
        "pod",
    ),
    Code.MoverNotKnown: Reason(
        "the virtual machine that migrates is not known",
        "Its VirtualMachineInstance has not been seen or cannot be read, so neither its guest cells nor its size are known. "
        "It should appear within a second; check the source virtualmachineinstances and its rights.",
        "pod",
    ),
    Code.DeviceZoneOpen: Reason(
        "the NUMA zone of a PCI device is not decided",
        "The report names no zone for the device, or the kubelet may take one that lies outside the guest's cells; then "
        "KubeVirt's gate PCINUMAAwareTopology keeps the VM from starting. Topology Manager restricted or single-numa-node "
        "takes devices and CPUs from the same zones.",
        "zones",
        rule="the zone of a device is not known, or the kubelet may choose one without a vCPU",
    ),
    Code.CpuManagerNotKnown: Reason(
        "CPU Manager policy of the node not known",
        "Neither a label of KubeVirt nor the node's report says whether CPU Manager is static, and the VM needs it: state "
        "cpuManagerPolicy in annotation fastfit.dev/kubelet or in `kubelet` of the node's pool, or see that virt-handler "
        "runs there (it writes the label kubevirt.io/cpumanager).",
        "policy",
    ),
    Code.NotChecked: Reason(
        "not checked by CPU ids: better nodes were, and were excluded",
        "Counts say that the node fits, as they did of the nodes that ranked before it and on which the kubelet would refuse "
        "the pod. Only so many are checked in one call; kube-scheduler's own scores decide among the rest. Mostly pods on "
        "their way to the nodes are the cause, and it passes.",
        "counts",
    ),
    Code.CpusNotReported: Reason(
        "CPUs per NUMA zone not known",
        "The node's report names no CPUs per zone: take cpu out of the exporter's exclude list, check that the node's "
        "CPU Manager is static, or state the machine in annotation fastfit.dev/machine.",
        "zones",
    ),
    Code.MemoryNotReported: Reason(
        "memory per NUMA zone not known",
        "Memory Manager is Static and the node's report names no memory per zone: take memory out of the exporter's "
        "exclude list, or state the machine in annotation fastfit.dev/machine.",
        "zones",
    ),
    Code.MemoryManagerNotKnown: Reason(
        "Memory Manager policy of the node not known",
        "The node's report does not prove whether Memory Manager is on, and for this pod it matters: state "
        "memoryManagerPolicy in annotation fastfit.dev/kubelet or in `kubelet` of the node's pool.",
        "policy",
        rule="with Memory Manager off and with Memory Manager Static the verdicts differ, or the second is not known",
    ),
    Code.OptionNotKnown: Reason(
        "the node's kubelet has an option that is not known",
        "What this option does is not known to this version of fastfit: update it, or correct the statement; explain "
        "names the option.",
        "policy",
    ),
    Code.ReportUnreadable: Reason(
        "the node's NUMA report cannot be read",
        "Correct what writes the node's NodeResourceTopology; `fastfit explain` shows the path of the mistake. Or state the "
        "machine: fastfit.dev/machine of the Node, or `machine` of its pool.",
        "zones",
    ),
    Code.NoExclusiveCpus: Reason(
        "dedicated CPUs are asked, but the pod gets none of its own",
        "The pod is a migration's target and not Guaranteed, or `compute` asks for a fraction of a CPU: the kubelet gives it "
        "CPUs that it shares, and KubeVirt pins the vCPUs to those. Which they are, and in which zones, nobody can tell. Give "
        "every container CPU and memory limits equal to its requests, and `compute` whole CPUs.",
        "pod",
    ),
    # --- refused: the whole node -----------------------------------------------------------------------
    Code.NotSchedulable: Reason(
        "KubeVirt marks the node unschedulable",
        "Label kubevirt.io/schedulable is false: virt-handler or its device plugins are not ready. Look at virt-handler on "
        "the node; it writes the label.",
    ),
    Code.CpuManagerNotStatic: Reason(
        "CPU Manager is not static",
        "Set cpuManagerPolicy: static in the node's KubeletConfiguration; the VM asks for dedicated CPUs.",
    ),
    Code.NoPagesOfSize: Reason(
        "no huge pages of the asked size",
        "Configure huge pages of that size on the node, or choose another page size for the VM.",
    ),
    Code.KubeletCannotStart: Reason(
        "the node's kubelet cannot run with its configuration",
        "The kubelet does not start with this combination of options and machine; explain names it.",
    ),
    # --- refused: the kubelet ---------------------------------------------------------------------------
    Code.NodeCpuShort: Reason(
        "too few exclusive CPUs free",
        "Free CPUs on the node, or lower the VM's vCPUs.",
        rule="the node has too few free CPUs (cpumanager/policy_static.go)",
    ),
    Code.ZoneCpuShort: Reason(
        "no NUMA zone has enough free CPUs",
        "The node has CPUs, the zones have not: a smaller VM fits, or one VM must move away.",
        rule="no set of zones of the needed width has enough free CPUs (topologymanager policy)",
    ),
    Code.NeverFitsZone: Reason(
        "never fits: larger than the zones of this node allow",
        "Under its Topology Manager policy the node can never hold the VM, not even when empty: "
        "choose a size below a zone's allocatable CPUs, or another policy.",
        rule="not even empty could the node give all of it from one set of zones of the needed width",
    ),
    Code.ZonesDisagree: Reason(
        "CPUs, memory and devices need different NUMA zones",
        "Topology Manager wants one set of zones for every resource; explain shows which resource needs which. Free what is "
        "missing in zones that have the rest.",
        rule="each resource has zones it prefers, but no set of zones is preferred by all",
    ),
    Code.ZoneMemoryShort: Reason(
        "no NUMA zone has enough memory or huge pages",
        "Free memory or huge pages of the zones, or lower the VM's memory; explain shows what each zone has and lacks.",
        rule="no zones have enough free memory of every kind asked (memorymanager/policy_static.go), or in fact fewer pages",
    ),
    Code.MemoryGroupConflict: Reason(
        "memory of the zones is tied by other pods",
        "Memory Manager does not let a zone serve single-zone and multi-zone pods at once; "
        "topologyManagerScope: pod keeps a VM's helpers with it.",
        rule="a zone already used alone, or in another group of zones, cannot join this one",
    ),
    Code.SmtAlignment: Reason(
        "full-pcpus-only: not whole free cores",
        "The CPU count is no multiple of the threads per core (see KubeVirt's even-parity annotation), "
        "or too few whole cores are free.",
        rule="full-pcpus-only: whole cores only, and enough of them free on cores without reserved CPUs",
    ),
    Code.DeviceZoneShort: Reason(
        "no NUMA zone has enough free devices",
        "Free a device in the zones that have CPUs and memory, or these in the zones that have devices.",
        rule="too few free devices on zones of the needed width",
    ),
    Code.RefusedBefore: Reason(
        "the kubelet refused an equal pod and nothing changed since",
        "Something about the node is not known to us (options of its managers, reserved CPUs): state its facts. "
        "What the managers refused is tried again when a pod leaves the node, its allocatable or its report changes, or its "
        "kubelet restarts; failing devices and OutOf... after 1, 2, 5 and 10 minutes.",
    ),
    Code.OrderUndecided: Reason(
        "another pod is on its way to the node, and the order decides",
        "Bindings run in parallel and may overtake each other; the pod is tried again when the other one is bound.",
    ),
    Code.ProbeUnderWay: Reason(
        "the node is being tried with a first pod of this kind",
        "Whether the node's CPU Manager has full-pcpus-only is not known; the first pod with an odd CPU count shows it. "
        "State the node's facts to skip this. After a refusal for devices or sums (OutOf...), too, one equal pod goes first.",
    ),
    # --- refused: KubeVirt ------------------------------------------------------------------------------
    Code.ZonePagesShort: Reason(
        "a zone lacks its even share of guest memory",
        "KubeVirt splits guest memory evenly over the touched zones; QEMU would fail to start. Free huge pages of the zones "
        "that lack them, or lower the VM's memory.",
        rule="each guest cell touches its even share of pages in its zone, and one zone has not that many",
    ),
    Code.CoreSplit: Reason(
        "a guest core would cross NUMA zones",
        "KubeVirt refuses to split a guest core over zones: use threads: 1, or an even number of CPUs per zone.",
        rule="the CPUs lie so that a guest core would cross zones (KubeVirt: guestMappingPassthrough)",
    ),
    Code.GuestMemoryPages: Reason(
        "guest memory does not divide into pages per cell",
        "Guest memory must be a multiple of the page size and at least one page per guest cell.",
        rule="guest memory must be whole pages and at least one per guest cell (KubeVirt)",
    ),
    Code.MoreZonesThanCells: Reason(
        "the VM would touch more NUMA zones than it has guest cells",
        "Guest cells are fixed at boot; libvirt refuses a target on which the vCPUs lie in more zones. "
        "Free CPUs in one zone, or restart the VM.",
        rule="vCPUs would lie in more zones than the guest has cells: libvirt refuses the target's domain",
    ),
    Code.LauncherCpusShort: Reason(
        "never starts: the pod asks for fewer CPUs than are pinned",
        "Look for what lowered the request of `compute` (a webhook), or raised the VM's spec later. "
        "With alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity KubeVirt counts a supplemental IO thread pool twice in "
        "the pod's request: give the pool an even number of threads, or the VM an even number of vCPUs.",
    ),
    Code.LauncherPagesShort: Reason(
        "never starts: the pod asks for fewer huge pages than the guest",
        "KubeVirt takes the huge pages of the pod from the memory request where that is less than the guest's memory, and the "
        "kubelet's limit then stops QEMU at boot: remove spec.domain.resources.requests.memory, or set memoryOvercommit of "
        "the KubeVirt object to 100 (before KubeVirt 1.10 it divides huge pages too).",
    ),
    Code.NotGuaranteed: Reason(
        "never starts: dedicated CPUs in a pod that is not Guaranteed",
        "KubeVirt gives up such a VM once its pod is ready (FailedGuaranteeResources), and the pod keeps what it holds: every "
        "container needs CPU and memory limits equal to its requests. Look at containers beside compute: virtiofs, hooks, "
        "injected sidecars; at LimitRanges; at supportContainerResources of the KubeVirt object.",
    ),
    Code.MigrationFailedBefore: Reason(
        "an equal migration failed on the node and nothing changed since",
        "libvirt, QEMU or the target's launcher gave up there: see failureReason of the VirtualMachineInstanceMigration. "
        "It is tried again when a pod comes to the node or leaves it, or its kubelet restarts.",
    ),
    Code.DeviceOutsideCells: Reason(
        "a PCI device would lie outside the guest's NUMA cells",
        "With KubeVirt's gate PCINUMAAwareTopology a VM with guestMappingPassthrough boots only if every GPU, host device "
        "and SR-IOV VF lies in a zone with a vCPU: free CPUs there, or use Topology Manager restricted.",
        rule="a device must come from a zone without a vCPU (KubeVirt: strict PCI placement)",
    ),
    Code.NodeResourcesShort: Reason(
        "the node's allocatable does not hold the pod beside the others",
        "The requests of all pods of the node add up to too much (kubelet: OutOfcpu, OutOfmemory, OutOfpods, ...). Free the "
        "resource on the node, or use another one. kube-scheduler filters by it before it asks; `explain`, `targets` say so.",
    ),
    Code.NotSymmetric: Reason(
        "the guest's cells would not match this node's zones",
        "The VM or the configuration asks for symmetric targets only (fastfit.dev/migration, `migration`): "
        "choose prefer to allow a slower layout.",
        rule="the vCPUs per guest cell differ from the boot's, and only equal ones are allowed",
    ),
}

#: Keys of `onUnknown` in the configuration.
DOUBT_KINDS: Final = tuple(sorted({reason.doubt for reason in REASONS.values() if reason.doubt}))


def verdict_of(code: int) -> str:
    """fits, unknown or refused."""
    if code == Code.Fits:
        return "fits"
    return "refused" if code >= FIRST_REFUSAL else "unknown"


def wire_texts() -> list[bytes]:
    """The JSON string of every code's text, by code value; codes that do not exist are empty strings."""
    texts = [b'""'] * (max(Code) + 1)
    for code, reason in REASONS.items():
        texts[code] = orjson.dumps(reason.text)
    return texts
