"""Reading objects of which a field is not of its type."""

from typing import Any

import msgspec
import pytest

from extender.api.lenient import decode_leniently
from extender.api.objects import KubeVirt, Node, NodeResourceTopology, Pod

RATIO = "$.spec.configuration.liveUpdateConfiguration.maxHotplugRatio"


def kubevirt(**live: Any) -> dict[str, Any]:
    """An installation with these live update settings."""
    return {"metadata": {"name": "k"}, "spec": {"configuration": {"liveUpdateConfiguration": live}}}


def read(content: dict[str, Any], record: type[msgspec.Struct]) -> tuple[Any, tuple[str, ...], bool]:
    """The object as a file holds it."""
    return decode_leniently(msgspec.json.encode(content), msgspec.json.Decoder(record))


@pytest.mark.parametrize("ratio", [4.0, "4"])
def test_the_same_number_in_another_type(ratio: object) -> None:
    """It is taken, and told."""
    found, notes, left_out = read(kubevirt(maxHotplugRatio=ratio), KubeVirt)
    assert found.spec.configuration.live_update_configuration.max_hotplug_ratio == 4
    assert len(notes) == 1
    assert notes[0].startswith(RATIO)
    assert not left_out


@pytest.mark.parametrize("ratio", [1.5, "four", [4], {}])
def test_what_is_no_number_is_left_out(ratio: object) -> None:
    """The fields beside it are read."""
    found, notes, left_out = read(kubevirt(maxHotplugRatio=ratio, maxCpuSockets=8), KubeVirt)
    live = found.spec.configuration.live_update_configuration
    assert (live.max_hotplug_ratio, live.max_cpu_sockets) == (None, 8)
    assert notes[0].startswith(RATIO)
    assert left_out


def test_several_faults_in_one_object() -> None:
    """Each is told."""
    _, notes, _ = read(kubevirt(maxHotplugRatio="x", maxCpuSockets=2.0), KubeVirt)
    assert len(notes) == 2


def test_labels_and_amounts_become_text() -> None:
    """YAML reads `true` as a boolean; an amount that is none stays for its reader to name."""
    content = {
        "metadata": {"name": "n", "labels": {"a": True, "b": 1, "c": "x"}},
        "status": {"allocatable": {"cpu": None, "memory": "1Gi"}},
    }
    found, notes, left_out = read(content, Node)
    assert found.metadata.labels == {"a": "true", "b": "1", "c": "x"}
    assert found.status.allocatable == {"cpu": "null", "memory": "1Gi"}
    assert [note.partition(":")[0] for note in notes] == [
        "$.metadata.labels[a]",
        "$.metadata.labels[b]",
        "$.status.allocatable[cpu]",
    ]
    assert not left_out


def test_an_element_of_a_list_is_never_left_out() -> None:
    """A pod with a container less is another pod."""
    with pytest.raises(msgspec.ValidationError, match="containers"):
        read({"metadata": {"name": "p"}, "spec": {"containers": [7]}}, Pod)


def test_a_distance_that_is_no_number() -> None:
    """The zones are read, and that a field was left out is told."""
    zone = {"name": "node-0", "type": "Node", "costs": [{"name": "node-0", "value": "near"}]}
    found, notes, left_out = read({"metadata": {"name": "n"}, "zones": [zone]}, NodeResourceTopology)
    assert found.zones[0].name == "node-0"
    assert notes[0].startswith("$.zones[0].costs[0].value")
    assert left_out
