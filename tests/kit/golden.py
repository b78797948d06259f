"""Recorded answers of real code: reads the files of tests/golden and makes our records of what stands in them.

A scenario is one node's life (tests/golden/kubelet/README.md); a case is one boot or migration of a VM
(tests/golden/kubevirt/README.md).
"""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from extender.api.objects import Pod
from extender.api.quantity import milli
from extender.kubelet.admission import DeviceHints
from extender.kubelet.cpuset import bits, parse_cpus
from extender.kubelet.pod import PodDemand, pod_demand
from extender.kubelet.versions import version_of
from extender.kubevirt.guest.size import GuestSize
from tests.kit.io_threads import IoThreadsPolicy, io_thread_count

__all__ = [
    "KUBELET",
    "KUBEVIRT",
    "cases",
    "cpus_of",
    "demand",
    "device_hints",
    "scenarios",
    "size_of",
    "version_of_file",
]

_GOLDEN: Final = Path(__file__).parents[1] / "golden"
#: Lives of nodes under the real kubelet managers.
KUBELET: Final = _GOLDEN / "kubelet"
#: Boots and migrations by KubeVirt's own code.
KUBEVIRT: Final = _GOLDEN / "kubevirt"

_DEFAULT_VERSION: Final = "1.36"
_VERSION: Final = re.compile(r"-(1\.\d+)(?:\.\d+)?\.jsonl(?:\.gz)?$")


def scenarios(path: Path | str) -> Iterator[dict[str, Any]]:
    """The scenarios of a .jsonl or .jsonl.gz file."""
    for _, scenario in _lines(Path(path)):
        yield scenario


def cases(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The cases of a .jsonl or .jsonl.gz file, each with its place."""
    for number, case in _lines(path):
        yield f"{path}:{number}", case


def _lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, json.loads(line)


def version_of_file(path: Path | str) -> str:
    """The kubelet minor that answered in the file: its name ends in it, unless it is 1.36."""
    match = _VERSION.search(str(path))
    return version_of(match[1]) if match else _DEFAULT_VERSION


def demand(admit: Mapping[str, Any]) -> PodDemand:
    """What the pod of an `admit` step asks for."""
    pod = {"metadata": {"uid": admit["uid"]}, "spec": admit["spec"], "status": admit.get("status") or {}}
    return pod_demand(msgspec.convert(pod, Pod))


def device_hints(admit: Mapping[str, Any]) -> DeviceHints:
    """The hints that an `admit` step gives in place of the Device Manager."""
    given = admit.get("deviceHints") or {}
    return {
        resource: None if hints is None else [(hint["numa"], hint["preferred"]) for hint in hints]
        for resource, hints in given.items()
    }


def size_of(vm: Mapping[str, Any]) -> GuestSize:
    """The guest that the `vm` of a case is."""
    policy = IoThreadsPolicy(vm["ioThreadsPolicy"]) if "ioThreadsPolicy" in vm else None
    isolate = vm.get("isolateEmulatorThread", False)
    return GuestSize(
        sockets=vm["sockets"],
        cores=vm["cores"],
        threads=vm["threads"],
        memory_bytes=_bytes(vm["memory"]),
        page_bytes=_bytes(vm["pageSize"]) if vm.get("pageSize") else None,
        isolate_emulator=isolate,
        passthrough=vm.get("passthrough", False),
        even_parity=vm.get("evenParity", False),
        max_sockets=vm.get("maxSockets") or None,
        supplemental_pool=vm.get("supplementalPoolThreadCount", 0),
        io_threads=io_thread_count(policy, plain_disks=vm.get("disks", 0), dedicated_disks=0, isolate_emulator=isolate),
    )


def cpus_of(text: str) -> frozenset[int]:
    """The CPUs of a cpuset text such as "2-5,16"; "" is the empty set."""
    return frozenset(bits(parse_cpus(text, "cpuset")))


def _bytes(quantity: str | int) -> int:
    return milli(quantity) // 1000
