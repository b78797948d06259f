"""The minimiser, against differences that are known by construction."""

import json

from extender.kubelet.cpuset import bits, parse_cpus
from tests.conformance.kubevirt.generator import cases
from tests.conformance.kubevirt.minimise import minimise
from tests.conformance.kubevirt.replay import predict


def test_minimise() -> None:
    """A migration with all knobs shrinks to a boot of one vCPU with what the difference needs, and nothing else."""
    case = next(
        c for c in cases(3, 400) if "target" in c and c["vm"]["isolateEmulatorThread"] and c["vm"]["sockets"] > 3
    )
    smallest = minimise(case, lambda c: c["vm"]["isolateEmulatorThread"])
    assert "target" not in smallest
    assert smallest["vm"]["sockets"] == smallest["vm"]["cores"] == 1
    assert len(smallest["machine"]["numa"]) == sum(len(zone["cores"]) for zone in smallest["machine"]["numa"]) == 1
    assert smallest["vm"]["isolateEmulatorThread"]
    assert predict(smallest)["observed"]


def test_minimise_keeps_what_differs() -> None:
    """A difference that only a migration has keeps the migration, and its cpusets shrink."""
    case = next(c for c in cases(4, 400) if "target" in c and predict(c).get("libvirt", "").startswith("XML"))
    smallest = minimise(case, lambda c: predict(c).get("libvirt", "").startswith("XML"))
    assert predict(smallest)["libvirt"].startswith("XML")
    used = set(bits(parse_cpus(smallest["target"]["cpuset"], "cpuset")))
    for zone in smallest["target"]["machine"]["numa"]:
        assert used.intersection(cpu for core in zone["cores"] for cpu in core["threads"])
    assert len(json.dumps(smallest)) < len(json.dumps(case))
