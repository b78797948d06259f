"""Builds the peers, the Go programs below bench/peers, into .cache/peers: `python -m bench.throughput.build`."""

import fcntl
import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.kit.cluster.build import BuildError, missing_tools

__all__ = ["ensure_peer"]

_SOURCE: Final = Path(__file__).parents[1] / "peers"
_CACHE: Final = Path(__file__).parents[2] / ".cache" / "peers"
#: Each peer and the Kubernetes release that its binary states; empty: it is built from none.
_PEERS: Final = {"echo": "", "plugin": "v1.34.7"}


def ensure_peer(name: str, say: Callable[[str], None]) -> Path:
    """Return the binary of a peer, built from the sources as they are now.

    The first build of `plugin` downloads its modules and compiles for some minutes. Raises BuildError.
    """
    directory = _CACHE / name
    directory.mkdir(parents=True, exist_ok=True)
    binary, stamp = directory / f"fastfit-{name}", directory / "stamp"
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        current = _fingerprint(name)
        if binary.exists() and stamp.exists() and stamp.read_text() == current:
            return binary
        if missing := missing_tools():
            raise BuildError(f"the peers of the benchmark need {missing}")
        say(f"building the peer {name}" + ("; minutes the first time" if _PEERS[name] else ""))
        began = time.monotonic()
        new = binary.with_suffix(".new")
        environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off", "GOTOOLCHAIN": "local"}
        done = subprocess.run(
            _command(name, new), cwd=_SOURCE / name, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise BuildError(f"go build failed in {_SOURCE / name}:\n{done.stderr.strip()}")
        new.rename(binary)
        stamp.write_text(current)
        say(f"built {binary} in {time.monotonic() - began:.0f} s")
    return binary


def _command(name: str, output: Path) -> list[str]:
    flags = ["-s", "-w"]
    if version := _PEERS[name]:
        flags.append(f"-X k8s.io/component-base/version.gitVersion={version}")
    build = ("go", "build", "-p", "2", "-trimpath", "-buildvcs=false")
    return [*build, "-ldflags", " ".join(flags), "-o", str(output), "."]


def _fingerprint(name: str) -> str:
    """Hash all that the binary is made of."""
    digest = hashlib.sha256(" ".join(_command(name, Path("binary"))).encode())
    for path in sorted((_SOURCE / name).iterdir()):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _main() -> int:
    try:
        for name in _PEERS:
            print(ensure_peer(name, lambda text: print(text, file=sys.stderr, flush=True)))
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
