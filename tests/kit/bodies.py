"""Malformed and hostile request bodies for both verbs, each with a name."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.kit.objects import pod

__all__ = ["args", "hostile_bodies", "pod_json"]


def pod_json(name: str = "vm", **changes: Any) -> dict[str, Any]:
    """A launcher pod as kube-scheduler sends it."""
    record: dict[str, Any] = json.loads(msgspec.json.encode(pod(name)))
    record.update(changes)
    return record


def args(names: Any = ("a", "b"), record: Any = None, **more: Any) -> bytes:
    """An ExtenderArgs body."""
    body = {"Pod": pod_json() if record is None else record, "Nodes": None, "NodeNames": names}
    return json.dumps({**body, **more}).encode()


def hostile_bodies() -> Iterator[tuple[str, bytes]]:
    """Bodies that must be answered with an error, never with a pass."""
    yield from _broken_text()
    yield from _wrong_structure()
    yield from _wrong_names()
    yield from _wrong_pods()


def _broken_text() -> Iterator[tuple[str, bytes]]:
    good = args()
    for cut in range(0, len(good), max(1, len(good) // 90)):
        yield f"cut at {cut}", good[:cut]
    yield "trailing bytes", good + b"x"
    yield "two objects", good + good
    yield "utf-16", good.decode().encode("utf-16")
    yield "bom", b"\xef\xbb\xbf" + good
    yield "nul", b"\0" * 64
    for position, bad in enumerate((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80")):
        yield f"not UTF-8 in the pod {position}", good.replace(b"guest-console-log", b"guest-" + bad)
        yield f"not UTF-8 in a name {position}", good.replace(b'"a"', b'"a' + bad + b'"')
    yield "control character", good.replace(b'"a"', b'"a\n"')
    yield "single quotes", good.replace(b'"', b"'")
    yield "NaN", args(record=pod_json()).replace(b'"Nodes": null', b'"Nodes": NaN')
    yield "open string", good.replace(b'"b"]', b'"b]')
    for value in (b"", b" ", b"null", b"true", b"0", b'""', b"[]", b"[{}]", b"{}", b"{", b"}", b"[", b"{]", b'{"Pod"}'):
        yield f"body {value!r}", value


def _wrong_structure() -> Iterator[tuple[str, bytes]]:
    good = json.loads(args())
    value: Any
    for key in ("Pod", "NodeNames"):
        yield f"no {key}", json.dumps({k: v for k, v in good.items() if k != key}).encode()
        for value in (None, True, 7, 1e400, "x", {"x": 1} if key == "NodeNames" else [1]):
            yield f"{key} is {value!r}", json.dumps({**good, key: value}).encode()
        doubled = json.dumps(good)[:-1] + f', "{key}": {json.dumps(good[key])}}}'
        yield f"{key} twice", doubled.encode()
    for value in ({}, {"items": []}, {"metadata": {}, "items": [{"metadata": {"name": "a"}}]}, [], "x", 1):
        yield f"Nodes is {value!r}", json.dumps({**good, "Nodes": value, "NodeNames": None}).encode()
    yield "lower-case keys", json.dumps({k.lower(): v for k, v in good.items()}).encode()
    for depth in (65, 1000, 100_000):
        yield f"{depth} arrays", json.dumps(good)[:-1].encode() + b', "x": ' + b"[" * depth + b"]" * depth + b"}"
        yield (
            f"{depth} objects",
            json.dumps(good)[:-1].encode() + b', "x": ' + b'{"x":' * depth + b"1" + b"}" * depth + b"}",
        )
        yield f"{depth} deep pod", b'{"Pod":' + b'{"metadata":' * depth + b"{}" + b"}" * depth + b',"NodeNames":["a"]}'
    yield "never closed", b'{"Pod":' + b"[" * 100_000


def _wrong_names() -> Iterator[tuple[str, bytes]]:
    value: Any
    for value in (
        [1], [None], [True], [{}], [[]], ["a", 1], ["a", ["b"]], ["a", None], [""], ["a" * 300], ["a", "a"],
        ["a", "b", "a"], ["n"] * 5000, [f"n{i}" for i in range(20001)], ["a", {"a": 1}],
    ):  # fmt: skip
        shown = json.dumps(value)
        yield f"names {shown[:40]}", args(value)
    for text in (
        b"[,]",
        b'["a",]',
        b'["a""b"]',
        b'["a" "b"]',
        b"[a]",
        b'["\\x"]',
        b'["\\u12"]',
        b'["a"',
        b'["a"}',
        b'"a"]',
    ):
        yield f"names {text!r}", args().replace(b'["a", "b"]', text)


def _wrong_pods() -> Iterator[tuple[str, bytes]]:
    wrong: tuple[Any, ...] = (1, True, "x", [1], 1e308, [{}])
    for field in ("metadata", "spec", "status"):
        for value in (*wrong, [None]):
            yield f"pod.{field} is {value!r}", args(record=pod_json(**{field: value}))
    base = pod_json()
    for field in ("labels", "annotations"):
        for value in (1, "x", [1], {"kubevirt.io": 1}, {"kubevirt.io": None}, {"kubevirt.io": ["virt-launcher"]}):
            yield (
                f"metadata.{field} is {value!r}",
                args(record={**base, "metadata": {**base["metadata"], field: value}}),
            )
    for field in ("name", "uid"):
        for value in (None, 1, [], {}, ""):
            yield (
                f"metadata.{field} is {value!r}",
                args(record={**base, "metadata": {**base["metadata"], field: value}}),
            )
    for value in wrong:
        yield (
            f"containers is {value!r}",
            args(record={**base, "spec": {**base["spec"], "containers": value if value != [{}] else 3}}),
        )
        yield (
            f"initContainers is {value!r}",
            args(record={**base, "spec": {**base["spec"], "initContainers": value if value != [{}] else 3}}),
        )
    for value in (
        1,
        "x",
        [1],
        {"requests": 1},
        {"limits": [1]},
        {"requests": {"cpu": []}},
        {"requests": {"cpu": {}}},
        {"limits": {"cpu": True}},
    ):
        container: Any = {"name": "compute", "resources": value}
        yield f"resources is {value!r}", args(record={**base, "spec": {**base["spec"], "containers": [container]}})
