"""Machine and configuration as JSON: round trips, defaults, and what hostile annotations get."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extender.errors import BadObject
from extender.kubelet.admission import Kubelet
from extender.kubelet.facts_json import config_from_json, config_to_json, machine_from_json, machine_to_json
from extender.kubelet.model import KubeletConfig, ReservedMemory
from tests.kit.kubelet_nodes import B, D, E, config, machine

CONFIG = config("R", "0,2-3", cpu_options=["full-pcpus-only"], options={"prefer-closest-numa-nodes": "true"})


@pytest.mark.parametrize("node", [B, D, E, machine(2, 1, 4, 1, ids=[0, 8])])
def test_machine_round_trip(node: dict[str, Any]) -> None:
    """Writing what was read gives the same object, and reading it again the same machine."""
    read = machine_from_json(node, "m")
    assert machine_to_json(read) == node
    assert machine_from_json(machine_to_json(read), "m") == read


def test_config_round_trip() -> None:
    """All fields survive."""
    read = config_from_json(CONFIG, "k")
    assert read.reserved_system_cpus == frozenset({0, 2, 3})
    assert read.reserved_memory == (ReservedMemory(0, {"memory": 1 << 30}),)
    assert config_from_json(config_to_json(read), "k") == read
    assert config_to_json(read) == CONFIG | {"reservedMemory": [{"numaNode": 0, "limits": {"memory": str(1 << 30)}}]}


def test_config_defaults() -> None:
    """An empty object is the kubelet's own default."""
    assert config_from_json({}, "k") == KubeletConfig()


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(obj: dict[str, Any]) -> None:
        place: Any = obj
        *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
        for key in parents:
            place = place[key]
        if value is ...:
            del place[last]
        else:
            place[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("sockets", ..., r"m\.sockets is missing"),
        ("sockets", 0, r"m\.sockets: 0 is not a number"),
        ("sockets", True, r"m\.sockets: True is not a number"),
        ("sockets", 1, r"m\.sockets: 1, but the cores name 2"),
        ("numa", {}, r"m\.numa: \{\} is not a list"),
        ("numa", [], "no zone has a core"),
        ("numa", [{}] * 65, "65 entries, more than 64"),
        ("numa.0", 7, r"m\.numa\[0\]: 7 is not an object"),
        ("numa.0.id", ..., r"m\.numa\[0\]\.id is missing"),
        ("numa.0.id", 1, "zone 1 follows zone 1; ids must ascend"),
        ("numa.0.id", -1, r"numa\[0\]\.id: -1 is not a number"),
        ("numa.0.memoryBytes", "64Gi", "memoryBytes: '64Gi' is not a number"),
        ("numa.0.memoryBytes", 2**80, "is not a number"),
        ("numa.0.memoryBytes", 1e9, "is not a number"),
        ("numa.0.hugepages", {"1GB": 1}, "1GB is not a page size"),
        ("numa.0.hugepages", {"1Gi": -1}, r"hugepages\.1Gi: -1"),
        ("numa.0.hugepages", {"1Gi": 33}, "the pages are more than the zone's memoryBytes"),
        ("numa.0.hugepages", [1], "is not an object"),
        ("numa.0.hugepages", {f"{n}Ki": 0 for n in range(65)}, "65 entries are too many"),
        ("numa.0.distances", [10], "1 values for 4 zones"),
        ("numa.0.distances", [10, 12, 21, "x"], r"distances\[3\]: 'x'"),
        ("numa.0.cores", [{}] * 8193, "8193 entries, more than 8192"),
        ("numa.0.cores.0.threads", [0] * 8193, "8193 entries, more than 8192"),
        ("numa.0.cores.0.threads", [], "a core has at least one CPU"),
        ("numa.0.cores.0.threads", [0, 0], "listed twice"),
        ("numa.0.cores.0.threads", [0, 1], "listed twice"),
        ("numa.0.cores.0.threads", [0, 8192], "is not a number from 0 to 8191"),
        ("numa.0.cores.0.socket", None, r"cores\[0\]\.socket: None"),
        ("numa.0.cores.0.l3", "a", r"cores\[0\]\.l3: 'a'"),
        ("numa.0.cores.0.speed", 1, r"cores\[0\]\.speed is not a field"),
        ("name", "x", r"m\.name is not a field"),
    ],
)
def test_bad_machine(path: str, value: Any, text: str) -> None:
    """Each mistake is named with its path and value."""
    node = copy.deepcopy(B)
    _set(path, value)(node)
    with pytest.raises(BadObject, match=text) as caught:
        machine_from_json(node, "m")
    assert str(caught.value).startswith("m")


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("cpuManagerPolicy", 1, r"k\.cpuManagerPolicy: 1 is not a short text"),
        ("cpuManagerPolicyOptions", None, r"cpuManagerPolicyOptions: None is not an object"),
        ("cpuManagerPolicyOptions", {"full-pcpus-only": True}, r"full-pcpus-only: True is not a short text"),
        ("reservedSystemCPUs", "0-", "'0-' is not a CPU list"),
        ("reservedSystemCPUs", "3-1", "is not a range"),
        ("reservedSystemCPUs", "0-99999", "is not a range of CPU ids up to 8191"),
        ("reservedSystemCPUs", "0," * 9000, "is not a short text"),
        ("reservedCPUCount", -1, r"reservedCPUCount: -1"),
        ("reservedCPUCount", 1.5, r"reservedCPUCount: 1\.5"),
        ("reservedMemory", {}, "is not a list"),
        ("reservedMemory.0", [], r"reservedMemory\[0\]: \[\] is not an object"),
        ("reservedMemory.0.numaNode", ..., "numaNode is missing"),
        ("reservedMemory.0.limits", {"cpu": "1"}, "limits.cpu is not memory"),
        ("reservedMemory.0.limits", {"memory": "1Q"}, r"limits\.memory: quantity '1Q'"),
        ("reservedMemory.0.limits", {"memory": "-1"}, "is negative"),
        ("reservedMemory.0.limits", {"memory": [1]}, r"\[1\] is not a quantity"),
        ("evictionHard", {}, r"k\.evictionHard is not a field"),
    ],
)
def test_bad_config(path: str, value: Any, text: str) -> None:
    """Each mistake is named with its path and value."""
    settings = copy.deepcopy(CONFIG)
    _set(path, value)(settings)
    with pytest.raises(BadObject, match=text) as caught:
        config_from_json(settings, "k")
    assert str(caught.value).startswith("k")


@pytest.mark.parametrize(
    ("path", "least", "most"),
    [
        ("sockets", 2, 8192),
        ("numa.3.id", 3, 1023),
        ("numa.0.memoryBytes", 16 << 30, 2**62),
        ("numa.1.hugepages.2Mi", 0, 8192),
        ("numa.0.distances.0", 0, 65535),
        ("numa.3.cores.3.socket", 0, 8191),
        ("numa.0.cores.0.l3", 0, 2**62),
        ("numa.3.cores.3.threads.1", 31, 8191),
    ],
)
def test_numbers_of_a_machine_have_limits(path: str, least: int, most: int) -> None:
    """Both ends are accepted, what lies beyond is not (16Gi of pages are in 32Gi of zone; 16Gi are left)."""
    for value in (least, most):
        node = copy.deepcopy(B | {"sockets": 4})
        _set(path, value)(node)
        assert machine_to_json(machine_from_json(node, "m")) == node
    for value in (least - 1, most + 1):
        node = copy.deepcopy(B | {"sockets": 4})
        _set(path, value)(node)
        with pytest.raises(BadObject):
            machine_from_json(node, "m")


def test_a_zone_may_be_empty() -> None:
    """No memory, no pages, no cores."""
    node = copy.deepcopy(E)
    node["numa"][2] |= {"memoryBytes": 0, "hugepages": {}}
    assert machine_from_json(node, "m").zones[2].memory_bytes == 0
    node["numa"][2]["memoryBytes"] = -1
    with pytest.raises(BadObject, match="memoryBytes: -1"):
        machine_from_json(node, "m")


@pytest.mark.parametrize(
    ("path", "good", "bad"),
    [
        ("reservedCPUCount", (0, 8192), (-1, 8193)),
        ("reservedMemory.0.numaNode", (0, 1023), (-1, 1024)),
        ("reservedMemory.0.limits.memory", ("0", 0), ("-1", -1)),
        ("cpuManagerPolicyOptions.full-pcpus-only", ("x" * 16384,), ("x" * 16385,)),
        (
            "reservedMemory",
            ([{"numaNode": 0, "limits": {}}] * 64,),
            ([{"numaNode": 0, "limits": {}}] * 65,),
        ),
        ("topologyManagerPolicyOptions", ({str(n): "" for n in range(64)},), ({str(n): "" for n in range(65)},)),
    ],
)
def test_limits_of_a_configuration(path: str, good: tuple[Any, ...], bad: tuple[Any, ...]) -> None:
    """Both ends are accepted, what lies beyond is not."""
    for values, accepted in ((good, True), (bad, False)):
        for value in values:
            settings = copy.deepcopy(CONFIG)
            _set(path, value)(settings)
            try:
                config_from_json(settings, "k")
            except BadObject:
                assert not accepted, value
            else:
                assert accepted, value


def test_many_zones_and_threads() -> None:
    """64 zones are read, and as many cores and threads as there can be CPUs."""
    wide = machine(1, 64, 1)
    assert len(machine_from_json(wide, "m").zones) == 64
    wide["numa"] = wide["numa"][:1]
    wide["numa"][0]["distances"] = []
    wide["numa"][0]["cores"] = [{"socket": 0, "l3": None, "threads": list(range(8192))}]
    assert len(machine_from_json(wide, "m").zones[0].cores[0].threads) == 8192
    wide["numa"][0]["cores"] = [{"socket": 0, "l3": None, "threads": [cpu]} for cpu in range(8192)]
    assert len(machine_from_json(wide, "m").zones[0].cores) == 8192


@pytest.mark.parametrize("value", [None, [], "x", 1, True, {1: 2}])
def test_not_an_object(value: object) -> None:
    """Whatever else JSON can be is refused."""
    with pytest.raises(BadObject):
        machine_from_json(value, "m")
    with pytest.raises(BadObject):
        config_from_json(value, "k")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_MACHINE_PATHS = ["sockets", "numa", *(f"numa.0.{k}" for k in ("id", "memoryBytes", "hugepages", "distances", "cores"))]
_MACHINE_PATHS += ["numa.0.cores.0", "numa.0.cores.0.threads", "numa.0.cores.0.socket", "numa.0.cores.0.l3"]


@settings(deadline=None)
@given(st.sampled_from(_MACHINE_PATHS), _JSON, st.sampled_from(sorted(CONFIG)), _JSON)
def test_hostile_annotations(path: str, value: Any, field: str, other: Any) -> None:
    """Anything anywhere: a twin, or BadObject; nothing else is ever raised."""
    node = copy.deepcopy(B)
    _set(path, value)(node)
    try:
        Kubelet(machine_from_json(node, "m"), config_from_json(CONFIG | {field: other}, "k")).counts()
    except BadObject as fault:
        assert str(fault)
