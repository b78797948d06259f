"""`fastfit targets` as a user types it, over the bundled sample and over a cluster of one VM."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from extender.cli import program
from extender.cli.exits import Exit
from extender.sample.generate import CLUSTER

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs `fastfit targets ARGS` far from any cluster."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    def call(*args: object) -> Result:
        return CliRunner().invoke(program, ["targets", *map(str, args)], prog_name="fastfit")

    return call


def changed(tmp_path: Path, name: str, change: Callable[[dict[str, Any]], None]) -> Path:
    """The sample with one VMI changed."""
    cluster = orjson.loads(CLUSTER.read_bytes())
    items = cluster["items"]
    change(
        next(item for item in items if item["kind"] == "VirtualMachineInstance" and item["metadata"]["name"] == name)
    )
    path = tmp_path / "cluster.json"
    path.write_bytes(orjson.dumps(cluster))
    return path


def test_every_node_has_an_outcome(run: Run) -> None:
    """The source node, symmetric targets and certain failures, with cells then and now, pages and the arithmetic."""
    result = run("--snapshot", CLUSTER, "vms/ledger-2")
    assert result.exit_code == Exit.OK, result.output
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line and not line.startswith(" ")}
    assert "guest cells since its boot: 8 vCPUs with 16Gi" in result.stdout
    assert "source node" in lines["xeon-2"]
    assert "symmetric" in lines["xeon-1"] and "1:96x1Gi" in lines["xeon-1"] and "100%" in lines["xeon-1"]
    assert "more cells" in lines["xeon-3"] and "0:3 1:5" in lines["xeon-3"]
    assert "1 cell of 8 vCPUs then, 3+5 vCPUs on zones 0,1 now" in lines["xeon-3"]
    assert "kubelet refuses" in lines["plain-1"]
    assert "evacuable targets now: 4 symmetric, 4 possible (counted 0 s ago)" in result.stdout


def test_json(run: Run) -> None:
    """The same for programs: the answer of `explain` for the target that KubeVirt would make, with the outcome."""
    result = run("--snapshot", CLUSTER, "-n", "vms", "shard-3", "-o", "json")
    assert result.exit_code == Exit.OK, result.output
    answer = orjson.loads(result.stdout)
    assert answer["role"] == "live-migration target"
    nodes = {node["node"]: node for node in answer["nodes"]}
    assert nodes["epyc-1"]["migration"]["outcome"] == "source node"
    assert nodes["epyc-2"]["migration"]["cellsThen"] == [16]
    assert nodes["epyc-2"]["migration"]["cellsNow"] == [15, 1]
    assert nodes["epyc-2"]["code"] == "MoreZonesThanCells"
    fitting = sum(node["verdict"] == "fits" for name, node in nodes.items() if name != "epyc-1")
    assert answer["evacuable"] == {"possible": fitting, "symmetric": fitting, "ageSeconds": 0.0, "immovable": ""}


def test_a_guest_without_numa(run: Run) -> None:
    """A dedicated VM without passthrough, and an ordinary one: no outcome is NUMA's business."""
    for vm in ("ledger-3", "mail-1"):
        result = run("--snapshot", CLUSTER, vm)
        assert result.exit_code == Exit.OK, result.output
        assert "not NUMA's business" in result.stdout
        assert "more cells" not in result.stdout


def test_nothing_to_migrate(run: Run) -> None:
    """A VM that waits for its first node, or that is not there, is an error with what there is instead."""
    result = run("--snapshot", CLUSTER, "frontdesk")
    assert result.exit_code == Exit.USAGE
    assert "frontdesk" in result.stderr


@pytest.mark.parametrize(
    ("maximum", "instancetype", "words"),
    [
        (8, "", "CPU hotplug is off: maxSockets equals sockets (by the VM or the cluster-wide maxHotplugRatio 1)"),
        (8, "cx1", "by its instance type cx1, the VM or"),
        (32, "", "CPU hotplug is on: up to 32 vCPUs; switch it off with"),
        (None, "", "CPU hotplug is off: no maxSockets is set"),
    ],
)
def test_hotplug_is_said_and_never_demanded(
    run: Run, tmp_path: Path, maximum: int | None, instancetype: str, words: str
) -> None:
    """The ways to switch CPU hotplug off are told; maxSockets changes no demand."""

    def change(vmi: dict[str, Any]) -> None:
        cpu = vmi["spec"]["domain"]["cpu"]
        cpu.pop("maxSockets", None)
        if maximum is not None:
            cpu["maxSockets"] = maximum

    path = changed(tmp_path, "ledger-2", change)
    cluster = orjson.loads(path.read_bytes())
    for item in cluster["items"]:
        if item["kind"] == "Pod" and "ledger-2" in item["metadata"]["name"]:
            item["metadata"]["annotations"].pop("kubevirt.io/cluster-instancetype-name", None)
            if instancetype:
                item["metadata"]["annotations"]["kubevirt.io/cluster-instancetype-name"] = instancetype
    path.write_bytes(orjson.dumps(cluster))
    result = run("--snapshot", path, "ledger-2")
    assert result.exit_code == Exit.OK, result.output
    assert words in result.stdout
    assert "9 exclusive CPUs" in result.stdout


def test_a_hotplug_migration_asks_for_the_new_size(run: Run, tmp_path: Path) -> None:
    """8 vCPUs run, the spec says 12: the target asks for 13 CPUs and 32Mi more, cells are judged by the 8."""

    def change(vmi: dict[str, Any]) -> None:
        vmi["spec"]["domain"]["cpu"].update(sockets=12, maxSockets=32)
        vmi["status"]["currentCPUTopology"] = {"sockets": 8, "cores": 1, "threads": 1}

    result = run("--snapshot", changed(tmp_path, "ledger-2", change), "ledger-2")
    assert result.exit_code == Exit.OK, result.output
    assert "13 exclusive CPUs, 16Gi hugepages-1Gi, 476Mi memory" in result.stdout
    assert "hotplug in progress: 8 vCPUs run, the target is made for 12" in result.stdout
    xeon = next(line for line in result.stdout.splitlines() if line.startswith("xeon-1"))
    assert "symmetric" in xeon and "1:8" in xeon


def test_a_vm_that_cannot_migrate(run: Run, tmp_path: Path) -> None:
    """A host device keeps the VM where it is: no node is blamed for its NUMA, and the exit code says that none will do."""

    def change(vmi: dict[str, Any]) -> None:
        vmi["spec"]["domain"].setdefault("devices", {})["hostDevices"] = [
            {"name": "d", "deviceName": "example.com/nic"}
        ]
        vmi["status"].pop("conditions", None)

    result = run("--snapshot", changed(tmp_path, "ledger-2", change), "ledger-2")
    assert result.exit_code == Exit.NO, result.output
    assert "it cannot migrate live at all, which is not NUMA's business: host devices cannot migrate" in result.stdout
    assert "more cells" not in result.stdout
    assert "evacuable targets now: none: the VM cannot migrate at all (host devices cannot migrate)" in result.stdout
    found = orjson.loads(run("--snapshot", tmp_path / "cluster.json", "ledger-2", "-o", "json").stdout)["evacuable"]
    assert (found["possible"], found["symmetric"], found["immovable"]) == (0, 0, "host devices cannot migrate")


def test_the_policy_of_the_configuration(run: Run, tmp_path: Path) -> None:
    """`migration` of the file that --config names is in force, and is shown."""
    config = tmp_path / "fastfit.yaml"
    config.write_text("apiVersion: fastfit.dev/v1alpha1\nkind: FastfitConfiguration\nmigration: off\n")
    result = run("--snapshot", CLUSTER, "ledger-2", "--config", config)
    assert result.exit_code == Exit.OK, result.output
    assert "migration policy: off" in result.stdout
    xeon = next(line for line in result.stdout.splitlines() if line.startswith("xeon-3"))
    assert xeon.split()[1] == "fits"
    assert "more cells" in xeon
