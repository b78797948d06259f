"""extender/v1 ExtenderArgs in: the pod as a record, the node names as raw JSON. Nothing else knows the wire's names."""

from dataclasses import dataclass

import msgspec

from _fastfit import ScanError, scan
from extender.api.objects import Pod
from extender.errors import BadRequest

__all__ = ["Args", "read_args"]

#: Characters of the longest name that Kubernetes accepts.
_NAME = 253

_DECODER = msgspec.json.Decoder(Pod)


@dataclass(frozen=True, slots=True)
class Args:
    """One call of kube-scheduler: `names` is the JSON array of node names as it came, `text` the pod's JSON."""

    pod: Pod
    names: bytes
    text: bytes


def read_args(body: bytes, max_names: int, max_depth: int, last: Args | None = None, known: bytes = b"") -> Args:
    """Cuts and decodes a request body. Raises BadRequest with a text for the pod's event.

    kube-scheduler repeats itself: a pod that reads as in the `last` call, and names that are `known` from calls with
    the same limits, come back as the same objects.
    """
    try:
        parts = scan(body, max_names, max_depth, known)
    except ScanError as error:
        raise BadRequest(f"request cannot be read: {error}") from error
    if last is not None and parts.pod == last.text:
        return Args(last.pod, parts.names, last.text)
    try:
        pod = _DECODER.decode(parts.pod)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadRequest(f"Pod in the request cannot be read: {error}") from error
    if not pod.metadata.name or not pod.metadata.uid:
        raise BadRequest("Pod in the request has no metadata.name or no metadata.uid")
    if max(len(pod.metadata.name), len(pod.metadata.namespace), len(pod.metadata.uid)) > _NAME:
        # What is remembered of a call is remembered by these.
        raise BadRequest(f"Pod in the request has a metadata.name, namespace or uid of more than {_NAME} characters")
    return Args(pod, parts.names, parts.pod)
