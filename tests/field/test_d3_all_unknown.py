"""Nothing tells the zones of any node: kube-scheduler's own scores decide."""

import json
from typing import Any

from extender.cli.cluster import cluster_of
from extender.runtime.settings import settings_for
from extender.snapshot import read
from extender.verbs.service import Verbs
from tests.kit.field import FIELD, run
from tests.kit.verbs import make_verbs

CASE = "d3-all-unknown"


def verbs_of() -> Verbs:
    """What `serve --snapshot pile.json` answers with."""
    seen = read(FIELD / CASE / "pile.json")
    return make_verbs(cluster_of(seen, settings_for(None, seen)))


def call(uid: str = "", cpus: str = "") -> tuple[dict[str, Any], list[str]]:
    """The arguments of a call, and the nodes in it."""
    asked = json.loads((FIELD / CASE / "pile_args.json").read_text())
    asked["Pod"]["metadata"]["uid"] = uid or asked["Pod"]["metadata"]["uid"]
    if cpus:
        for amounts in asked["Pod"]["spec"]["containers"][0]["resources"].values():
            amounts["cpu"] = cpus
    return asked, asked["NodeNames"]


def test_explain_says_who_decides() -> None:
    """The guide's own cluster: two workers, no score for either, one line that says why."""
    said = run(CASE, "explain", "--snapshot", "guide_a.json", "vms/numa-vm")
    assert {name: (node["verdict"], node["score"]) for name, node in said.nodes().items()} == {
        "w1": ("unknown", 0),
        "w2": ("unknown", 0),
    }
    assert [note for note in said.answer["notes"] if "kube-scheduler's own scores decide" in note]
    assert (
        "kube-scheduler's own scores decide"
        in run(CASE, "explain", "--snapshot", "guide_a.json", "vms/numa-vm", output="table").text
    )


def test_no_node_gets_a_score() -> None:
    """Every node stays in the answer of filter, and prioritize prefers none; nothing is charged."""
    verbs = verbs_of()
    asked, nodes = call()
    body = json.dumps(asked).encode()
    assert json.loads(verbs.filter(body, 0.0).body)["NodeNames"] == nodes
    assert json.loads(verbs.prioritize(body, 0.0).body) == []
    assert not verbs.context.decider.cluster.assumed


def test_vms_of_odd_sizes_do_not_wait_for_each_other() -> None:
    """Whether full-pcpus-only is on is not known; still no pod has to wait until another was tried."""
    verbs = verbs_of()
    for number in range(20):
        asked, nodes = call(f"odd-{number}", "9")
        assert json.loads(verbs.filter(json.dumps(asked).encode(), 0.0).body)["NodeNames"] == nodes
