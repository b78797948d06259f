"""How commands end when something is in the way: a documented exit code, one line, no traceback; 1 stays the answer no."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from extender.cli.exits import Exit, epilog
from extender.sample.generate import CLUSTER

ROOT = Path(__file__).parents[3]
FASTFIT = [sys.executable, "-c", "from extender.cli import main; main()"]
EXPLAIN = ("explain", "--snapshot", str(CLUSTER), "vms/frontdesk")

KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "https://127.0.0.1:1", CA}}]
users: [{name: a, user: {USER}}]
"""
LAUGHS = "kind: List\napiVersion: v1\na: &a [x, x]\n" + "".join(
    f"{now}: &{now} [{', '.join([f'*{last}'] * 10)}]\n" for last, now in zip("abcdefghi", "bcdefghij", strict=True)
)


def run(*command: str, stdout: int | None = subprocess.PIPE, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [*FASTFIT, *command],
        cwd=ROOT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


def one_line(errors: str) -> bool:
    return "Traceback" not in errors and len(errors.strip().splitlines()) == 1


@pytest.mark.parametrize("command", [EXPLAIN, (*EXPLAIN, "-o", "json"), ("--help",), ("--version",), ("explain", "-h")])
def test_a_full_disk(command: tuple[str, ...]) -> None:
    """Standard output on a full device: 4, and the cause."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    with Path("/dev/full").open("wb") as full:
        done = run(*command, stdout=full.fileno())
    assert done.returncode == Exit.OUTPUT
    assert one_line(done.stderr), done.stderr
    assert "No space left" in done.stderr


@pytest.mark.parametrize("command", [EXPLAIN, (*EXPLAIN, "-o", "json"), ("--help",)])
def test_a_reader_that_goes_away(command: tuple[str, ...]) -> None:
    """A closed pipe: 141, as a shell shows SIGPIPE, and not a word."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = run(*command, stdout=write)
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (Exit.PIPE, "")


def test_ctrl_c(tmp_path: Path) -> None:
    """130, as a shell shows SIGINT; while it waits for its input."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    command = [*FASTFIT, "explain", "--snapshot", str(fifo), "vms/x"]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        # Opening it for writing waits until the command reads.
        with fifo.open("w"):
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=30)
    assert process.returncode == Exit.INTERRUPTED
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("ca", "user"),
    [
        ("certificate-authority: FILE", "token: x"),
        ('certificate-authority-data: "!!!"', "token: x"),
        ('certificate-authority-data: "AAAA"', "token: x"),
        ("insecure-skip-tls-verify: true", "client-certificate: FILE, client-key: FILE"),
    ],
)
@pytest.mark.parametrize("command", [("snapshot", "-o", "-"), ("explain", "vms/x"), ("targets", "vms/x")])
def test_certificates_that_are_none(ca: str, user: str, command: tuple[str, ...], tmp_path: Path) -> None:
    """A CA or client certificate that is no PEM: 3, and what has to be a PEM."""
    pem, config = tmp_path / "pem", tmp_path / "config"
    pem.write_text("nonsense\n")
    config.write_text(KUBECONFIG.replace("CA", ca).replace("USER", user).replace("FILE", str(pem)))
    done = run(*command, "--kubeconfig", str(config))
    assert done.returncode == Exit.CLUSTER, done.stderr
    assert one_line(done.stderr), done.stderr


@pytest.mark.parametrize(
    "text",
    ["a: " + "[" * 100_000, "[" * 100_000, '{"kind":"List","items":[' + "[" * 100_000, LAUGHS, "".join(
        f"{' ' * depth}a:\n" for depth in range(3000)
    )],
    ids=["flow", "json", "items", "aliases", "block"],
)  # fmt: skip
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("explain", "vms/x", "--snapshot"), Exit.USAGE),
        (("explain", "--snapshot", str(CLUSTER)), Exit.USAGE),
        (("check-config",), Exit.USAGE),
        (("admit", "--pod", str(CLUSTER), "--machine"), Exit.USAGE),
        (("snapshot", "-o", "-", "--kubeconfig"), Exit.CLUSTER),
    ],
    ids=["snapshot", "manifest", "config", "machine", "kubeconfig"],
)
def test_deep_and_aliased_files(command: tuple[str, ...], code: Exit, text: str, tmp_path: Path) -> None:
    """They are refused with the file's name, before they take memory."""
    path = tmp_path / "file.yaml"
    path.write_text(text)
    done = run(*command, str(path))
    assert done.returncode == code, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert "file.yaml" in done.stderr


def test_wrong_flags_are_2() -> None:
    """click's own errors keep their code, with usage and cause."""
    for command in (("explain", "--nonsense"), ("nonsense",), ("explain",)):
        done = run(*command)
        assert done.returncode == Exit.USAGE
        assert "Traceback" not in done.stderr


def test_every_code_is_documented() -> None:
    """Each command's help lists all of them."""
    codes = {int(code) for code in re.findall(r"^ +(\d+) ", epilog(), re.MULTILINE)}
    assert codes == {code.value for code in Exit}
