"""Hypothesis strategies: rows as nodes really are and as they never should be, and asks for them."""

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from _fastfit import Ask, CellsAsk, Code, ContainerAsk, Mode, OnUnknown, Policy, Row, Scope, ZoneRow
from _fastfit.codes import pack_actions
from tests.kit.kernel.rows import GI, GPU, PAGES

__all__ = ["asks", "rows", "wild_rows"]

MEMORY_NAMES = ("memory", PAGES, "hugepages-2Mi")
_rarely = st.sampled_from([False, False, False, True])
_mostly = st.sampled_from([True, True, True, False])


@st.composite
def _zones(draw: Any, count: int, threads: int) -> tuple[ZoneRow, ...]:
    per_socket = draw(st.sampled_from([1, 1, 2, 4, count]))
    shared_group = draw(st.integers(0, (1 << count) - 1)) if draw(_rarely) else 0
    pages_known = draw(_mostly)
    open_pages = draw(_rarely)
    listed = MEMORY_NAMES[: draw(st.integers(1, 3))]
    zones = []
    for position in range(count):
        total = threads * draw(st.sampled_from([0, 2, 4, 4, 8]))
        free = draw(st.integers(0, total)) if draw(st.booleans()) else total
        allocatable = {name: draw(st.sampled_from([0, 4, 8, 8, 16])) * GI for name in listed}
        grouped = shared_group.bit_count() > 1 and shared_group >> position & 1
        certain = {PAGES: draw(st.integers(0, 8)) * GI} if pages_known else None
        most = {PAGES: certain[PAGES] + draw(st.integers(0, 8)) * GI} if certain is not None and open_pages else None
        zones.append(
            ZoneRow(
                id=position,
                socket=position // per_socket,
                cpu_total=total,
                cpu_free=free,
                cores_free=draw(st.integers(0, free // threads)) if draw(_rarely) else free // threads,
                cpu_reserved=draw(st.sampled_from([0, 0, threads])),
                memory_allocatable=allocatable,
                memory_free={
                    name: draw(st.integers(0, top // GI)) * GI if draw(st.booleans()) else top
                    for name, top in allocatable.items()
                },
                blocks=1 if grouped else draw(st.sampled_from([0, 0, 1, 2])),
                group=shared_group if grouped else draw(st.sampled_from([0, 1 << position])),
                pages_free=certain,
                pages_most=most,
                device_total={GPU: draw(st.integers(0, 2))} if draw(st.booleans()) else {},
                device_free={GPU: draw(st.integers(0, 2))},
            )
        )
    return tuple(zones)


@st.composite
def rows(draw: Any, name: str = "n", most: int = 8) -> Row:
    """A node of 1 to `most` zones with any policy, scope and options."""
    count = draw(st.integers(1, most))
    threads = draw(st.sampled_from([1, 2, 2, 4]))
    zones = draw(_zones(count, threads))
    free = sum(zone.cpu_free for zone in zones)
    far = draw(st.lists(st.sampled_from([11, 12, 21, 32]), min_size=count * count, max_size=count * count))
    table = tuple(
        tuple(10 if one == other else far[min(one, other) * count + max(one, other)] for other in range(count))
        for one in range(count)
    )
    return Row(
        name=name,
        zones=zones,
        distances=table if draw(_mostly) else (),
        policy=draw(st.sampled_from(Policy)),
        scope=draw(st.sampled_from(Scope)),
        prefer_closest=draw(_rarely),
        cpu_static=draw(_mostly),
        cpu_policy_known=draw(_mostly),
        memory_static=draw(st.booleans()),
        memory_open=draw(_rarely),
        full_pcpus_only=draw(_rarely),
        align_by_socket=draw(_rarely),
        spread=draw(_rarely),
        distribute=draw(_rarely),
        uncore=draw(_rarely),
        uneven=draw(_rarely),
        devices_every_zone=draw(st.booleans()),
        threads_per_core=threads,
        physical_free=draw(st.integers(0, free)) if draw(_rarely) else free,
        page_sizes=frozenset({PAGES, "hugepages-2Mi"}) if draw(_mostly) else frozenset({PAGES}),
        pages_together={PAGES: draw(st.integers(0, 40)) * GI} if draw(_rarely) else {},
        node_code=draw(st.sampled_from([Code.Fits] * 8 + [Code.PolicyNotKnown, Code.NotSchedulable])),
        mode=draw(st.sampled_from([Mode.ENFORCE, Mode.ENFORCE, Mode.SCORE, Mode.OBSERVE])),
        actions=pack_actions(lambda _: draw(st.sampled_from(OnUnknown))),
    )


@st.composite
def wild_rows(draw: Any, name: str = "n") -> Row:
    """A row that no node can be: amounts negative, huge or contradictory, up to 34 zones, groups of missing zones."""
    row: Row = draw(rows(name=name))
    number = st.sampled_from([-(1 << 70), -1, 0, 1, 3, 1 << 20, 1 << 62, 1 << 80])
    zones = [
        replace(
            zone,
            cpu_total=draw(number) if draw(_rarely) else zone.cpu_total,
            cpu_free=draw(number) if draw(_rarely) else zone.cpu_free,
            cores_free=draw(number) if draw(_rarely) else zone.cores_free,
            cpu_reserved=draw(number) if draw(_rarely) else zone.cpu_reserved,
            socket=draw(number) if draw(_rarely) else zone.socket,
            blocks=draw(number) if draw(_rarely) else zone.blocks,
            group=draw(number) if draw(_rarely) else zone.group,
            memory_free={"memory": draw(number)} if draw(_rarely) else zone.memory_free,
            pages_free={PAGES: draw(number)} if draw(_rarely) else zone.pages_free,
            pages_most={PAGES: draw(number)} if draw(_rarely) else zone.pages_most,
            device_free={GPU: draw(number)} if draw(_rarely) else zone.device_free,
        )
        for zone in row.zones
    ]
    if draw(_rarely):
        zones = (zones * 34)[: draw(st.integers(9, 18) | st.integers(30, 34))]
        row = replace(row, policy=Policy.NONE, distances=())
    return replace(
        row,
        zones=tuple(zones),
        threads_per_core=draw(number) if draw(_rarely) else row.threads_per_core,
        physical_free=draw(number) if draw(_rarely) else row.physical_free,
        pages_together={PAGES: draw(number)} if draw(_rarely) else row.pages_together,
    )


@st.composite
def _boots(draw: Any, guest: int) -> tuple[tuple[int, int], ...]:
    """Cells that a moving guest may have got at its boot; none: not known."""
    count = draw(st.integers(0, 4))
    return tuple((draw(st.integers(1, 8)), guest // count) for _ in range(count))


@st.composite
def asks(draw: Any) -> Ask:
    """A pod of one to four containers in kubelet order, some with guest NUMA passthrough."""
    inits = draw(st.lists(st.sampled_from([0, 1, 1]), max_size=2))
    apps = draw(st.lists(st.just(2), min_size=1, max_size=2))
    parts = []
    for kind in inits + apps:
        memory = {"memory": draw(st.sampled_from([1, 16, 64, 144])) * GI // 16}
        if draw(st.booleans()):
            memory[PAGES] = draw(st.sampled_from([1, 4, 9, 20])) * GI
        if draw(_rarely):
            memory["hugepages-2Mi"] = 2 * GI
        devices = ((GPU, draw(st.integers(0, 2))),) if draw(_rarely) else ()
        parts.append(
            ContainerAsk(
                kind=kind,
                cpus=draw(st.sampled_from([0, 1, 2, 2, 3, 4, 5, 6, 8, 9, 12, 16, 17])),
                memory=tuple(sorted(memory.items())) if draw(_mostly) else (),
                devices=devices,
            )
        )
    cells = None
    if draw(_rarely):
        threads = draw(st.sampled_from([1, 2]))
        cores = max(1, (parts[-1].cpus - draw(st.integers(0, 2))) // threads)
        guest = draw(st.integers(1, 9)) * GI + draw(st.sampled_from([0, 0, 1]))
        cells = CellsAsk(len(parts) - 1, cores, threads, PAGES, GI, guest)
        if draw(st.booleans()):
            cells = replace(
                cells,
                moving=draw(st.integers(1, cores)),
                boot=draw(_boots(guest)),
                symmetric_only=draw(_rarely),
            )
        elif draw(st.booleans()):
            # a restart; half of the time after a layout that this guest can get again
            half = cores * threads // 2
            again = draw(st.sampled_from([(), (cores * threads,), (half, cores * threads - half)]))
            cells = replace(cells, boot=tuple((max(1, vcpus), GI) for vcpus in again))
        if draw(st.booleans()):
            parts[-1] = replace(parts[-1], devices=((GPU, draw(st.integers(1, 3))),))
            cells = replace(cells, strict=(GPU,))
    loose = ((PAGES, draw(st.integers(0, 20)) * GI),) if draw(_rarely) else ()
    return Ask(tuple(parts), dedicated=draw(st.booleans()), cells=cells, pages=loose)
