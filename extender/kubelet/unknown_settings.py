"""Settings of a kubelet that this twin does not know, so that it cannot say what the kubelet does with them.

A kubelet that refuses a setting does not run. So where a node runs with one that is not known here, its kubelet is
newer than this twin, or the statement is wrong; neither tells that the node cannot take a pod.
"""

from collections.abc import Iterator

from extender.kubelet.cpu_manager import CPU_OPTIONS, CPU_POLICIES
from extender.kubelet.memory_manager import MEMORY_POLICIES
from extender.kubelet.model import KubeletConfig
from extender.kubelet.topology_manager import TOPOLOGY_OPTIONS, TOPOLOGY_POLICIES, TOPOLOGY_SCOPES

__all__ = ["unknown_setting"]

_SHOWN = 60


def unknown_setting(config: KubeletConfig) -> str:
    """The first policy or option that is not known, in words; empty where all are."""
    return next(_unknown(config), "")


def _unknown(config: KubeletConfig) -> Iterator[str]:
    for name, value, known in (
        ("topologyManagerPolicy", config.topology_manager_policy, TOPOLOGY_POLICIES),
        ("topologyManagerScope", config.topology_manager_scope, TOPOLOGY_SCOPES),
        ("cpuManagerPolicy", config.cpu_manager_policy, CPU_POLICIES),
        ("memoryManagerPolicy", config.memory_manager_policy, MEMORY_POLICIES),
    ):
        if value not in known:
            yield f"{name} {value[:_SHOWN]!r} is not known; known are {', '.join(known)}"
    # With policy none the managers have no options.
    for path, on, given, options in (
        (
            "topologyManagerPolicyOptions",
            config.topology_manager_policy != "none",
            config.topology_manager_policy_options,
            TOPOLOGY_OPTIONS,
        ),
        (
            "cpuManagerPolicyOptions",
            config.cpu_manager_policy != "none",
            config.cpu_manager_policy_options,
            CPU_OPTIONS,
        ),
    ):
        for name in given if on else ():
            if name not in options:
                yield f"{path}.{name[:_SHOWN]} is not an option that is known"
