"""The commands as a user types them: answers, exit codes, and errors that name thing, value and remedy."""

import contextlib
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import click
import orjson
import pytest
import yaml
from click.testing import CliRunner, Result

from extender import __version__, names
from extender.cli import main, program
from extender.cli.demo import _free_address
from extender.cli.exits import Exit
from extender.sample.generate import CLUSTER
from extender.sample.vms import TYPES, Vm, launcher_pod

Run = Callable[..., Result]

#: In the order in which nodes are shown.
VERDICTS = ["fits", "unknown", "refused"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs `fastfit ARGS` far from any cluster."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "no-kubeconfig"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    def call(*args: object, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(program, [str(arg) for arg in args], input=stdin, prog_name="fastfit")

    return call


@pytest.mark.parametrize("command", program.list_commands(click.Context(program)))
def test_every_command_has_help_with_examples_and_exit_codes(run: Run, command: str) -> None:
    """Help works without a cluster, shows an example of the command, and says what exit codes mean."""
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"    fastfit {command}" in result.output
    assert "70  internal error" in result.output


def test_the_group_says_its_version(run: Run) -> None:
    """The version on the command line is that of the package's code."""
    assert __version__ in run("--version").output


def test_explain_answers_from_the_sample(run: Run) -> None:
    """Fitting nodes come first, refused ones are explained, and the exit code says that a node is left."""
    result = run("explain", "--snapshot", CLUSTER, "frontdesk")
    assert result.exit_code == Exit.OK, result.output
    table = result.stdout.partition("NODE ")[2].partition("\n\n")[0]
    verdicts = [line.split()[1] for line in table.splitlines()[1:]]
    assert len(verdicts) == 12
    assert verdicts == sorted(verdicts, key=VERDICTS.index)
    assert {"fits", "unknown", "refused"} == set(verdicts)
    assert "plain-1: refused (CpuManagerNotStatic)" in result.stdout
    assert "ZONE  CPUS FREE" in result.stdout


def test_explain_says_33_cpus_take_two_zones_on_nps4(run: Run) -> None:
    """cx1.8xlarge is 33 CPUs, one more than a 32-CPU zone: two cells on the EPYC, one on the Xeon."""
    result = run("explain", "--snapshot", CLUSTER, "vms/warehouse", "-o", "json")
    assert result.exit_code == Exit.OK, result.output
    nodes = {node["node"]: node for node in orjson.loads(result.stdout)["nodes"]}
    assert nodes["xeon-1"]["verdict"] == nodes["epyc-1"]["verdict"] == "fits"
    assert len(nodes["xeon-1"]["zones"]) == 1
    assert len(nodes["epyc-1"]["zones"]) == 2
    assert sum(zone["cpusGiven"] for zone in nodes["epyc-1"]["perZone"]) == 33


def test_explain_passes_an_ordinary_vm(run: Run) -> None:
    """u1 asks for nothing of a zone: no node refuses it."""
    result = run("explain", "--snapshot", CLUSTER, "intranet")
    assert result.exit_code == Exit.OK
    assert "ordinary VM" in result.stdout
    assert "refused" not in result.stdout


def test_explain_takes_a_manifest_that_the_cluster_does_not_have(run: Run, tmp_path: Path) -> None:
    """A VM that nobody created yet is judged, with the note that its VMI is not known."""
    path = tmp_path / "new.yaml"
    path.write_text(yaml.safe_dump(launcher_pod(Vm("new", TYPES["cx1.4xlarge"]))))
    result = run("explain", "--snapshot", CLUSTER, path)
    assert result.exit_code == Exit.OK, result.output
    assert "VirtualMachineInstance is not known" in result.stdout


def test_explain_reads_what_kubectl_prints_from_standard_input(run: Run) -> None:
    """The bundled objects as a kubectl list, piped in, give the same verdicts as the file."""
    objects = orjson.loads(CLUSTER.read_bytes())["items"]
    piped = orjson.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    from_stdin = run("explain", "--snapshot", "-", "frontdesk", stdin=piped)
    assert from_stdin.stdout == run("explain", "--snapshot", CLUSTER, "frontdesk").stdout


def test_explain_exits_with_1_when_no_node_is_left(run: Run, tmp_path: Path) -> None:
    """A VM larger than every zone of the only node is refused, and scripts see it."""
    objects = orjson.loads(CLUSTER.read_bytes())["items"]
    only = [obj for obj in objects if obj["kind"] != "Node" or obj["metadata"]["name"] == "nro-1"]
    path = tmp_path / "one-node.json"
    path.write_bytes(orjson.dumps({"apiVersion": "v1", "kind": "List", "items": only}))
    result = run("explain", "--snapshot", path, "warehouse")
    assert result.exit_code == Exit.NO
    assert "refused 1" in result.stdout


def test_explain_judges_by_the_settings_in_the_snapshot(run: Run, tmp_path: Path) -> None:
    """Settings saved with the picture decide, unless --config names others."""
    snapshot = orjson.loads(CLUSTER.read_bytes())
    snapshot["extender"]["settings"] = {"apiVersion": names.API_VERSION, "kind": names.CONFIG_KIND, "mode": "observe"}
    path = tmp_path / "observed.json"
    path.write_bytes(orjson.dumps(snapshot))
    config = tmp_path / "score.yaml"
    config.write_text(f"apiVersion: {names.API_VERSION}\nkind: {names.CONFIG_KIND}\nmode: score\n")

    def modes(*more: object) -> set[str]:
        result = run("explain", "--snapshot", path, "frontdesk", "-o", "json", *more)
        assert result.exit_code == Exit.OK, result.output
        return {node["mode"] for node in orjson.loads(result.stdout)["nodes"]}

    assert modes() == {"observe"}
    assert modes("--config", config) == {"score"}


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (
            ("explain", "--snapshot", CLUSTER, "frontdeks"),
            Exit.USAGE,
            "pod 'frontdeks' is not there; did you mean frontdesk?",
        ),
        (("explain", "--snapshot", CLUSTER, "-n", "x", "db"), Exit.USAGE, "pod 'db' is not there in namespace x"),
        (("explain", "--snapshot", "absent.json", "a"), Exit.USAGE, "absent.json: cannot be read"),
        (("explain", "--snapshot", CLUSTER, "absent.yaml"), Exit.USAGE, "absent.yaml: cannot be read"),
        (("explain", "--kubeconfig", "absent", "a"), Exit.CLUSTER, "kubeconfig absent does not exist; name one with"),
        (("explain", "a"), Exit.CLUSTER, "no-kubeconfig does not exist"),
        (("snapshot", "-o", "x.json"), Exit.CLUSTER, "no-kubeconfig does not exist"),
        (("check-config", "absent.yaml"), Exit.USAGE, "absent.yaml: cannot be read"),
        (("serve", "--bind", "nowhere"), Exit.USAGE, "--bind 'nowhere'"),
        (("serve", "--snapshot", "absent.json"), Exit.USAGE, "absent.json: cannot be read"),
        (("serve", "--snapshot", "a", "--kubeconfig", "b"), Exit.USAGE, "exclude each other"),
        (("demo", "--bind", "localhost:http"), Exit.USAGE, "--bind 'localhost:http'"),
    ],
)
def test_errors_name_thing_value_and_remedy(run: Run, args: tuple[object, ...], code: Exit, message: str) -> None:
    """Every error is text on standard error with a documented exit code, never a traceback."""
    result = run(*args)
    assert result.exit_code == code
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert not result.stdout


def test_serve_refuses_an_exposed_port_before_anything_starts(run: Run) -> None:
    """A bind beyond loopback without TLS and client certificates needs an explicit setting."""
    result = run("serve", "--snapshot", CLUSTER, "--bind", "0.0.0.0:0", "--ops-bind", "127.0.0.1:0")
    assert result.exit_code == Exit.USAGE
    assert "reachable from other machines" in result.stderr


def test_check_config_names_every_mistake(run: Run, tmp_path: Path) -> None:
    """All mistakes of a file come at once, pools' facts included; a good file is said to be good."""
    path = tmp_path / "c.yaml"
    head = f"apiVersion: {names.API_VERSION}\nkind: {names.CONFIG_KIND}\n"
    path.write_text(
        head + "mode: enforced\npools:\n- name: a\n  selector: {matchLabels: {}}\n  kubelet: {cpuPolicy: x}\n"
        "- name: b\n  selector: {matchLabels: {rack: b}}\n  machine: {threadsPerCore: 99}\n"
    )
    result = run("check-config", path)
    assert result.exit_code == Exit.USAGE
    assert "$.mode" in result.stderr
    assert "cpuPolicy is not a field" in result.stderr
    assert "threadsPerCore: 99 is not a number from 1 to 8" in result.stderr
    path.write_text(
        head + "mode: observe\npools:\n- name: a\n  selector: {matchLabels: {}}\n  machine: {threadsPerCore: 2}\n"
    )
    result = run("check-config", path)
    assert (result.exit_code, result.stdout) == (Exit.OK, f"{path}: good (mode observe, 1 pool)\n")


def test_hostile_text_in_an_error_is_made_harmless(run: Run) -> None:
    """What the user typed or a file holds is shown without control characters."""
    result = run("explain", "--snapshot", CLUSTER, "a\x1b[31mb")
    assert result.exit_code == Exit.USAGE
    assert "\x1b" not in result.stderr


def test_a_fault_of_ours_has_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exception that nobody expected is not mistaken for the answer no."""

    def fault(*_args: object) -> None:
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("extender.cli.check_config.load_settings", fault)
    monkeypatch.setattr(sys, "argv", ["fastfit", "check-config", "x"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == Exit.INTERNAL
    assert "internal error" in capsys.readouterr().err


def test_as_a_kubectl_plugin_it_names_itself_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Installed as kubectl-fastfit the usage line shows what the user typed."""
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kubectl-fastfit", "explain", "--help"])
    with pytest.raises(SystemExit):
        main()
    assert "Usage: kubectl fastfit explain" in capsys.readouterr().out


def test_the_demo_takes_another_port_where_its_own_is_in_use() -> None:
    """A second demo, or a server, on the same machine is no reason to fail."""
    with socket.socket() as other:
        # Where somebody else has the port already, the case is given as well.
        with contextlib.suppress(OSError):
            other.bind(("127.0.0.1", 9480))
            other.listen()
        assert _free_address().port == 0
