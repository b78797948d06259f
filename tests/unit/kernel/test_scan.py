"""Cutting a scheduler call: what is accepted, what is refused and how it is said, the same by both scanners."""

import json

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from _fastfit import Scan, ScanError
from tests.kit.kernel.backends import PYTHON, Backend

BODY = b'{"Pod":{"metadata":{"name":"vm"}},"Nodes":null,"NodeNames":["a","b"]}'
HINT = "set nodeCacheCapable: true for this extender"

REFUSED = {
    "empty": (b"", "the body is not a JSON object (byte 0)"),
    "space only": (b" \n", "the body is not a JSON object (byte 2)"),
    "array": (b"[]", "the body is not a JSON object (byte 0)"),
    "byte order mark": (b"\xef\xbb\xbf{}", "the body is not a JSON object (byte 0)"),
    "open object": (b"{", "a string was expected (byte 1)"),
    "no pod": (b'{"NodeNames":[]}', "Pod is missing"),
    "null pod": (b'{"Pod":null,"NodeNames":[]}', "Pod is missing"),
    "pod is a list": (b'{"Pod":[],"NodeNames":[]}', "Pod is not an object (byte 7)"),
    "pod is nullish": (b'{"Pod":nullx}', "',' or '}' was expected (byte 11)"),
    "no names": (b'{"Pod":{}}', f"NodeNames is missing: {HINT}"),
    "null names": (b'{"Pod":{},"NodeNames":null}', f"NodeNames is missing: {HINT}"),
    "names are an object": (b'{"Pod":{},"NodeNames":{}}', "NodeNames is not an array (byte 22)"),
    "whole nodes": (b'{"Pod":{},"Nodes":{"items":[]},"NodeNames":null}', f"Nodes is set: {HINT} (byte 18)"),
    "pod twice": (b'{"Pod":{},"Pod":{},"NodeNames":[]}', "Pod is given twice (byte 10)"),
    "pod twice, escaped": (b'{"Pod":{},"P\\u006fd":{},"NodeNames":[]}', "Pod is given twice (byte 10)"),
    "names twice": (b'{"Pod":{},"NodeNames":[],"NodeNames":[]}', "NodeNames is given twice (byte 25)"),
    "null twice": (b'{"Nodes":null,"Nodes":null}', "Nodes is given twice (byte 14)"),
    "text behind": (BODY + b" x", "text after the object (byte 70)"),
    "second object": (BODY + BODY, "text after the object (byte 69)"),
    "trailing comma": (b'{"Pod":{},}', "a string was expected (byte 10)"),
    "trailing comma inside": (b'{"Pod":{"a":[1,]}}', "a value was expected (byte 15)"),
    "no colon": (b'{"Pod" {}}', "':' was expected (byte 7)"),
    "no comma": (b'{"Pod":{} "x":1}', "',' or '}' was expected (byte 10)"),
    "crossed brackets": (b'{"Pod":{"a":[1}]}', "',' or ']' was expected (byte 14)"),
    "unclosed string": (b'{"Pod":{"a":"b}', "unfinished string (byte 12)"),
    "control character": (b'{"Pod":{"a":"b\n"}}', "control character in a string (byte 14)"),
    "bad escape": (b'{"Pod":{"a":"\\x"}}', "bad escape (byte 13)"),
    "short escape": (b'{"Pod":{"a":"\\u12"}}', "bad escape (byte 13)"),
    "escape at the end": (b'{"Pod":{"a":"\\', "bad escape (byte 13)"),
    "high half": (b'{"Pod":{"a":"\\ud800"}}', "half of a surrogate pair (byte 13)"),
    "low half": (b'{"Pod":{"a":"\\udc00"}}', "half of a surrogate pair (byte 13)"),
    "two high halves": (b'{"Pod":{"a":"\\ud800\\ud800"}}', "half of a surrogate pair (byte 13)"),
    "leading zero": (b'{"Pod":{"a":01}}', "',' or '}' was expected (byte 13)"),
    "bare minus": (b'{"Pod":{"a":-}}', "a value was expected (byte 12)"),
    "bare fraction": (b'{"Pod":{"a":1.}}', "',' or '}' was expected (byte 13)"),
    "not a literal": (b'{"Pod":{"a":NaN}}', "a value was expected (byte 12)"),
    "cut literal": (b'{"Pod":{"a":tru', "a value was expected (byte 12)"),
    "invalid UTF-8": (b'{"Pod":{"a":"\xff"},"NodeNames":[]}', "invalid UTF-8 (byte 13)"),
    "encoded surrogate": (b'{"Pod":{"a":"\xed\xa0\x80"},"NodeNames":[]}', "invalid UTF-8 (byte 13)"),
    "cut UTF-8": (b'{"Pod":{"a":"\xc3', "invalid UTF-8 (byte 13)"),
    "deep": (b'{"Pod":{"a":' + b"[" * 63 + b"]" * 63 + b"}}", "nested deeper than 64 (byte 74)"),
    "endless": (b'{"Pod":' + b"[" * 100_000, "Pod is not an object (byte 7)"),
    "endless elsewhere": (b'{"x":' + b'{"a":' * 100_000, "nested deeper than 64 (byte 320)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(backend: Backend, case: str) -> None:
    """Each mistake is named with its place."""
    body, text = REFUSED[case]
    with pytest.raises(ScanError) as error:
        backend.scan(body)
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("body", "pod", "names"),
    [
        (BODY, b'{"metadata":{"name":"vm"}}', b'["a","b"]'),
        (b' {\n"NodeNames" : [ "a" , 1 ] ,"Pod":\t{ } }\r\n', b"{ }", b'[ "a" , 1 ]'),
        (b'{"Pod":{},"NodeNames":[],"More":[1.5e-3,-0,true,false,null,"\\ud83d\\ude00"]}', b"{}", b"[]"),
        ('{"Pod":{"a":"ä€😀"},"NodeNames":[]}'.encode(), '{"a":"ä€😀"}'.encode(), b"[]"),
        (b'{"Pod":{"Pod":{},"NodeNames":null},"NodeNames":[]}', b'{"Pod":{},"NodeNames":null}', b"[]"),
        (b'{"pod":{},"Pod":{},"nodeNames":0,"NodeNames":[]}', b"{}", b"[]"),
    ],
)
def test_accepted(backend: Backend, body: bytes, pod: bytes, names: bytes) -> None:
    """White space, order, further keys and all of Unicode are legal; the parts are cut as they stand."""
    assert backend.scan(body) == Scan(pod, names)


def test_limits(backend: Backend) -> None:
    """The number of names and the nesting are bounded, at exactly the number given."""
    body = b'{"Pod":{"a":[[]]},"NodeNames":["a","b"]}'
    assert backend.scan(body, max_names=2, max_depth=4).names == b'["a","b"]'
    with pytest.raises(ScanError, match=r"^more than 1 node names \(byte 30\)$"):
        backend.scan(body, max_names=1)
    with pytest.raises(ScanError, match=r"^nested deeper than 3 \(byte 13\)$"):
        backend.scan(body, max_depth=3)
    with pytest.raises(ValueError, match="at most 256"):
        backend.scan(body, max_depth=257)


@pytest.mark.parametrize("names", [b'["a","b"]', '["ä"]'.encode()])
def test_known_names_come_back_as_themselves(backend: Backend, names: bytes) -> None:
    """Go writes NodeNames last; names of an earlier scan there are recognised, so nobody need read them again."""
    for pod in (b"{}", '{"a":"ä"}'.encode()):
        assert backend.scan(b'{"Pod":' + pod + b',"Nodes":null,"NodeNames":' + names + b"}", known=names).names is names


def test_known_names_elsewhere_are_text_like_any_other(backend: Backend) -> None:
    """Bytes that look like known names but stand in a string, or behind another key, or twice, are judged as ever."""
    known = b'["a"]'
    assert backend.scan(b'{"NodeNames":["b"],"Pod":{},"More":["a"]}', known=known).names == b'["b"]'
    assert backend.scan(b'{"NodeNames":["b"],"Pod":{"x":[]}}', known=known).names == b'["b"]'
    for body in (b'{"Pod":{},"NodeNames":["a"],"NodeNames":["a"]}', b'{"Pod":{},"x":"NodeNames:["a"]}', b'["a"]}'):
        with pytest.raises(ScanError):
            backend.scan(body, known=known)


def test_only_bytes(backend: Backend) -> None:
    """A body is bytes; text is a mistake of the caller, not of the client."""
    with pytest.raises(TypeError):
        backend.scan("{}")


FRAGMENTS = st.sampled_from(
    [b"{", b"}", b"[", b"]", b",", b":", b'"', b'"Pod"', b'"NodeNames"', b'"Nodes"', b"null", b"true", b"-1.5e3",
     b"0", b"\\", b"\\u", b"d83d", b"\\ude00", b" ", b"\n", b"\x00", b"\xff", "é".encode(), b"name", b'"a"', b"{}", b"[]"]
)  # fmt: skip


def outcome(backend: Backend, body: bytes, known: bytes = b"") -> Scan | str:
    """The scan or the text of its error."""
    try:
        return backend.scan(body, known=known)
    except ScanError as error:
        return str(error)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=80), st.lists(FRAGMENTS, max_size=24).map(b"".join)))
def test_same_about_any_bytes(kernel: Backend, body: bytes) -> None:
    """Both scanners agree about anything, and accept nothing that is not JSON."""
    found = outcome(kernel, body)
    assert found == outcome(PYTHON, body)
    for known in (b"[]", b'["a"]', b'["a","a"]'):
        assert found == outcome(kernel, body, known)
    if isinstance(found, Scan):
        assert json.loads(body)["Pod"] == orjson.loads(found.pod)
        assert orjson.loads(found.names) == json.loads(body)["NodeNames"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_agrees_with_a_json_parser(kernel: Backend, data: st.DataObject) -> None:
    """Valid calls are accepted; after one changed byte we accept exactly what a strict parser accepts."""
    pod = data.draw(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
    body = json.dumps(
        {"Pod": pod, "Nodes": None, "NodeNames": ["a"], "Other": data.draw(JSON)}, ensure_ascii=data.draw(st.booleans())
    ).encode()
    assert isinstance(outcome(kernel, body), Scan)
    place = data.draw(st.integers(0, len(body) - 1))
    changed = body[:place] + bytes([data.draw(st.integers(0, 255))]) + body[place + 1 :]
    found = outcome(kernel, changed)
    assert found == outcome(PYTHON, changed)
    try:
        orjson.loads(changed)
    except orjson.JSONDecodeError as error:
        # A number beyond a double is JSON all the same; whether it makes sense is for the pod's decoder to say.
        assert isinstance(found, str) or "infinity" in str(error)
