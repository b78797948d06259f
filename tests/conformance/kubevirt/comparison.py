"""Tells whether the guest model answers a case as KubeVirt did."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.conformance.kubevirt.replay import predict
from tests.conformance.shared import Comparison

__all__ = ["compare"]

#: What KubeVirt answers. `libvirt` is another judge's (tests/conformance/libvirt).
_ANSWERS: Final = ("observed", "observedBoot", "observedPrepare")


def compare(answered: Mapping[str, Any]) -> Comparison:
    """Replay the case as KubeVirt answered it through the model: one line per key in which the model differs from the answers in the case; an absent key counts."""
    name = answered.get("name", "")
    if "panic" in answered:
        return Comparison((f"{name}: KubeVirt panics: {answered['panic']}",))
    try:
        predicted = predict(dict(answered))
    except Exception as fault:  # noqa: BLE001 - whatever breaks the model is a finding like any other
        return Comparison((f"{name}: the model broke: {fault!r}",))
    real = dict(_leaves({key: answered[key] for key in _ANSWERS if key in answered}))
    ours = dict(_leaves({key: predicted[key] for key in _ANSWERS if key in predicted}))
    return Comparison(
        tuple(
            f"{name}: {path}: KubeVirt {real.get(path, 'absent')}, ours {ours.get(path, 'absent')}"
            for path in sorted(real.keys() | ours.keys())
            if real.get(path) != ours.get(path)
        )
    )


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The path and JSON of everything below `value` that is no object."""
    if not isinstance(value, dict):
        yield path, json.dumps(value, sort_keys=True)
        return
    for key, below in value.items():
        yield from _leaves(below, f"{path}.{key}" if path else key)
