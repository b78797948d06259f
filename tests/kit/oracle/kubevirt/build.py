"""Builds the oracle on KubeVirt's launcher code, or reuses it: `python -m tests.kit.oracle.kubevirt.build`."""

import argparse
import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.kit import go_build
from tests.kit.go_build import BuildError, Program

__all__ = ["RELEASE", "ensure_kubevirt_oracle", "main"]

#: The KubeVirt release that go.mod requires.
RELEASE: Final = "v1.9.0"
SOURCE: Final = Path(__file__).parent
CACHE: Final = go_build.CACHE / "oracle-kubevirt"
NAME: Final = "fastfit-kubevirt-oracle"

_COMMAND: Final = ("go", "build", "-p", "2", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w")


def ensure_kubevirt_oracle(say: Callable[[str], None] = print) -> Path:
    """Return the oracle, built from the sources as they are now; BuildError if it cannot be.

    The first build downloads KubeVirt and takes about two minutes; later ones take seconds. Several processes may ask
    at once: one builds, the others wait for it.
    """
    return Program(
        what=f"the KubeVirt oracle ({RELEASE})",
        directory=CACHE / RELEASE,
        name=NAME,
        source=SOURCE,
        command=lambda output: [*_COMMAND, "-o", str(output), "."],
        fingerprint=_fingerprint,
        environment={"GOFLAGS": "-mod=readonly"},
    ).ensure(say)


def _fingerprint() -> str:
    """Hash all that the binary is made of."""
    digest = hashlib.sha256(" ".join(_COMMAND).encode())
    for path in sorted([*SOURCE.glob("*.go"), SOURCE / "go.mod", SOURCE / "go.sum"]):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


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
