"""Builds the oracle on KubeVirt's launcher code, or reuses it: `python -m tests.kit.oracle.kubevirt.build`."""

import argparse
import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.kit.cluster.build import BuildError
from tests.kit.oracle.kubelet.build import missing_go

__all__ = ["RELEASE", "ensure_kubevirt_oracle", "main"]

#: The KubeVirt release that go.mod requires.
RELEASE: Final = "v1.9.0"
SOURCE: Final = Path(__file__).parent
CACHE: Final = SOURCE.parents[3] / ".cache" / "oracle-kubevirt"
NAME: Final = "fastfit-kubevirt-oracle"

_COMMAND: Final = ("go", "build", "-p", "2", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w")
#: Last lines of a failed build that are shown.
_SHOWN: Final = 40


def ensure_kubevirt_oracle(say: Callable[[str], None] = print) -> Path:
    """Return the oracle, built from the sources as they are now; BuildError if it cannot be.

    The first build downloads KubeVirt and takes about two minutes; later ones take seconds. Several processes may ask
    at once: one builds, the others wait for it.
    """
    directory = CACHE / RELEASE
    directory.mkdir(parents=True, exist_ok=True)
    binary, stamp = directory / NAME, directory / "stamp"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = _fingerprint()
        if binary.exists() and stamp.exists() and stamp.read_text() == current:
            return binary
        if missing := missing_go():
            raise BuildError(f"the KubeVirt oracle needs {missing}")
        say(f"building the KubeVirt oracle ({RELEASE}); some minutes the first time")
        start = time.monotonic()
        fresh = directory / f"{NAME}.new"
        _compile(fresh)
        fresh.rename(binary)
        stamp.write_text(current)
        say(f"built {binary} in {time.monotonic() - start:.0f} s")
    return binary


def _fingerprint() -> str:
    """Hash all that the binary is made of."""
    digest = hashlib.sha256(" ".join(_COMMAND).encode())
    for path in sorted([*SOURCE.glob("*.go"), SOURCE / "go.mod", SOURCE / "go.sum"]):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _compile(output: Path) -> None:
    environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    command = [*_COMMAND, "-o", str(output), "."]
    built = subprocess.run(command, cwd=SOURCE, env=environment, text=True, capture_output=True, check=False)
    if built.returncode != 0:
        words = "\n".join(built.stderr.splitlines()[-_SHOWN:])
        raise BuildError(f"go build failed in {SOURCE}:\n{words}")


def main(arguments: list[str]) -> int:
    """The exit code for the command line `arguments`; the path of the binary goes to standard output."""
    argparse.ArgumentParser(prog="python -m tests.kit.oracle.kubevirt.build", description=__doc__).parse_args(arguments)
    try:
        print(ensure_kubevirt_oracle(say=lambda text: print(text, file=sys.stderr, flush=True)))
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
