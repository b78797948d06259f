"""libvirt accepts every domain that the guest model calls accepted, refuses every other one, and reads what was meant."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any, Final

import pytest

from extender.kubelet.facts_json import machine_from_json
from extender.kubevirt.guest.boot import boot
from extender.kubevirt.guest.domain import Cell, Domain
from extender.kubevirt.guest.size import GuestSize
from extender.kubevirt.migration.target_domain import MEMNODE_REFUSAL, libvirt_refusal, migrate
from tests.conformance.kubevirt import generator
from tests.kit.fresh_runs import fresh_run, seed_of_run
from tests.kit.golden import KUBEVIRT as GOLDEN
from tests.kit.golden import cases, cpus_of, size_of
from tests.kit.libvirt.domain_xml import domain_xml, read_back, said
from tests.kit.libvirt.fixtures import Judge

#: Fresh cases per run, boots and migrations by halves.
FRESH: Final = 2000
GI: Final = 1 << 30


def domains(case: Mapping[str, Any]) -> Iterator[tuple[Domain, GuestSize]]:
    """The domains of a case that reach libvirt: of the boot, and of the target after its hook."""
    size = size_of(dict(case["vm"]))
    source = case.get("source", case)
    at_boot = case.get("boot", {})
    boot_size = replace(size, sockets=at_boot.get("sockets", size.sockets))
    running = boot(machine_from_json(source["machine"], "machine"), cpus_of(source["cpuset"]), boot_size)
    if not isinstance(running, Domain):
        return
    yield running, boot_size
    if "target" in case:
        host = machine_from_json(case["target"]["machine"], "machine")
        cpus = cpus_of(case["target"]["cpuset"])
        moved = migrate(running, host, cpus, size, enabled_sockets=at_boot.get("enabledSockets"))
        if isinstance(moved, Domain):
            yield moved, size


def judged(judge: Judge, asked: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Ask libvirt about all domains; how many it accepted and refused, each as predicted."""
    made = [(case["name"], domain, size) for case in asked for domain, size in domains(case)]
    answers = judge(domain_xml(domain, size) for _, domain, size in made)
    assert len(answers) == len(made)
    seen: Counter[str] = Counter()
    for (name, domain, _), answer in zip(made, answers, strict=True):
        refusal = libvirt_refusal(domain)
        assert answer.get("error") == refusal, name
        assert (len(domain.memnodes) > len(domain.cells)) == (refusal is not None), name
        if refusal is None:
            assert read_back(answer["xml"]) == said(domain), name
        seen["refused" if refusal else "accepted"] += 1
    return seen


def test_recorded_cases(libvirt_judge: Judge) -> None:
    """Every domain of the golden boots and migrations: T > S refused with the memnode error, T <= S accepted."""
    recorded = chain.from_iterable(cases(path) for path in sorted(GOLDEN.glob("*.jsonl.gz")))
    seen = judged(libvirt_judge, (case for _, case in recorded))
    assert seen == {"accepted": 7071, "refused": 341}


def test_fresh_cases(libvirt_judge: Judge, request: pytest.FixtureRequest) -> None:
    """The same for cases that nobody has seen before. FASTFIT_SEED replays a run."""
    seed = seed_of_run()
    with fresh_run(request, f"domains for libvirt: FASTFIT_SEED={seed}, {FRESH} cases", seed) as findings:
        seen = judged(libvirt_judge, generator.cases(seed, FRESH))
        findings.outcome = f"{seen['accepted']} accepted, {seen['refused']} refused, all as predicted"
    assert seen["accepted"] > FRESH // 2
    assert seen["refused"] > 0


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('<memnode cellid="0"', '<memnode cellid="1"', MEMNODE_REFUSAL),
        ('cpus="0-7"', 'cpus="0-9"', "Number of CPUs in <numa> exceeds the <vcpu> count"),
    ],
)
def test_libvirt_reads_the_elements(libvirt_judge: Judge, right: str, wrong: str, message: str) -> None:
    """The judge can refuse: one wrong cell, or one vCPU too many, in a document that it accepts otherwise."""
    size = GuestSize(sockets=8, memory_bytes=16 * GI, page_bytes=GI, passthrough=True)
    domain = Domain(
        vcpus=8,
        max_vcpus=8,
        pins=tuple(range(8)),
        pin_zones=(0,) * 8,
        cells=(Cell(0, tuple(range(8)), 16 * GI),),
        nodeset=(0,),
        memnodes=(0,),
        cell_page_bytes=GI,
    )
    document = domain_xml(domain, size)
    accepted, refused = libvirt_judge([document, document.replace(right, wrong)])
    assert read_back(accepted["xml"]) == said(domain)
    assert message in refused["error"]
