"""Replays recorded answers of real code through ours: `python -m tests.replay kubelet|kubevirt FILE...`."""

import sys

from tests.conformance.kubelet.replay import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
