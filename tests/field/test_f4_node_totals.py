"""The kubelet's own sums: after its managers have allocated, it adds up what all pods of the node request."""

import pytest

from tests.kit.field import Said, run

CASE = "f4-node-totals"
_GI = 1 << 30


def admit(kubelet: str, pods: str) -> Said:
    return run(CASE, "admit", "--machine", "machine.json", "--kubelet", kubelet, "--pod", pods)


def test_pages_that_the_managers_do_not_count() -> None:
    """Memory Manager None: 16 of 36 pages are used, 32 asked. The managers admit the second pod, the sums do not."""
    said = admit("kubelet.yaml", "pods.json")
    one, two = said.answer["pods"]
    assert one["admit"]
    assert (two["admit"], two["reason"]) == (False, "OutOfhugepages-1Gi")
    numbers = f"requested: {32 * _GI}, used: {16 * _GI}, capacity: {36 * _GI}"
    assert two["message"] == f"Node didn't have enough resource: hugepages-1Gi, {numbers}"
    assert said.code == 1


def test_the_managers_had_given_it_cpus() -> None:
    """They ran before the sums: what the pod was given is told."""
    two = admit("kubelet.yaml", "pods.json").answer["pods"][1]
    assert two["steps"][-1]["step"] == "allocate"
    assert two["containers"]["compute"]["cpus"] == "5-8,37-40"


def test_memory() -> None:
    """192Gi less 36Gi of pages and the 100Mi of the default eviction threshold: 90 and 60Gi fit, 90 and 90Gi do not.

    A refused pod is in no later sum.
    """
    said = admit("kubelet.yaml", "memory-pods.json")
    assert [pod.get("reason") for pod in said.answer["pods"]] == [None, "OutOfmemory", None]
    assert said.answer["node"]["allocatable"]["memory"] == (192 - 36) * _GI - 100 * (1 << 20)


def test_reservations_of_the_kubelets_own_file() -> None:
    """kubeReserved, systemReserved, a threshold as a percentage, podsPerCore; reservedSystemCPUs wins over reserved CPUs."""
    allocatable = admit("reserved.yaml", "memory-pods.json").answer["node"]["allocatable"]
    assert allocatable["cpu"] == 62_000
    assert allocatable["pods"] == 64
    assert allocatable["memory"] == pytest.approx((192 - 36 - 3) * _GI - 0.1 * 192 * _GI, abs=1 << 10)


def test_number_of_pods() -> None:
    """maxPods 1: the second pod is out, and pods come before every other resource."""
    two = admit("one-pod.yaml", "pods.json").answer["pods"][1]
    assert (two["reason"], two["message"]) == (
        "OutOfpods",
        "Node didn't have enough resource: pods, requested: 1, used: 1, capacity: 1",
    )


def test_what_the_files_do_not_state_is_said() -> None:
    """The default number of pods, and what is not judged."""
    notes = admit("kubelet.yaml", "pods.json").answer["node"]["allocatableNotes"]
    assert any("maxPods" in note for note in notes)
    assert any("ephemeral-storage is not judged" in note for note in notes)


SHORT = {
    "t-memory": "OutOfmemory",
    "t-pods": "OutOfpods",
    "t-disk": "OutOfephemeral-storage",
    "t-kvm": "OutOfdevices.kubevirt.io/kvm",
    "t-cpu": "OutOfcpu",
}


@pytest.mark.parametrize("command", ["explain", "targets"])
@pytest.mark.parametrize("node", SHORT)
def test_no_room_in_total_is_no_fit(command: str, node: str) -> None:
    """Ordinary pods count too; an allocatable of zero is less than one device. The kubelet's reason is named."""
    shown = run(CASE, command, "--snapshot", "snapshot.json", "vms/grow").nodes()[node]
    assert (shown["verdict"], shown["code"], shown["score"]) == ("refused", "NodeResourcesShort", 0)
    assert f": {SHORT[node]}: Node didn't have enough resource: " in shown["text"]


@pytest.mark.parametrize("command", ["explain", "targets"])
def test_pods_that_are_over_use_nothing(command: str) -> None:
    """A Succeeded pod is in no sum; one of the nodes that are left has the 10."""
    said = run(CASE, command, "--snapshot", "snapshot.json", "vms/grow")
    fits = {name: node["score"] for name, node in said.nodes().items() if node["verdict"] == "fits" and name != "src"}
    assert set(fits) == {"t-ok", "t-done"}
    others = [node["score"] for node in said.nodes().values()]
    assert others.count(10) == 1


def test_the_count_of_targets_agrees() -> None:
    """Evacuable targets leave out nodes without room."""
    assert run(CASE, "targets", "--snapshot", "snapshot.json", "vms/grow").answer["evacuable"]["possible"] == 2


@pytest.mark.parametrize("command", ["explain", "targets"])
def test_what_is_not_judged_is_said(command: str) -> None:
    """In JSON and in the table."""
    said = run(CASE, command, "--snapshot", "snapshot.json", "vms/grow")
    assert "taints" in said.answer["notJudged"]
    table = run(CASE, command, "--snapshot", "snapshot.json", "vms/grow", output="table")
    assert "not judged: kube-scheduler's other filters" in table.text
    assert "OutOfmemory" in table.text


def test_admit_on_a_node_of_a_snapshot() -> None:
    """All pods of the node are in the sums, ordinary ones too; one that is gone is not."""
    node = ("--snapshot", "snapshot.json", "--node", "t-memory", "--pod", "pods.json")
    assert [pod.get("reason") for pod in run(CASE, "admit", *node).answer["pods"]] == ["OutOfmemory"] * 2
    gone = run(CASE, "admit", *node, "--remove", "infra/cache-0")
    assert [pod["admit"] for pod in gone.answer["pods"]] == [True, True]


def test_admit_and_an_extended_resource_without_devices() -> None:
    """An allocatable of zero; who refuses first where a device plugin has it is said."""
    said = run(CASE, "admit", "--snapshot", "snapshot.json", "--node", "t-kvm", "--pod", "pods.json")
    one = said.answer["pods"][0]
    assert one["reason"] == "OutOfdevices.kubevirt.io/kvm"
    assert "Device Manager" in one["rule"]
