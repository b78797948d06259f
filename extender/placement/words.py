"""Amounts of resources in words."""

from extender.cache.nodes.synthetic_machine import page_bytes

__all__ = ["amount_words", "counted", "shortage"]

_UNITS = ((2**40, "Ti"), (2**30, "Gi"), (2**20, "Mi"), (2**10, "Ki"))


def amount_words(name: str, amount: int) -> str:
    """`16Gi`, `444Mi`, `9`: an amount of a resource in the API's own form."""
    if name != "memory" and not name.startswith("hugepages-"):
        return str(amount)
    for size, unit in _UNITS:
        if amount and amount % size == 0:
            return f"{amount // size}{unit}"
    for size, unit in _UNITS:
        if amount >= size:
            return f"{amount / size:.1f}{unit}"
    return str(amount)


def counted(count: int, thing: str) -> str:
    """`1 CPU`, `2 CPUs`."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def shortage(name: str, amount: int) -> str:
    """`3 CPUs`, `4 x 1Gi pages`, `1Gi memory`, `1 vendor.com/gpu`."""
    if name == "cpu":
        return counted(amount, "CPU")
    if name == "memory":
        return f"{amount_words(name, amount)} memory"
    if not name.startswith("hugepages-"):
        return f"{amount} {name}"
    size = name.removeprefix("hugepages-")
    return f"{-(-amount // page_bytes(size))} x {size} pages"
