"""The watched kinds: API group and version, field selector, and the record that an object is decoded into.

One version per kind: `kubevirt.io/v1` is served by every KubeVirt since 0.38, and only
`topology.node.k8s.io/v1alpha2` has the attributes that name a kubelet's policy.

Pods are selected by `status.phase!=Succeeded`. A succeeded pod holds no resources, and clusters that run jobs keep
thousands of them. Failed pods stay selected: their reason is how a kubelet's refusal (TopologyAffinityError,
UnexpectedAdmissionError) is counted. A pod that leaves the selection arrives as DELETED in its last matching form. Both
phases are final, so it cannot come back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from extender.api.lenient import decode_object
from extender.api.objects import KubeVirt, Migration, Node, NodeResourceTopology, Pod, Vmi
from extender.cache.events import Record, Source
from extender.kubeapi.resource import VMIS, Resource

__all__ = ["KINDS", "Kind", "Need"]


class Need(StrEnum):
    """Whether a kind is needed; the values are those of `sources` in the configuration."""

    #: not ready without it
    REQUIRED = "required"
    #: watched where the API server serves it
    OPTIONAL = "optional"
    #: not watched, and treated as not served
    OFF = "off"


@dataclass(frozen=True, slots=True)
class Kind:
    """A watched kind: its source, its resource, the decoder of its objects, and the field selector (may be empty)."""

    source: Source
    resource: Resource
    decoder: (
        msgspec.json.Decoder[Node]
        | msgspec.json.Decoder[Pod]
        | msgspec.json.Decoder[NodeResourceTopology]
        | msgspec.json.Decoder[Vmi]
        | msgspec.json.Decoder[Migration]
        | msgspec.json.Decoder[KubeVirt]
    )
    field_selector: str = ""

    def decode(self, raw: msgspec.Raw) -> Record:
        """One object. Raises MsgspecError or UnicodeDecodeError."""
        return self.decoder.decode(raw)

    def decode_leniently(self, raw: msgspec.Raw) -> tuple[Record, tuple[str, ...]]:
        """The same of an object of which a field is not of its type, and what was made of it."""
        decoder: msgspec.json.Decoder[Any] = self.decoder
        return decode_object(raw, decoder)


KINDS: Final[Mapping[Source, Kind]] = {
    kind.source: kind
    for kind in (
        Kind(Source.NODES, Resource("", "v1", "nodes"), msgspec.json.Decoder(Node)),
        Kind(Source.PODS, Resource("", "v1", "pods"), msgspec.json.Decoder(Pod), "status.phase!=Succeeded"),
        Kind(
            Source.NRTS,
            Resource("topology.node.k8s.io", "v1alpha2", "noderesourcetopologies"),
            msgspec.json.Decoder(NodeResourceTopology),
        ),
        Kind(Source.VMIS, VMIS, msgspec.json.Decoder(Vmi)),
        Kind(
            Source.MIGRATIONS,
            Resource("kubevirt.io", "v1", "virtualmachineinstancemigrations"),
            msgspec.json.Decoder(Migration),
        ),
        Kind(Source.KUBEVIRTS, Resource("kubevirt.io", "v1", "kubevirts"), msgspec.json.Decoder(KubeVirt)),
    )
}
