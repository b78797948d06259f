"""Where a VM's devices would be after a migration, by variants of one case from the field."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.field import FIELD, run

CASE = "r68-device-zone-of-target"
GPU = "nvidia.com/VGPU"


def targets(tmp_path: Path, devices: dict[str, tuple[int, int]], policy: str = "none") -> tuple[str, str, int]:
    """Outcome and text on g2, and the symmetric targets, with these devices in zones 0 and 1 of each node."""
    cluster: dict[str, Any] = json.loads((FIELD / CASE / "r68.json").read_text(encoding="utf-8"))
    for item in cluster["items"]:
        name = item["metadata"]["name"]
        if item["kind"] == "NodeResourceTopology":
            for zone, count in zip(item["zones"], devices[name], strict=True):
                zone["resources"] = [one for one in zone["resources"] if one["name"] != GPU]
                if count:
                    amounts = dict.fromkeys(("capacity", "allocatable", "available"), str(count))
                    zone["resources"].append({"name": GPU, **amounts})
        if item["kind"] == "NodeResourceTopology" and name == "g2":
            item["attributes"][0]["value"] = policy
        if item["kind"] == "Node" and name == "g2":
            annotations = item["metadata"]["annotations"]
            stated = json.loads(annotations["fastfit.dev/kubelet"])
            annotations["fastfit.dev/kubelet"] = json.dumps({**stated, "topologyManagerPolicy": policy})
    path = tmp_path / "cluster.json"
    path.write_text(json.dumps(cluster), encoding="utf-8")
    said = run(CASE, "targets", "--snapshot", str(path), "vms/vg")
    move = said.nodes()["g2"]["migration"]
    return move["outcome"], move["text"], said.answer["evacuable"]["symmetric"]


@pytest.mark.parametrize(
    ("devices", "policy", "outcome", "words", "symmetric"),
    [
        ({"g1": (2, 0), "g2": (2, 0)}, "none", "symmetric", "", 1),
        ({"g1": (2, 0), "g2": (2, 2)}, "none", "device zone open", "may be in zones 0 or 1", 0),
        ({"g1": (2, 0), "g2": (2, 2)}, "best-effort", "symmetric", "", 1),
        ({"g1": (2, 0), "g2": (0, 2)}, "best-effort", "symmetric", "", 1),
        ({"g1": (0, 2), "g2": (0, 2)}, "best-effort", "symmetric", "", 1),
        ({"g1": (2, 0), "g2": (0, 0)}, "none", "device zone open", "no zone is reported", 0),
        ({"g1": (0, 0), "g2": (0, 0)}, "none", "symmetric", "", 1),
        ({"g1": (0, 0), "g2": (0, 2)}, "none", "device in another zone", "is in zone 1 (distance 20)", 0),
    ],
    ids=["same", "both zones", "aligned", "follows", "other id", "not reported here", "nowhere reported", "not known"],
)
def test_devices_count_in_the_outcome(
    tmp_path: Path, devices: dict[str, tuple[int, int]], policy: str, outcome: str, words: str, symmetric: int
) -> None:
    """Symmetric only where every device certainly stays in the zone of its cell; the counts agree."""
    found = targets(tmp_path, devices, policy)
    assert found[0] == outcome
    assert words in found[1]
    assert found[2] == symmetric
