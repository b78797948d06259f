"""YAML with aliases is small as text and can be large as data: nine lines of ten aliases each are a billion values."""

from typing import Final

import yaml

__all__ = ["too_many_aliases"]

#: Values that aliases may add; a file written by hand or by a tool adds a few.
_MOST: Final = 100_000


def too_many_aliases(content: bytes | str, loader: type) -> bool:
    """Whether aliases add more values than a file has reason to, or one contains itself. Raises yaml.YAMLError."""
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = []
    count = added = 0
    for event in yaml.parse(content, Loader=loader):
        if isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionStartEvent):
            if event.anchor is not None:
                sizes.pop(event.anchor, None)
            open_nodes.append((event.anchor, count))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            if anchor is not None:
                sizes[anchor] = count - before
        elif isinstance(event, yaml.AliasEvent):
            size = sizes.get(event.anchor or "", _MOST + 1)
            count += size
            added += size
            if added > _MOST:
                return True
    return False
