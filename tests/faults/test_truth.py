"""The judge and the witness themselves: what they let pass has been looked at."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from extender.cache.cluster import Cluster
from extender.cache.events import Source
from extender.kubelet.results import Admitted
from extender.watch.kinds import KINDS
from extender.watch.status import State
from tests.faults.cluster_objects import Object, body, filled, vm
from tests.faults.scene import scene
from tests.faults.truth import differences, differences_of_process, fresh
from tests.kit.fakeapi import FakeApi, run
from tests.kit.verbs import make_verbs

Lists = dict[Source, list[Object]]


def lists_of(api: FakeApi) -> Lists:
    """As a list of now shows them."""
    return {source: api.store.fresh(kind.resource.plural, kind.field_selector) for source, kind in KINDS.items()}


def lose(cluster: Cluster, _: Lists) -> None:
    cluster._end_pods(["uid-a1"])


def lose_from_ledger(cluster: Cluster, _: Lists) -> None:
    cluster.nodes["n1"].ledger.end("uid-a1")


def haunt(_: Cluster, lists: Lists) -> None:
    lists[Source.PODS] = [pod for pod in lists[Source.PODS] if pod["metadata"]["name"] != "b2"]


def miss_a_node(_: Cluster, lists: Lists) -> None:
    lists[Source.NODES][0]["metadata"]["annotations"]["fastfit.dev/machine"] = "{}"


def miss_a_report(cluster: Cluster, _: Lists) -> None:
    cluster._set_nrt("r1", None)


def miss_a_vm(cluster: Cluster, _: Lists) -> None:
    cluster._set_vm("vmi-a1", None)


def miss_a_migration(_: Cluster, lists: Lists) -> None:
    lists[Source.MIGRATIONS] = []


def charge_two_nodes(cluster: Cluster, _: Lists) -> None:
    cluster.nodes["n2"].ledger.assume(cluster.pods["uid-a1"])


def keep_a_promise_of_a_bound_pod(cluster: Cluster, _: Lists) -> None:
    cluster.assumed._placements["uid-a1"] = cluster.assumed["uid-w1"]


def give_a_cpu_twice(cluster: Cluster, _: Lists) -> None:
    answers = cluster.nodes["n1"].ledger._answers
    assert isinstance(cluster.nodes["n1"].ledger.answer("uid-a1"), Admitted)
    answers["uid-a2"] = answers["uid-a1"]


def overbook(cluster: Cluster, lists: Lists) -> None:
    lists[Source.PODS] += [vm(f"more-{number}", 50 + number, "n1") for number in range(4)]
    for uid, entry in fresh(lists, cluster).pods.items():
        if uid not in cluster.pods:
            cluster._bind(entry, listed=False)


def leave_a_row_behind(cluster: Cluster, _: Lists) -> None:
    cluster.nodes["n1"].row = cluster.nodes["n2"].row


def leave_the_table_behind(cluster: Cluster, _: Lists) -> None:
    cluster.table.drop("n1")


WRONGS: dict[Callable[[Cluster, Lists], None], str] = {
    lose: "only the list has ['uid-a1']",
    lose_from_ledger: "its ledger does not hold it",
    haunt: "only we have ['uid-b2']",
    miss_a_node: "nodes: ",
    miss_a_report: "noderesourcetopologies: ",
    miss_a_vm: "virtualmachineinstances: ",
    miss_a_migration: "virtualmachineinstancemigrations: ",
    charge_two_nodes: "is charged 2 times",
    keep_a_promise_of_a_bound_pod: "bound and still promised",
    give_a_cpu_twice: "is given to",
    overbook: "others have its place",
    leave_a_row_behind: "row of n1",
    leave_the_table_behind: "the table has",
}


def picture() -> tuple[Cluster, Lists]:
    """A true picture with two promises, and the lists that it is made of."""
    lists = lists_of(filled(FakeApi()))
    cluster = fresh(lists, Cluster())
    verbs = make_verbs(cluster)
    for name in ("w1", "w2"):
        pod = next(pod for pod in lists[Source.PODS] if pod["metadata"]["name"] == name)
        verbs.filter(body(pod, ["n1", "n2"]), 1.0)
    assert len(cluster.assumed) == 2
    return cluster, lists


@pytest.mark.parametrize("wrong", WRONGS, ids=lambda wrong: wrong.__name__)
def test_the_judge_finds_each_wrong(wrong: Callable[[Cluster, Lists], None]) -> None:
    """A true picture passes; with one thing wrong in it, that is what is said."""
    cluster, lists = picture()
    assert differences(cluster, lists) == []
    wrong(cluster, lists)
    assert WRONGS[wrong] in "\n".join(differences(cluster, lists))


def test_the_judge_finds_a_process_that_answers_otherwise() -> None:
    """One that lost a pod, and one that only counts wrong."""
    _, lists = picture()

    def found_in(known: Lists) -> list[str]:
        cluster = fresh(known, Cluster())
        verbs = make_verbs(cluster)
        return differences_of_process(
            lambda verb, text: getattr(verbs, verb)(text, 0.0).body, cluster.tracked_pods(), lists
        )

    assert found_in(lists) == []
    found = found_in({**lists, Source.PODS: lists[Source.PODS][1:]})
    assert "5 pods are charged, 6 hold something" in found
    assert any("CPUs on n1" in line for line in found)


@pytest.mark.parametrize("lie", ["live", "ready"])
def test_the_witness_hears_each_lie(lie: str) -> None:
    """A source that claims to be live and young while it is behind; a service that is ready with an old picture."""

    async def main() -> None:
        async with scene() as (it, witness):
            await it.api.stop()
            it.api.put("nodes", {"metadata": {"name": "later"}})
            statuses = it.watcher.status
            if lie == "live":
                it.watcher.status = lambda: [replace(each, state=State.LIVE, age_seconds=0.0) for each in statuses()]
            else:
                it.service.sources = list
            await asyncio.sleep(200)
            assert lie in " ".join(witness.lies)
            witness._lies.clear()
            witness.looking = False

    run(main())
