"""Which nodes' rows are older than their sources."""

__all__ = ["DirtyNodes"]


class DirtyNodes:
    """Names of dirty nodes, the longest dirty first. `changes` grows with whatever may change an answer."""

    __slots__ = ("_names", "changes")

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self.changes = 0

    def mark(self, name: str) -> None:
        """The node's row has to be made again."""
        self._names[name] = None
        self.changes += 1

    def discard(self, name: str) -> bool:
        """The row is made now, or the node is gone. Returns whether the node was dirty."""
        return self._names.pop(name, self) is None

    def first(self) -> str:
        """The node that has been dirty for longest. Raises StopIteration where none is dirty."""
        return next(iter(self._names))

    def __len__(self) -> int:
        """How many nodes are dirty."""
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        """Whether this node is dirty."""
        return name in self._names
