"""`fastfit admit`: one node's kubelet, played step by step."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from click.testing import CliRunner, Result

from extender.cli import program
from extender.cli.exits import Exit
from extender.sample.generate import CLUSTER
from tests.kit.kubelet_nodes import DEVICE, A, F, config, container

Run = Callable[..., Result]
GOLDEN = Path(__file__).parents[2] / "golden" / "kubelet" / "vm.jsonl.gz"


def run(*args: object, stdin: str | None = None) -> Result:
    return CliRunner().invoke(program, ["admit", *map(str, args)], input=stdin, prog_name="fastfit")


def pod(name: str, *apps: str, init: tuple[str, ...] = (), uid: str = "") -> dict[str, Any]:
    """A pod's manifest; init containers are sidecars."""
    spec = {
        "initContainers": [container(f"i{n}", text, sidecar=True) for n, text in enumerate(init)],
        "containers": [container(f"c{n}", text) for n, text in enumerate(apps)],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "vms", "uid": uid}, "spec": spec}


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes objects into one YAML file."""

    def write(name: str, *objects: Any) -> Path:
        path = tmp_path / name
        path.write_text(yaml.safe_dump_all(objects))
        return path

    return write


def node(machine: Any = A, policy: str = "R", **settings: Any) -> dict[str, Any]:
    return {"machine": machine, "kubelet": config(policy, "0", **settings)}


def answers(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code in (Exit.OK, Exit.NO), result.output
    pods: list[dict[str, Any]] = orjson.loads(result.stdout)["pods"]
    return pods


def test_an_admission_is_told_step_by_step(save: Any) -> None:
    """Hints of each manager, the merge, the allocation, the end; exit code 0."""
    result = run("--machine", save("n.yaml", node()), "--pod", save("p.yaml", pod("db", "8c/1Gi/16hp")))
    assert result.exit_code == Exit.OK, result.output
    told = [line.strip() for line in result.stdout.splitlines()]
    assert told[0] == "Node: Kubernetes 1.37"
    assert told[1] == "Topology Manager restricted, scope container; CPU Manager static; Memory Manager Static"
    assert "0  15 of 16 (1 reserved)  32Gi hugepages-1Gi, 31Gi memory" in told
    assert "c0 (app) asks for 8 CPUs, 16Gi hugepages-1Gi, 1Gi memory" in told
    steps = [line for line in told if line[:1].isdigit() and line[1:3] == ". "]
    assert steps == [
        "1. hints for container c0",
        "2. merged for container c0: {0}, preferred: admitted",
        "3. cpu gives c0: CPUs 1-4,17-20",
        "4. memory gives c0: 16Gi hugepages-1Gi on {0}, 1Gi memory on {0}",
        "5. sums over all pods of the node: enough",
    ]
    hints = next(line for line in told if line.startswith("cpu "))
    assert hints.split() == "cpu 8 CPUs 1 {0}* {1}* {0,1} a zone has up to 16 CPUs in all".split()
    assert told[-1].split() == "c0 {0} CPUs 1-4,17-20, 16Gi hugepages-1Gi on {0}, 1Gi memory on {0}".split()


def test_a_refusal_names_reason_rule_and_outlook(save: Any) -> None:
    """The kubelet's words, the rule in plain ones, and that waiting is of no use; exit code 1."""
    result = run("--machine", save("n.yaml", node()), "--pod", save("p.yaml", pod("db", "20c/1Gi/16hp")))
    assert result.exit_code == Exit.NO
    assert "2. merged for container c0: {0,1}, not preferred: refused" in result.stdout
    assert "refused: TopologyAffinityError" in result.stdout
    assert "message: Pod was rejected: Resources cannot be allocated with Topology locality" in result.stdout
    assert (
        "- under restricted this pod never fits this node, not even empty: minimal width for 20 CPUs" in result.stdout
    )
    assert result.stdout.endswith("outlook: not even on the empty node, and by the same rule\n")


def test_pods_are_admitted_in_order(save: Any) -> None:
    """Several files, several documents, lists; each pod meets what the former ones took, refused ones nothing."""
    machine = save("n.yaml", node())
    first = save("a.yaml", pod("a", "2c/1Gi/2hp"), pod("never", "20c/1Gi/16hp"))
    listed = {"apiVersion": "v1", "kind": "List", "items": [pod("wide", "20c/1Gi/40hp"), pod("b", "3c/1Gi/1hp")]}
    result = run("--machine", machine, "--pod", first, "--pod", save("b.yaml", listed), "-o", "json")
    assert result.exit_code == Exit.NO
    pods = answers(result)
    assert [(one["pod"], one["admit"]) for one in pods] == [
        ("vms/a", True), ("vms/never", False), ("vms/wide", False), ("vms/b", True),
    ]  # fmt: skip
    assert pods[2]["reason"] == "UnexpectedAdmissionError"
    assert pods[2]["outlook"] == "not now: the empty node would take the pod (c0 on zones 0,1)"
    assert pods[2]["steps"][-1]["step"] == "fail"
    assert pods[2]["steps"][-1]["manager"] == "memory"
    assert pods[3]["containers"]["c0"]["cpus"] == "2,16,18"


def test_json_has_every_hint_and_the_node(save: Any) -> None:
    """The node before the first pod, steps as values, hints in full."""
    machine = save("n.yaml", node(policy="BE") | {"devices": {DEVICE: {0: 1, 1: 1}}})
    result = run("--machine", machine, "--pod", save("p.yaml", pod("p", "2c/1Gi/1hp/1dev")), "-o", "json")
    answer = orjson.loads(result.stdout)
    assert answer["kind"] == "FastfitAdmission"
    assert answer["node"]["kubelet"]["topologyManagerPolicy"] == "best-effort"
    assert answer["node"]["state"]["sharedPoolCPUs"] == "0-31"
    (one,) = answer["pods"]
    assert [step["step"] for step in one["steps"]] == ["hints", "merge", "allocate", "allocate", "allocate"]
    cpu = next(hint for hint in one["steps"][0]["answers"] if hint["manager"] == "cpu")
    assert cpu["hints"] == [
        {"zones": [0], "preferred": True}, {"zones": [1], "preferred": True}, {"zones": [0, 1], "preferred": False},
    ]  # fmt: skip
    assert (cpu["request"], cpu["width"]) == (2, 1)
    assert one["containers"]["c0"] == {
        "cpus": "1,17", "zones": [0], "preferred": True, "devices": {DEVICE: {"0": 1}},
        "memory": [
            {"resource": "hugepages-1Gi", "zones": [0], "bytes": 1 << 30},
            {"resource": "memory", "zones": [0], "bytes": 1 << 30},
        ],
    }  # fmt: skip


def test_every_kind_of_step_is_shown(save: Any) -> None:
    """A device of its zone, CPUs from other zones, no guidance under policy none, groups and impossible requests."""
    devices = {"devices": {DEVICE: {0: 1, 1: 1}}}
    wide = save("w.yaml", pod("w", "20c/1Gi/16hp/1dev"), pod("x", "1c/1Gi/9dev"))
    shown = run("--machine", save("n.yaml", node(policy="BE") | devices), "--pod", wide).stdout
    assert f"device gives c0: 1 {DEVICE} on {{0}}" in shown
    assert "1 of 1 example.com/dev" in shown
    assert "none: impossible" in shown
    assert "device cannot give c0 what it asks for" in shown
    none = run("--machine", save("m.yaml", node(policy="NO")), "--pod", save("q.yaml", pod("q", "1c/1Gi"))).stdout
    assert "1. merged for the pod: no guidance: admitted" in none
    assert "policy none asks for no hints and gives no guidance" in none
    odd = save("o.yaml", pod("o", "2c/1Gi/1hp"), pod("s", "20c/1Gi/1hp"))
    spilled = run("--machine", save("k.yaml", node(policy="BE")), "--pod", odd).stdout
    assert "from other zones" in spilled


def test_a_recorded_life_is_a_machine_file(tmp_path: Path) -> None:
    """A line of the golden data names machine and kubelet; its first pod is admitted as recorded."""
    with gzip.open(GOLDEN) as lines:
        life = json.loads(lines.readline())
    machine, manifest = tmp_path / "life.json", tmp_path / "pod.json"
    machine.write_text(json.dumps(life))
    first = life["steps"][0]
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}} | first["admit"]))
    (pod_answer,) = answers(run("--machine", machine, "--pod", manifest, "--version", "1.36", "-o", "json"))
    assert pod_answer["pod"] == "default/p"
    assert pod_answer["containers"]["compute"]["cpus"] == first["observed"]["containers"]["compute"]["cpus"]


def test_the_kubelets_own_file(save: Any) -> None:
    """KubeletConfiguration beside a bare machine: reserved CPUs are counted from its reservations, rounded up."""
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "clusterDNS": ["10.0.0.10"],
        "cpuManagerPolicy": "static",
        "cpuManagerPolicyOptions": {"full-pcpus-only": "true"},
        "topologyManagerPolicy": "single-numa-node",
        "kubeReserved": {"cpu": "500m", "memory": "1Gi"},
        "systemReserved": {"cpu": "1.2"},
    }
    machine, pods = save("m.yaml", A), save("p.yaml", pod("p", "4c/1Gi"), pod("odd", "3c/1Gi"))
    result = run("--machine", machine, "--kubelet", save("k.yaml", kubelet), "--pod", pods)
    assert "14 of 16 (2 reserved)" in result.stdout
    assert "CPU Manager static (full-pcpus-only=true)" in result.stdout
    assert "refused: SMTAlignmentError" in result.stdout
    listed = kubelet | {"reservedSystemCPUs": "0-3"}
    result = run("--machine", machine, "--kubelet", save("k.yaml", listed), "--pod", pods)
    assert "12 of 16 (4 reserved)" in result.stdout


def test_kubelet_file_replaces_what_the_machine_file_says(save: Any) -> None:
    """--kubelet decides, in the golden form or wrapped in `kubelet`."""
    machine, pods = save("n.yaml", node()), save("p.yaml", pod("p", "20c/1Gi/16hp"))
    for content in (config("BE", "0,16"), {"kubelet": config("BE", "0,16")}):
        result = run("--machine", machine, "--kubelet", save("k.yaml", content), "--pod", pods)
        assert result.exit_code == Exit.OK, result.output
        assert "not preferred: admitted" in result.stdout


def test_version_gates(save: Any) -> None:
    """--version reaches the twin."""
    result = run("--machine", save("n.yaml", node()), "--pod", save("p.yaml", pod("p", "1c/1Gi")), "--version", "1.35")
    assert result.stdout.startswith("Node: Kubernetes 1.35\n")


# --- from a snapshot -------------------------------------------------------------------------------------------------


def test_a_node_of_a_snapshot_with_what_runs_there() -> None:
    """Facts and pods of the node are the snapshot's; the pod is named as for explain."""
    result = run("--snapshot", CLUSTER, "--node", "epyc-1", "--pod", "warehouse")
    assert result.exit_code == Exit.OK, result.output
    assert result.stdout.startswith("Node epyc-1: Kubernetes 1.36\n")
    assert "runs there: vms/virt-launcher-shard-1" in result.stdout
    assert "4 of 32 (2 reserved)" in result.stdout
    assert "merged for container compute: {0,3}, preferred: admitted" in result.stdout
    assert "its devices have no zones" in result.stdout
    assert " and 235 more" in result.stdout


def test_pods_can_be_gone_or_come_again() -> None:
    """--remove frees what a pod holds; a pod that runs there is admitted anew in its place."""

    def cpus(*more: str) -> list[int]:
        result = run("--snapshot", CLUSTER, "--node", "epyc-1", *more, "--pod", "shard-1")
        assert result.exit_code == Exit.OK, result.output
        assert "note: it runs there already" in result.stdout or more
        table = result.stdout.partition("ZONE  CPUS FREE\n")[2].partition("\n\n")[0]
        return [int(line.split()[1]) for line in table.splitlines()]

    assert cpus()[:4] == [4, 4, 4, 30]
    assert sum(cpus("--remove", "shard-1")) > sum(cpus())


def test_what_is_not_known_of_a_node_is_said() -> None:
    """A node whose machine is only reported says so."""
    nodes = [obj for obj in orjson.loads(CLUSTER.read_bytes())["items"] if obj["kind"] == "Node"]
    plain = [one["metadata"]["name"] for one in nodes if "fastfit.dev/machine" not in one["metadata"]["annotations"]]
    shown = [run("--snapshot", CLUSTER, "--node", name, "--pod", "intranet") for name in plain]
    played = [result.stdout for result in shown if result.exit_code == Exit.OK]
    assert any("note: its machine is not stated" in text for text in played)
    refused = [result for result in shown if result.exit_code == Exit.USAGE]
    assert all("its kubelet cannot be played: " in result.stderr for result in refused)


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ((), "Missing option '--pod'"),
        (("--pod", "p"), "name the node either with --machine FILE or with --snapshot FILE --node NAME"),
        (("--machine", "a", "--snapshot", "b", "--node", "c", "--pod", "p"), "name the node either"),
        (("--snapshot", CLUSTER, "--pod", "p"), "--snapshot and --node belong together"),
        (("--machine", "a", "--node", "n", "--pod", "p"), "--snapshot and --node belong together"),
        (("--machine", "a", "--remove", "n", "--pod", "p"), "--remove and --config need a --snapshot"),
        (("--machine", "a", "--config", "n", "--pod", "p"), "--remove and --config need a --snapshot"),
        (("--snapshot", CLUSTER, "--node", "epyc-1", "--kubelet", "k", "--pod", "p"), "--kubelet and --version need"),
        (
            ("--snapshot", CLUSTER, "--node", "epyc-1", "--version", "1.36", "--pod", "p"),
            "--kubelet and --version need",
        ),
        (("--machine", "absent.json", "--pod", "p"), "absent.json: cannot be read"),
        (("--snapshot", CLUSTER, "--node", "epyc-11", "--pod", "warehouse"), "did you mean epyc-1?"),
        (("--snapshot", CLUSTER, "--node", "?", "--pod", "warehouse"), "node '?' is not there; there are "),
        (("--snapshot", CLUSTER, "--node", "epyc-1", "--pod", "warehose"), "did you mean warehouse?"),
        (("--snapshot", CLUSTER, "--node", "epyc-1", "--pod", "absent.yaml"), "absent.yaml: cannot be read"),
        (
            ("--snapshot", CLUSTER, "--node", "epyc-1", "--remove", "warehouse", "--pod", "warehouse"),
            "holds nothing of",
        ),
        (("--machine", "-", "--pod", "p"), "-: expected one object"),
    ],
)
def test_mistakes_on_the_command_line(args: tuple[object, ...], text: str) -> None:
    """Every mistake is one line with its remedy, exit code 2."""
    result = run(*args)
    assert result.exit_code == Exit.USAGE, result.output
    assert text in result.stderr
    assert not result.stdout


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "is neither JSON nor YAML"),
        ("[]", "expected one object"),
        ("1: 2", "expected one object"),
        ("kubelet: {}", "machine is missing; expected an object with `machine` and `kubelet`"),
        ("hardware: {}", "hardware is not a field; there are machine, kubelet, devices"),
        (json.dumps({"machine": F}), "says nothing of the kubelet; name its configuration with --kubelet FILE"),
        (json.dumps(F), "says nothing of the kubelet"),
        (json.dumps({"machine": {}, "kubelet": {}}), "machine.sockets is missing"),
        (json.dumps({"machine": F, "kubelet": {"cpuPolicy": 1}}), "kubelet.cpuPolicy is not a field"),
        (json.dumps({"machine": F, "kubelet": {"cpuManagerPolicy": "static"}}), "a kubelet does not start with this"),
        (json.dumps(node(F) | {"devices": []}), "devices: expected resource -> zone -> number"),
        (json.dumps(node(F) | {"devices": {"gpu": 1}}), "devices: expected resource -> zone -> number"),
        (json.dumps(node(F) | {"devices": {"gpu": {"x": 1}}}), "devices: expected resource -> zone -> number"),
        (json.dumps(node(F) | {"devices": {"gpu": {"0": "1"}}}), "devices: expected resource -> zone -> number"),
        (json.dumps(node(F) | {"devices": {"gpu": {"7": 1}}}), "the machine has no zone 7"),
    ],
)
def test_mistakes_in_a_machine_file(tmp_path: Path, save: Any, content: str, text: str) -> None:
    """The file, the path in it and what was expected are named; exit code 2."""
    path = tmp_path / "n.json"
    path.write_text(content)
    result = run("--machine", path, "--pod", save("p.yaml", pod("p", "1c/1Gi")))
    assert result.exit_code == Exit.USAGE, result.output
    assert text in result.stderr
    assert "Traceback" not in result.output


@pytest.mark.parametrize("cpu", [True, "1x", ["1"]])
def test_mistakes_in_a_kubelet_file(save: Any, cpu: Any) -> None:
    """A reservation that is no quantity is named."""
    kubelet = {"kind": "KubeletConfiguration", "cpuManagerPolicy": "static", "kubeReserved": {"cpu": cpu}}
    result = run(
        "--machine", save("m.yaml", F), "--kubelet", save("k.yaml", kubelet), "--pod", save("p.yaml", pod("p"))
    )
    assert result.exit_code == Exit.USAGE
    assert "kubeReserved.cpu" in result.stderr


def test_mistakes_in_pods(save: Any) -> None:
    """A file without pods, and amounts that cannot be read."""
    machine = save("n.yaml", node())
    result = run("--machine", machine, "--pod", save("p.yaml", {"apiVersion": "apps/v1", "kind": "Deployment"}))
    assert result.exit_code == Exit.USAGE
    assert "p.yaml: holds no Pod (found: Deployment); save it with kubectl get pod NAME -o yaml" in result.stderr
    bad = pod("bad", "1c/1Gi")
    bad["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "-1"
    result = run("--machine", machine, "--pod", save("b.yaml", bad))
    assert result.exit_code == Exit.USAGE
    assert "pod vms/bad: cpu: '-1' is negative" in result.stderr


def test_hostile_names_are_made_harmless(save: Any) -> None:
    """Nothing in a manifest steers the terminal."""
    evil = pod("p", "1c/1Gi")
    evil["spec"]["containers"][0]["name"] = "a\x1b[31mb"
    result = run("--machine", save("n.yaml", node()), "--pod", save("p.yaml", evil))
    assert result.exit_code == Exit.OK
    assert "\x1b" not in result.stdout
