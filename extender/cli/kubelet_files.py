"""Finds a kubelet's settings in the files in which people keep them: its own, or one in which they lie a level down.

KubeletConfiguration is the file that the kubelet reads (kubelet.config.k8s.io/v1beta1). The kubelet answers at /configz
with what it runs with, below `kubeletconfig` and without a kind (pkg/kubelet/server/server.go). OpenShift's KubeletConfig
has the fields to change below `spec.kubeletConfig`, kubeadm's ConfigMap a file as text below `data.kubelet`.
"""

from collections.abc import Mapping
from typing import Final

import yaml

from extender.errors import BadObject

__all__ = ["KUBELET_KIND", "OPENSHIFT_KIND", "settings_in"]

KUBELET_KIND: Final = "KubeletConfiguration"
OPENSHIFT_KIND: Final = "KubeletConfig"
#: Where settings lie in other files.
_PATHS: Final = (
    ("kubeletconfig",),
    ("kubeletConfig",),
    ("spec", "kubeletConfig"),
    ("spec", "kubelet", "config"),
    ("data", "kubelet"),
    ("data", "config"),
)
#: Fields that only a kubelet's own file has.
_OWN_FIELDS: Final = ("kubeReserved", "systemReserved", "cpuManagerReconcilePeriod", "evictionHard")
_EXPECTED: Final = f"expected {KUBELET_KIND}, the kubelet's answer at /configz, or OpenShift's {OPENSHIFT_KIND}"


def settings_in(content: Mapping[str, object], where: str) -> Mapping[str, object]:
    """The content with the kubelet's fields at its top, of kind KubeletConfiguration; what is none stays as it is.

    Raises BadObject, which names file and path, where a file of another kind has none.
    """
    kind = content.get("kind")
    if kind == KUBELET_KIND:
        return content
    if str(kind).endswith("List") and isinstance(content.get("items"), list):
        return _only_one(content, where)
    for path in _PATHS:
        found = _below(content, path, where)
        if found is not None:
            return {**found, "kind": KUBELET_KIND}
    if kind is None:
        return {**content, "kind": KUBELET_KIND} if any(name in content for name in _OWN_FIELDS) else content
    if kind == OPENSHIFT_KIND:
        raise BadObject(f"{where}: spec.kubeletConfig is missing: it changes nothing of the kubelet")
    raise BadObject(f"{where}: kind {str(kind)[:60]} has no settings of a kubelet; {_EXPECTED}")


def _only_one(content: Mapping[str, object], where: str) -> Mapping[str, object]:
    items = content["items"]
    assert isinstance(items, list)
    if len(items) == 1 and isinstance(items[0], dict):
        return settings_in(items[0], f"{where}: items[0]")
    raise BadObject(f"{where}: holds {len(items)} objects; give a file with the one that the node's kubelet follows")


def _below(content: Mapping[str, object], path: tuple[str, ...], where: str) -> Mapping[str, object] | None:
    value: object = content
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, str):
        try:
            value = yaml.load(value, Loader=yaml.CSafeLoader)
        except yaml.YAMLError as error:
            raise BadObject(f"{where}: {'.'.join(path)}: is not YAML: {' '.join(str(error).split())}") from None
    return value if isinstance(value, dict) else None
