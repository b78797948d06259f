"""Replays recorded answers of real code through ours: `python -m tests.replay KIND FILE...`.

KIND `kubelet`: lives of nodes, through the kubelet twin (tests/conformance/kubelet/replay.py). The kubelet version is
1.36 unless the file's name ends in another. KIND `kubevirt`: boots and migrations, through the guest model
(tests/conformance/kubevirt/replay.py). The exit code is 1 if anything differs or is missing.
"""

import sys

from tests.conformance.kubelet.replay import replay as replay_kubelet
from tests.conformance.kubevirt.replay import replay as replay_kubevirt

__all__ = ["main"]

_KINDS = {"kubelet": replay_kubelet, "kubevirt": replay_kubevirt}


def main(arguments: list[str]) -> int:
    """The exit code for the command line `arguments`."""
    kind, files = (arguments[0], arguments[1:]) if arguments else ("", [])
    if not files or kind not in _KINDS:
        print("usage: python -m tests.replay kubelet|kubevirt FILE...", file=sys.stderr)
        return 2
    return _KINDS[kind](files)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
