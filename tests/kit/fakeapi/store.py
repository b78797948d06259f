"""What the fake API server holds: objects as dicts, and per resource a history that watches go on from."""

import asyncio
import copy
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

__all__ = ["Object", "Store"]

Object = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One entry of a history; `before` and `after` are None for creation and deletion."""

    version: int
    before: Object | None
    after: Object | None


class Store:
    """One counter of resource versions for everything, as in etcd."""

    def __init__(self) -> None:
        self.version = 100
        #: set, and replaced, at every change
        self.changed = asyncio.Event()
        self._objects: dict[str, dict[tuple[str, str], Object]] = defaultdict(dict)
        self._history: dict[str, list[Change]] = defaultdict(list)
        self._oldest: dict[str, int] = defaultdict(int)

    def put(self, plural: str, obj: Object) -> Object:
        """Create or replace an object; UID and resource version are set as the real server does."""
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        before = self._objects[plural].get(key)
        self.version += 1
        uid = before["metadata"]["uid"] if before else meta.get("uid", f"uid-{self.version}")
        after = {**obj, "metadata": {**meta, "uid": uid, "resourceVersion": str(self.version)}}
        self._objects[plural][key] = after
        self._record(plural, before, after)
        return after

    def delete(self, plural: str, name: str, namespace: str = "") -> None:
        """Delete an object."""
        before = self._objects[plural].pop((namespace, name))
        self.version += 1
        self._record(plural, before, None)

    def compact(self, plural: str) -> None:
        """From now on a new watch or a continue token from before is too old; open watches go on."""
        self._oldest[plural] = self.version

    def too_old(self, plural: str, version: int) -> bool:
        """Whether history up to `version` has been compacted."""
        return version < self._oldest[plural]

    def get(self, plural: str, name: str, namespace: str) -> Object | None:
        """One object."""
        return self._objects[plural].get((namespace, name))

    def fresh(self, plural: str, selector: str = "") -> list[Object]:
        """The objects as a list of now shows them."""
        return self.at(plural, self.version, selector)

    def at(self, plural: str, version: int, selector: str) -> list[Object]:
        """The list as it was at `version`: later changes are undone."""
        objects = dict(self._objects[plural])
        for change in reversed(self._history[plural]):
            if change.version <= version:
                break
            meta = (change.after or change.before or {})["metadata"]
            key = (meta.get("namespace", ""), meta["name"])
            if change.before is None:
                objects.pop(key, None)
            else:
                objects[key] = change.before
        return [copy.deepcopy(objects[key]) for key in sorted(objects) if _matches(objects[key], selector)]

    def since(self, plural: str, version: int, selector: str) -> list[tuple[str, Object]]:
        """The changes after `version` as a watch with this selector sees them."""
        found: list[tuple[str, Object]] = []
        for change in self._history[plural]:
            if change.version <= version:
                continue
            before = change.before if change.before and _matches(change.before, selector) else None
            after = change.after if change.after and _matches(change.after, selector) else None
            if after is not None:
                found.append(("ADDED" if before is None else "MODIFIED", after))
            elif before is not None:
                last = {**before, "metadata": {**before["metadata"], "resourceVersion": str(change.version)}}
                found.append(("DELETED", last))
        return found

    def _record(self, plural: str, before: Object | None, after: Object | None) -> None:
        self._history[plural].append(Change(self.version, before, after))
        self.changed.set()
        self.changed = asyncio.Event()


def _matches(obj: Object, selector: str) -> bool:
    """Field selectors of the form `a.b!=x,c.d!=y`."""
    for term in filter(None, selector.split(",")):
        path, value = term.split("!=")
        found: Any = obj
        for key in path.split("."):
            found = found.get(key) or {}
        if found == value:
            return False
    return True
