"""Tells whether the twin answers a played scenario as the real managers did."""

from collections.abc import Mapping
from typing import Any, Final

from tests.conformance.kubelet.replay import differences
from tests.conformance.shared import Comparison

__all__ = ["compare"]

#: What the twin says of blocks whose start-up check depends on the order of a Go map.
_LUCK: Final = "a zone has blocks of its own and of a group"


def compare(played: Mapping[str, Any], version: str) -> Comparison:
    """Replay the scenario as the oracle answered it through the twin of that kubelet minor, whole messages included."""
    name, steps = played["name"], played["steps"]
    failed = played.get("startError") or (steps[-1].get("startError") if steps else None)
    refusal = f"{name}: no answer: "
    try:
        told = list(differences(played, version, exact_messages=True))
    except Exception as fault:  # noqa: BLE001 - whatever breaks the twin is a finding like any other
        return Comparison((f"{name}: the twin broke: {fault!r}",))
    if told and told[-1].startswith(refusal):
        fault_text = told.pop().removeprefix(refusal)
        if failed:
            return Comparison(tuple(told))
        if _LUCK in fault_text:
            return Comparison(tuple(told), undecided=True)
        return Comparison((*told, f"{name}: the real kubelet starts, ours says: {fault_text}"))
    if failed:
        told.append(f"{name}: ours starts, the real kubelet says: {failed}")
    return Comparison(tuple(told))
