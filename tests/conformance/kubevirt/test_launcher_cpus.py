"""KubeVirt's launcher on the CPUs that KubeVirt's controller asks for."""

import pytest

from extender.kubevirt.guest.cpu_request import lacks_cpus, requested_cpus
from tests.conformance.kubevirt.test_oracle import scenario
from tests.kit.golden import size_of
from tests.kit.oracle.kubevirt.process import KubevirtOracle


@pytest.mark.parametrize(("vcpus", "pool"), [(7, 1), (7, 3), (8, 1), (7, 2), (8, 2), (9, 5)])
def test_an_odd_pool_and_an_odd_vm_never_start(vcpus: int, pool: int, kubevirt_oracle: KubevirtOracle) -> None:
    """With even parity the pool is counted twice in the request: the real launcher then lacks its second emulator CPU."""
    case = scenario("A")
    case["vm"] |= {"sockets": vcpus, "supplementalPoolThreadCount": pool, "evenParity": True}
    size = size_of(case["vm"])
    case["cpuset"] = f"2-{1 + requested_cpus(size)}"
    error = kubevirt_oracle.play(case)["observed"].get("error", "")
    assert error.startswith("no second CPU allocated") == (pool % 2 == 1 and vcpus % 2 == 1)
    assert bool(error) == lacks_cpus(size, requested_cpus(size))
