"""What a right configuration means: defaults, look-ups, what waits for a restart, and its documentation."""

from typing import get_args

import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from _fastfit import codes
from _fastfit.codes import Code
from extender import config
from extender.cache.nodes.pools import pools_of
from extender.config import (
    DOUBTS,
    Mode,
    Settings,
    describe,
    load,
    mistakes,
    needs_restart,
    parse,
)
from extender.names import API_VERSION, CONFIG_KIND
from extender.reasons import DOUBT_KINDS, verdict_of

HEAD = "apiVersion: fastfit.dev/v1alpha1\nkind: FastfitConfiguration\n"

FULL = (
    HEAD
    + """
migration: off
migrationFromOwners: false
mode: score
onUnknown: {node: error, stale: refuse}
pools:
- name: big
  selector: {matchLabels: {example.com/size: big, zone: ""}}
  mode: enforce
  onUnknown: {stale: keep}
  kubelet:
    topologyManagerPolicy: single-numa-node
    cpuManagerPolicyOptions: {full-pcpus-only: "true"}
    reservedSystemCPUs: 0,2-3
  machine: {threadsPerCore: 2}
- name: rest
  selector: {matchLabels: {}}
sources: {noderesourcetopologies: required, virtualmachineinstances: off}
staleAfterSeconds: 240
reportStaleAfterSeconds: 600
waitForVmMilliseconds: 20
writeGuestCells: false
keepLastLayouts: false
charges: {promiseSeconds: 60}
reply: {alwaysSendFailures: true, scoreTop: 50}
limits: {bodyBytes: 1048576, nodeNames: 5000, nesting: 100, connections: 8, requestSeconds: 2}
server: {keepAliveSeconds: 200, drainSeconds: 0}
tls: {certFile: /tls/tls.crt, keyFile: /tls/tls.key, clientCAFile: /tls/ca.crt}
allowRemoteWithoutClientCertificates: true
debug: {remote: true, decisions: 10}
logs: {level: debug, format: console}
"""
)


def test_without_a_file_everything_has_its_default():
    """And a file with nothing but its identity means the same."""
    assert load(None) == Settings() == parse(HEAD, "f")
    settings = load(None)
    assert settings.mode == "enforce"
    assert settings.limits.body_bytes == 4 * 1024 * 1024
    assert settings.server.keep_alive_seconds == 150
    assert settings.tls is None


def test_every_field_can_be_set(tmp_path):
    """One file that sets them all; what it says arrives, and `off` stays a word."""
    path = tmp_path / "fastfit.yaml"
    path.write_text(FULL)
    settings = load(str(path))
    assert settings.sources.virtualmachineinstances == "off"
    assert settings.tls is not None and settings.tls.client_ca_file == "/tls/ca.crt"
    assert settings.pools[0].kubelet == {
        "topologyManagerPolicy": "single-numa-node",
        "cpuManagerPolicyOptions": {"full-pcpus-only": "true"},
        "reservedSystemCPUs": "0,2-3",
    }
    given_fields = {name for name in Settings.__struct_fields__ if getattr(settings, name) != getattr(Settings(), name)}
    assert given_fields == set(Settings.__struct_fields__) - {"api_version", "kind"}


def test_json_is_read_too():
    """JSON is YAML here; what is written back by us is read again."""
    settings = parse(FULL, "f")
    text = orjson.dumps({k: v for k, v in msgspec.to_builtins(settings).items() if v is not None}).decode()
    pools = orjson.loads(text)["pools"]
    assert {"mode": None, "kubelet": None, "machine": None}.items() <= pools[1].items()
    for pool in pools:
        for name in [name for name, value in pool.items() if value is None]:
            del pool[name]
    again = parse(orjson.dumps({**orjson.loads(text), "pools": pools}).decode(), "f")
    assert again == settings


def test_the_first_matching_pool_wins():
    """All labels have to match; no pool is an answer too."""
    pools = pools_of(parse(FULL, "f"))
    assert pools.of({"example.com/size": "big", "zone": "", "more": "x"}).name == "big"
    assert pools.of({"example.com/size": "big"}).name == "rest"
    assert pools.of({}).name == "rest"
    none = pools_of(Settings())
    assert none.of({"a": "b"}) is none.rest


def test_modes_are_the_codes():
    """Every mode of the file is a code of the kernel, and the other way round."""
    assert [name.upper() for name in get_args(Mode)] == [code.name for code in codes.Mode]
    assert len(get_args(Mode)) == len(codes.Mode)


def test_a_pool_inherits_what_it_does_not_say():
    """Mode and each kind of doubt: the pool's word, else the global one, else keep."""
    settings = parse(FULL, "f")
    big, rest = settings.pools
    assert [settings.mode_of(pool) for pool in (big, rest, None)] == ["enforce", "score", "score"]
    assert [settings.action_of(big, doubt) for doubt in ("node", "stale", "pages")] == ["error", "keep", "keep"]
    assert [settings.action_of(rest, doubt) for doubt in ("node", "stale", "pages")] == ["error", "refuse", "keep"]
    assert settings.action_of(None, "stale") == "refuse"


def test_every_unknown_code_has_one_kind_of_doubt():
    """The kinds that the file knows are those of the table of reasons, and together they cover every doubt."""
    assert set(DOUBTS) == set(DOUBT_KINDS)
    covered = [name for names in DOUBTS.values() for name in names]
    assert sorted(covered) == sorted(code.name for code in Code if verdict_of(code) == "unknown")
    assert all(DOUBTS.values())


def test_only_some_fields_change_without_a_restart():
    """What the verbs and the state use is taken over; of the rest the changed ones are named as in the file."""
    old, new = Settings(), parse(FULL, "f")
    assert needs_restart(old, old) == ()
    live = msgspec.structs.replace(
        old,
        mode=new.mode,
        on_unknown=new.on_unknown,
        pools=new.pools,
        charges=new.charges,
        reply=new.reply,
        report_stale_after_seconds=new.report_stale_after_seconds,
    )
    assert needs_restart(old, live) == ()
    assert needs_restart(live, new) == (
        "sources", "staleAfterSeconds", "waitForVmMilliseconds", "writeGuestCells", "keepLastLayouts", "limits",
        "server", "tls", "allowRemoteWithoutClientCertificates", "debug", "logs",
    )  # fmt: skip


def test_every_field_is_described():
    """Path, type, default, unit where it is a number, and a reason that is a sentence of its own."""
    rows = {row.path: row for row in describe()}
    assert rows["$.limits.bodyBytes"][1:4] == ("integer 65536..67108864", "4194304", "bytes")
    assert rows["$.mode"].type == "enforce | observe | score"
    assert rows["$.pools[].selector.matchLabels"].default == ""
    assert rows["$.tls.clientCAFile"].default == "null"
    for row in rows.values():
        assert row.reason, row
        assert row.unit or not row.type.startswith("integer"), row
    assert len({row.reason for row in rows.values() if "mode" not in row.path.lower()}) >= len(rows) - 6


def test_every_default_is_within_its_bounds():
    """The file that spells out all defaults is accepted and changes nothing."""
    plain = msgspec.to_builtins(Settings())
    plain.pop("tls")
    assert parse(orjson.dumps(plain).decode(), "f") == Settings()


@pytest.mark.parametrize(
    "text", ["off", "on", "yes", "no", "y", "n", "NO", "True", "0o17", "1:30", "2020-01-01", ".inf"]
)
def test_words_stay_words(text):
    """What YAML 1.1 would turn into something else arrives as written."""
    settings = parse(f"{HEAD}pools: [{{name: a, selector: {{matchLabels: {{}}}}, kubelet: {{word: {text}}}}}]", "f")
    assert settings.pools[0].kubelet == {"word": text}


@pytest.mark.parametrize(("text", "value"), [("-5", -5), ("0", 0), ("1.5", 1.5), ("2e3", 2000.0), ("true", True)])
def test_numbers_and_booleans_of_json_are_read(text, value):
    """Inside the facts of a pool, where types are free."""
    settings = parse(f"{HEAD}pools: [{{name: a, selector: {{matchLabels: {{}}}}, kubelet: {{word: {text}}}}}]", "f")
    assert settings.pools[0].kubelet == {"word": value}
    assert type(settings.pools[0].kubelet["word"]) is type(value)


_LEAVES = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8)
_TREES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from([row.path.rpartition(".")[2].removesuffix("[]") for row in describe()]) | st.text(max_size=5),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@given(_TREES)
def test_the_walk_and_the_decoder_agree(tree):
    """Whatever the file holds: mistakes are listed, or it decodes; never both, never a crash."""
    data = {**tree, "apiVersion": API_VERSION, "kind": CONFIG_KIND} if isinstance(tree, dict) else tree
    text = orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS).decode() if _encodable(data) else repr(data)
    found = mistakes(text)
    if not found:
        assert isinstance(parse(text, "f"), Settings)


def _encodable(data):
    try:
        orjson.dumps(data)
    except orjson.JSONEncodeError:
        return False
    return True


@given(st.text(max_size=200))
def test_any_text_is_judged(text):
    """Arbitrary text gives mistakes, not faults."""
    assert mistakes(text)
    with pytest.raises(config.ConfigError):
        parse(text, "f")
