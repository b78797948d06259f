"""A kind of the API server as group, version and plural, and its paths."""

from dataclasses import dataclass
from typing import Final

__all__ = ["CONFIG_MAPS", "VMIS", "Resource"]


@dataclass(frozen=True, slots=True)
class Resource:
    """Group (empty: core), version and plural of a kind, e.g. `kubevirt.io`, `v1`, `virtualmachineinstances`."""

    group: str
    version: str
    plural: str

    def __str__(self) -> str:
        """As RBAC and kubectl write it: `pods`, `virtualmachineinstances.kubevirt.io`."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def collection(self) -> str:
        """Path of the list and the watch over all namespaces."""
        return f"{self._root}/{self.plural}"

    @property
    def in_namespace(self) -> str:
        """Path template of one object; the transport fills in `{namespace}` and `{name}`, quoted."""
        return f"{self._root}/namespaces/{{namespace}}/{self.plural}/{{name}}"

    @property
    def in_cluster(self) -> str:
        """Path template of one cluster-scoped object."""
        return f"{self._root}/{self.plural}/{{name}}"

    @property
    def _root(self) -> str:
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"


#: Resources that more than one room reads or writes.
CONFIG_MAPS: Final = Resource("", "v1", "configmaps")
VMIS: Final = Resource("kubevirt.io", "v1", "virtualmachineinstances")
