"""Equal things are one object, whatever else happens they stay what they were, and nothing strange costs memory."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from extender.cache.interning import Interner
from extender.cache.nodes.facts import facts_of, statement_of
from extender.cache.nodes.labels import compact_labels
from extender.cache.nodes.nrt import read_nrt
from extender.cache.nodes.placement import CompactPlacement
from extender.cache.nodes.pools import Pool
from extender.cache.pods.pod import entry_of
from extender.kubelet.results import Admitted, Block, ContainerPlacement
from tests.kit.objects import KUBELET_A, machine, node, nrt, pod


def test_pods_of_one_shape_share_their_containers() -> None:
    """The demands differ in the pod alone."""
    first, second, other = (
        entry_of(pod(name, cpus, 4, node_name="a")) for name, cpus in (("x", 2), ("y", 2), ("z", 3))
    )
    assert first is not None and second is not None and other is not None
    assert first.demand.containers is second.demand.containers
    assert other.demand.containers is not first.demand.containers
    assert (first.demand.uid, second.demand.uid) == ("uid-x", "uid-y")


def test_quality_of_service_is_part_of_the_shape() -> None:
    """Equal containers of a Burstable pod hold no CPUs."""
    held = entry_of(pod("x", 2, 0, node_name="a"))
    burstable = pod("y", 2, 0, node_name="a")
    status = msgspec.structs.replace(burstable.status, qos_class="Burstable")
    assert held is not None
    assert entry_of(msgspec.structs.replace(burstable, status=status)) is None


def test_nodes_of_one_kind_share_their_facts_and_not_their_names() -> None:
    """Machine, configuration and words are one object; another label, annotation or report makes another kind."""
    first, second = (facts_of(statement_of(node(name, KUBELET_A, machine())), None, POOL) for name in ("a", "b"))
    assert (first.name, second.name) == ("a", "b")
    assert first.config is second.config
    assert first.facts is second.facts
    labelled = node("c", KUBELET_A, machine(), **{"kubevirt.io/schedulable": "false"})
    assert facts_of(statement_of(labelled), None, POOL).code != first.code
    reported = facts_of(statement_of(node("d")), read_nrt(nrt("d", [{"cpu": 14}, {"cpu": 16}])), POOL)
    other = facts_of(statement_of(node("e")), read_nrt(nrt("e", [{"cpu": 15}, {"cpu": 16}])), POOL)
    third = facts_of(statement_of(node("f")), read_nrt(nrt("f", [{"cpu": 14}], capacity=8)), POOL)
    assert reported.machine is other.machine
    assert third.machine != reported.machine


POOL = Pool()


def test_unreadable_facts_name_their_own_node() -> None:
    """What is said of one node's mistake is never said of another."""
    for name in ("a", "b"):
        broken = nrt(name, [{"cpu": 14}])
        zones = [msgspec.structs.replace(zone, resources=[BAD]) for zone in broken.zones or ()]
        facts = facts_of(statement_of(node(name)), read_nrt(msgspec.structs.replace(broken, zones=zones)), POOL)
        assert f"NodeResourceTopology {name}:" in facts.detail


BAD = (nrt("x", [{"cpu": 1}]).zones or [])[0].resources[0].__class__(name="cpu", capacity="many")  # type: ignore[index]


@given(
    st.dictionaries(
        st.sampled_from(
            ["a", "kubernetes.io/hostname", "cpu-feature.node.kubevirt.io/x", "feature.node.kubernetes.io/y", "b.io/c"]
        ),
        st.text(max_size=20),
    )
)
def test_labels_are_what_they_were(labels: dict[str, str]) -> None:
    """However they are kept, they read as the mapping that came."""
    compact = compact_labels(labels)
    assert dict(compact) == labels
    assert len(compact) == len(labels)
    assert compact == compact_labels(dict(labels))
    assert all(compact.get(key) == labels.get(key) for key in (*labels, "absent", "absent.node.kubevirt.io/z"))


def test_hardware_labels_are_shared() -> None:
    """Two hundred of them per node are the greater part of a Node."""
    hardware = {f"cpu-feature.node.kubevirt.io/f{number}": "true" for number in range(200)}
    first, second = (compact_labels({**hardware, "kubernetes.io/hostname": name}) for name in ("a", "b"))
    assert first != second
    assert first._hardware is second._hardware


PLACES = st.builds(
    ContainerPlacement,
    cpus=st.frozensets(st.integers(0, 300), max_size=8),
    memory=st.lists(
        st.builds(Block, st.sampled_from(["memory", "hugepages-1Gi"]), st.just((0, 1)), st.integers(1, 99)), max_size=2
    ).map(tuple),
    hint=st.none() | st.just((1,)) | st.just(()),
    preferred=st.booleans(),
    devices=st.dictionaries(st.just("x.io/d"), st.dictionaries(st.integers(0, 3), st.integers(1, 4), max_size=2)),
)


@given(st.dictionaries(st.sampled_from(["compute", "sidecar"]), PLACES, min_size=1))
def test_a_placement_comes_back_as_it_was(containers: dict[str, ContainerPlacement]) -> None:
    """The small form loses nothing."""
    assert CompactPlacement.of(Admitted(containers)).admitted() == Admitted(containers)


def test_what_is_remembered_is_bounded() -> None:
    """Values that are all different are not kept."""
    shared: Interner[int] = Interner(10)
    for number in range(1000):
        assert shared.intern(number) == number
    assert len(shared._seen) <= 10
