"""Builds the oracle on the real kubelet managers, or reuses it: `python -m tests.kit.oracle.kubelet.build [--version 1.37]`."""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.kit.cluster.build import DEFAULT_VERSION, GO_MINOR, RELEASES, BuildError, Release, go_build
from tests.kit.cluster.build import SOURCE as CLUSTER

__all__ = ["ensure_oracle", "main", "missing_go"]

SOURCE: Final = Path(__file__).parent
CACHE: Final = SOURCE.parents[3] / ".cache" / "oracle"
NAME: Final = "fastfit-oracle"
#: The driver of the managers, which the oracle shares with the simulated nodes of the test cluster.
DRIVER: Final = CLUSTER / "kubelet"


def missing_go() -> str:
    """Name what is missing to build the oracle, with the remedy; empty when all is there."""
    go = shutil.which("go")
    if go is None:
        return f"Go 1.{GO_MINOR} or newer (none found; https://go.dev/dl/)"
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    found = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, env=environment, check=False)
    version = re.match(r"go1\.(\d+)", found.stdout)
    if version is not None and int(version[1]) < GO_MINOR:
        return f"Go 1.{GO_MINOR} or newer (found {found.stdout.strip()}; https://go.dev/dl/)"
    return ""


def ensure_oracle(version: str = DEFAULT_VERSION, say: Callable[[str], None] = print) -> Path:
    """Return the oracle for a Kubernetes minor release, built from the sources as they are now.

    The first build takes minutes, or seconds where the control plane of tests/kit/cluster is built already; later ones
    take seconds. Several processes may ask at once: one builds, the others wait for it.
    """
    release = RELEASES[version]
    directory = CACHE / release.version
    directory.mkdir(parents=True, exist_ok=True)
    binary, stamp = directory / NAME, directory / "stamp"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = _fingerprint(release)
        if binary.exists() and stamp.exists() and stamp.read_text() == current:
            return binary
        if missing := missing_go():
            raise BuildError(f"the oracle needs {missing}")
        say(f"building the kubelet oracle (Kubernetes {release.version}); minutes the first time")
        start = time.monotonic()
        fresh = directory / f"{NAME}.new"
        go_build(_command(release, fresh), SOURCE, say)
        fresh.rename(binary)
        stamp.write_text(current)
        say(f"built {binary} in {time.monotonic() - start:.0f} s")
    return binary


def _fingerprint(release: Release) -> str:
    """Hash all that the binary is made of."""
    digest = hashlib.sha256(" ".join(_command(release, Path(NAME))).encode())
    modfile = SOURCE / release.modfile
    sources = [*SOURCE.glob("*.go"), *DRIVER.glob("*.go"), CLUSTER / "go.mod", modfile, modfile.with_suffix(".sum")]
    for path in sorted(sources):
        digest.update(f"\0{path.parent.name}/{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _command(release: Release, output: Path) -> list[str]:
    return [
        *("go", "build", "-v", "-p", "2", "-trimpath", "-buildvcs=false", f"-modfile={release.modfile}"),
        *("-tags", release.tag, "-ldflags", "-s -w", "-o", str(output), "."),
    ]


def main(arguments: list[str]) -> int:
    """The exit code for the command line `arguments`; the path of the binary goes to standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.kit.oracle.kubelet.build", description=__doc__)
    parser.add_argument("--version", choices=RELEASES, default=DEFAULT_VERSION, help="Kubernetes minor release")
    version = parser.parse_args(arguments).version
    try:
        print(ensure_oracle(version, say=lambda text: print(text, file=sys.stderr, flush=True)))
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
