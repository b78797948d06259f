"""Reads `deploy/`: files as they stand, directories as kustomize renders them, objects by kind and name."""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.kit.cluster.build import ensure_binary, missing_tools
from tests.kit.lacking import lacking

__all__ = [
    "DEPLOY",
    "RENDERED",
    "ROOT",
    "Object",
    "config_map",
    "container",
    "documents",
    "flags",
    "kustomize",
    "named",
    "pod_spec",
    "render",
    "scheduler_config",
    "tool",
]

#: A decoded YAML mapping.
Object = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"

#: The directories that a user applies.
RENDERED = ("base", "overlays/emulation", "overlays/leave", "overlays/default-scheduler")


def tool(name: str) -> str:
    """The path of a development dependency that is a program of its own."""
    path = Path(sys.executable).parent / name
    return str(path) if path.exists() else lacking(f"{name} is missing: install the development dependencies")


def kustomize(directory: Path) -> subprocess.CompletedProcess[str]:
    """Render a directory by the machine's kubectl, or else by the one beside the tests' control plane."""
    kubectl = shutil.which("kubectl")
    if kubectl is None and (missing := missing_tools()):
        lacking(f"no kubectl to render manifests with, and to build one needs {missing}")
    command = [kubectl] if kubectl is not None else [str(ensure_binary()), "kubectl"]
    return subprocess.run([*command, "kustomize", str(directory)], capture_output=True, text=True, check=False)


def documents(path: Path) -> list[Object]:
    """The YAML documents of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document is not None]


@cache
def render(directory: str) -> tuple[Object, ...]:
    """The objects that `kubectl apply -k deploy/DIRECTORY` sends."""
    done = kustomize(DEPLOY / directory)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def named(objects: tuple[Object, ...] | list[Object], kind: str, name: str) -> Object:
    """The one object of a kind whose name, a generated hash aside, is `name`."""
    found = [
        o
        for o in objects
        if o["kind"] == kind and (o["metadata"]["name"] == name or o["metadata"]["name"].rpartition("-")[0] == name)
    ]
    assert len(found) == 1, f"{kind} {name}: {len(found)} found"
    return found[0]


def pod_spec(objects: tuple[Object, ...]) -> Object:
    """The pod of the one workload."""
    (workload,) = [o for o in objects if o["kind"] in ("Deployment", "DaemonSet")]
    spec: Object = workload["spec"]["template"]["spec"]
    return spec


def container(pod: Object, name: str) -> Object:
    """A container or init container by name."""
    found: list[Object] = [c for c in pod.get("initContainers", []) + pod["containers"] if c["name"] == name]
    assert len(found) == 1, f"container {name}: {len(found)} found"
    return found[0]


def flags(container: Object) -> dict[str, str]:
    """The `--name=value` arguments of a container."""
    words = container.get("command", []) + container.get("args", [])
    return dict(word[2:].split("=", 1) for word in words if word.startswith("--"))


def config_map(objects: tuple[Object, ...], pod: Object, container: Object, path: str) -> str:
    """What a container reads at `path`, followed through its mounts and volumes to the ConfigMap."""
    directory, _, key = path.rpartition("/")
    (volume,) = [mount["name"] for mount in container["volumeMounts"] if mount["mountPath"] == directory]
    (source,) = [v["configMap"]["name"] for v in pod["volumes"] if v["name"] == volume]
    (data,) = [o["data"] for o in objects if o["kind"] == "ConfigMap" and o["metadata"]["name"] == source]
    text: str = data[key]
    return text


def scheduler_config(variant: str = "") -> Object:
    """The KubeSchedulerConfiguration of a variant; the reference by default."""
    (config,) = documents(DEPLOY / "scheduler" / variant / "scheduler.yaml")
    return config
