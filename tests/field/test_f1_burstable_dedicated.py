"""Dedicated CPUs in a pod that is not Guaranteed: virt-controller never hands the VM over, though its pod runs.

KubeVirt v1.9.0, pkg/virt-controller/watch/vmi/lifecycle.go: event and condition FailedGuaranteeResources once the pod is
ready. The pod gets no exclusive CPUs and keeps what it holds; so it is refused everywhere, with that reason.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from _fastfit.codes import Code
from extender.reasons import REASONS
from tests.kit.field import FIELD, Said, run

CASE = "f1-burstable-dedicated"
NEVER = ("refused", "NotGuaranteed")


def test_a_helper_without_equal_limits_keeps_the_vm_from_starting() -> None:
    """virtiofs asks for 10m of 100m: the pod is Burstable."""
    said = run(CASE, "explain", "--snapshot", "snapshot.json", "vms/vf")
    assert set(said.verdicts().values()) == {NEVER}
    assert all(node["text"] == REASONS[Code.NotGuaranteed].text for node in said.nodes().values())
    text = run(CASE, "explain", "--snapshot", "snapshot.json", "vms/vf", output="table").text
    assert "FailedGuaranteeResources" in text
    assert "ordinary" not in text


def changed(tmp_path: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Said:
    """The case after a change of its pod and VMI."""
    content: dict[str, Any] = json.loads((FIELD / CASE / "snapshot.json").read_text())
    [pod] = [item for item in content["items"] if item["kind"] == "Pod"]
    [vmi] = [item for item in content["items"] if item["kind"] == "VirtualMachineInstance"]
    change(pod, vmi)
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps(content))
    return run(CASE, "explain", "--snapshot", str(path), "vms/virt-launcher-vf-abcde")


def equal_helper(pod: dict[str, Any], _vmi: dict[str, Any]) -> None:
    """As KubeVirt renders it for such a VM."""
    pod["spec"]["containers"][1]["resources"]["requests"] = {"cpu": "100m", "memory": "80M"}
    pod["status"]["qosClass"] = "Guaranteed"


def injected(pod: dict[str, Any], vmi: dict[str, Any]) -> None:
    """A sidecar that a webhook adds, without limits."""
    equal_helper(pod, vmi)
    sidecar = {"name": "istio-proxy", "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}}}
    pod["spec"]["containers"].append(sidecar)
    pod["status"]["qosClass"] = "Burstable"


def class_not_stated(pod: dict[str, Any], _vmi: dict[str, Any]) -> None:
    """It follows from the containers."""
    del pod["status"]["qosClass"]


def memory_limit_missing(pod: dict[str, Any], vmi: dict[str, Any]) -> None:
    """A LimitRange that sets requests alone."""
    equal_helper(pod, vmi)
    del pod["spec"]["initContainers"][0]["resources"]["limits"]["memory"]
    del pod["status"]["qosClass"]


def hook_without_resources(pod: dict[str, Any], vmi: dict[str, Any]) -> None:
    """A hook sidecar that nobody gave limits."""
    equal_helper(pod, vmi)
    pod["spec"]["containers"].append({"name": "hook-sidecar-0", "resources": {}})
    del pod["status"]["qosClass"]


@pytest.mark.parametrize("change", [injected, class_not_stated, memory_limit_missing, hook_without_resources])
def test_whatever_breaks_the_class_keeps_the_vm_from_starting(tmp_path: Path, change: Any) -> None:
    """Whoever put the container there."""
    assert set(changed(tmp_path, change).verdicts().values()) == {NEVER}


def fraction(pod: dict[str, Any], vmi: dict[str, Any]) -> None:
    """`compute` with four and a half CPUs: Guaranteed, and none of them is exclusive."""
    equal_helper(pod, vmi)
    for amounts in pod["spec"]["containers"][0]["resources"].values():
        amounts["cpu"] = "4500m"


def target(pod: dict[str, Any], vmi: dict[str, Any]) -> None:
    """A migration's target: virt-controller hands it over whatever its class."""
    hook_without_resources(pod, vmi)
    pod["metadata"]["labels"]["kubevirt.io/migrationJobUID"] = "e3c8a9f0"
    pod["metadata"]["annotations"]["kubevirt.io/migrationJobName"] = "move"


@pytest.mark.parametrize("change", [fraction, target])
def test_a_pod_without_cpus_of_its_own_is_no_ordinary_vm(tmp_path: Path, change: Any) -> None:
    """The launcher pins vCPUs to CPUs that others use too; which, and in which zones, is not known."""
    said = changed(tmp_path, change)
    assert set(said.verdicts().values()) == {("unknown", "NoExclusiveCpus")}
    assert not any("ordinary" in note for note in said.answer["notes"])


def test_a_policy_that_ignores_the_guest_leaves_a_target_to_the_kubelet(tmp_path: Path) -> None:
    """fastfit.dev/migration: off."""

    def ignored(pod: dict[str, Any], vmi: dict[str, Any]) -> None:
        target(pod, vmi)
        pod["metadata"]["annotations"]["fastfit.dev/migration"] = "off"

    assert set(changed(tmp_path, ignored).verdicts().values()) == {("fits", "Fits")}


def not_dedicated(pod: dict[str, Any], vmi: dict[str, Any]) -> None:
    """The same pod of a VM that asks for no CPUs of its own."""
    vmi["spec"]["domain"]["cpu"]["dedicatedCpuPlacement"] = False
    del pod["spec"]["nodeSelector"]["kubevirt.io/cpumanager"]


@pytest.mark.parametrize("change", [equal_helper, not_dedicated])
def test_a_vm_that_starts_is_not_refused_for_it(tmp_path: Path, change: Any) -> None:
    """Guaranteed, or nothing dedicated."""
    assert set(changed(tmp_path, change).verdicts().values()) == {("fits", "Fits")}
