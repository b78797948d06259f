"""The VM pods that kube-scheduler asked about lately, for /debug/explain: trimmed, as JSON, bounded in number and bytes."""

from typing import Final

import msgspec

from extender.api.objects import Pod
from extender.kubevirt.launcher_pod import is_launcher
from extender.watch.trimming import trimmed

__all__ = ["ASKED_BYTES", "AskedPods"]

#: Bytes of all pods together, and of one; a trimmed launcher pod has 2 to 6 KB.
ASKED_BYTES: Final = 8 * 1024 * 1024
_POD_BYTES: Final = 128 * 1024

_DECODER: Final = msgspec.json.Decoder(Pod)

#: (namespace, name)
_Key = tuple[str, str]


class AskedPods:
    """The last `limit` pods. What is too large to keep is left out, and makes nobody else go."""

    def __init__(self, limit: int, total_bytes: int = ASKED_BYTES, pod_bytes: int = _POD_BYTES) -> None:
        self.limit = limit
        self._total_bytes = total_bytes
        self._pod_bytes = pod_bytes
        #: oldest first
        self._pods: dict[_Key, bytes] = {}
        self._bytes = 0
        #: what was kept last: filter and prioritize of one pod follow each other, and share the record
        self._last: Pod | None = None

    def __len__(self) -> int:
        return len(self._pods)

    @property
    def held_bytes(self) -> int:
        """Bytes of all pods that are kept."""
        return self._bytes

    def keep(self, pod: Pod) -> None:
        """Keep a pod as the newest one, if it is a VM's."""
        if pod is self._last or not is_launcher(pod):
            return
        self._last = pod
        key = (pod.metadata.namespace, pod.metadata.name)
        self._drop(key)
        record = trimmed(pod)
        text = msgspec.json.encode(record) if record is not None else b""
        if not text or len(text) > self._pod_bytes:
            return
        self._pods[key] = text
        self._bytes += len(text)
        while self._pods and (len(self._pods) > self.limit or self._bytes > self._total_bytes):
            self._drop(next(iter(self._pods)))

    def get(self, namespace: str, name: str) -> Pod | None:
        """The pod of that name; None where it is not kept."""
        text = self._pods.get((namespace, name))
        return None if text is None else _DECODER.decode(text)

    def _drop(self, key: _Key) -> None:
        self._bytes -= len(self._pods.pop(key, b""))
