"""Every mistake is named by its path, what stands there, and the remedy; all of a file at once."""

import pytest

from extender import config
from extender.config import mistakes, parse
from extender.errors import BadObject, ConfigError

HEAD = "apiVersion: fastfit.dev/v1alpha1\nkind: FastfitConfiguration\n"


def one_pool(text):
    """A pool that is right but for `text`."""
    return f"pools: [{{name: a, selector: {{matchLabels: {{x: y}}}}, {text}}}]"


def selector(text):
    """A pool with these labels."""
    return f"pools: [{{name: a, selector: {{matchLabels: {{{text}}}}}}}]"


#: what is written below the head, the path, and words that have to be in the message
TABLE = [
    # names of fields
    ("modes: enforce", "$.modes", "unknown field; did you mean mode?"),
    ("Mode: enforce", "$.Mode", "did you mean mode?"),
    ("on_unknown: {}", "$.on_unknown", "did you mean onUnknown?"),
    ("stale-after-seconds: 200", "$.stale-after-seconds", "did you mean staleAfterSeconds?"),
    ("xyzzy: 1", "$.xyzzy", "known: apiVersion, kind, mode"),
    ("spec: {mode: enforce}", "$.spec", "the settings stand at the top level"),
    ("metadata: {name: fastfit}", "$.metadata", "not an API object; remove it"),
    ("limits: {bodyByte: 70000}", "$.limits.bodyByte", "did you mean bodyBytes?"),
    ("limits: {timeout: 3}", "$.limits.timeout", "known: bodyBytes, nodeNames"),
    ("server: {keepaliveSeconds: 150}", "$.server.keepaliveSeconds", "did you mean keepAliveSeconds?"),
    ("tls: {certFile: a, keyFile: b, caFile: c}", "$.tls.caFile", "did you mean"),
    ("tls: {certFile: a, keyFile: b, clientCaFile: c}", "$.tls.clientCaFile", "did you mean clientCAFile?"),
    ("sources: {nodes: required}", "$.sources.nodes", "nodes are always required; remove it"),
    ("sources: {pods: off}", "$.sources.pods", "pods are always required; remove it"),
    ("sources: {noderesourcetopology: off}", "$.sources.noderesourcetopology", "did you mean noderesourcetopologies?"),
    ("onUnknown: {node: keep, zone: keep}", "$.onUnknown.zone", "did you mean zones?"),
    ("onUnknown: {everything: keep}", "$.onUnknown.everything", "known: contradiction, counts"),
    (one_pool("mod: score"), "$.pools[0].mod", "did you mean mode?"),
    ("pools: [{name: a, selector: {matchExpressions: []}}]", "$.pools[0].selector.matchExpressions", "unknown field"),
    ("pools: [{name: a, selector: {matchExpressions: []}}]", "$.pools[0].selector.matchLabels", "missing"),
    # values out of a list
    ("mode: enforced", "$.mode", "not one of enforce, observe, score; did you mean enforce?"),
    ("mode: ENFORCE", "$.mode", "did you mean enforce?"),
    ("mode: dry-run", "$.mode", "write one of enforce, observe, score"),
    ("mode: true", "$.mode", "not one of"),
    ("mode: [enforce]", "$.mode", "not one of"),
    ("mode: {}", "$.mode", "not one of"),
    ("onUnknown: {node: ignore}", "$.onUnknown.node", "write one of error, keep, refuse"),
    ("onUnknown: {node: refused}", "$.onUnknown.node", "did you mean refuse?"),
    ("sources: {virtualmachineinstances: false}", "$.sources.virtualmachineinstances", "not one of off, optional"),
    ("sources: {virtualmachineinstances: yes}", "$.sources.virtualmachineinstances", "not one of"),
    ("logs: {level: warn}", "$.logs.level", "did you mean warning?"),
    ("logs: {level: 3}", "$.logs.level", "not one of debug, error, info, warning"),
    ("logs: {format: text}", "$.logs.format", "write one of console, json"),
    (one_pool("mode: enforc"), "$.pools[0].mode", "did you mean enforce?"),
    (one_pool("onUnknown: {pages: drop}"), "$.pools[0].onUnknown.pages", "not one of"),
    # numbers
    ("staleAfterSeconds: 60", "$.staleAfterSeconds", "too small; write a whole number from 90"),
    ("staleAfterSeconds: 1000000", "$.staleAfterSeconds", "too large; write a whole number from 90 to 86400"),
    ("staleAfterSeconds: 180s", "$.staleAfterSeconds", "not a whole number"),
    ("staleAfterSeconds: '180'", "$.staleAfterSeconds", "not a whole number"),
    ("staleAfterSeconds: 180.0", "$.staleAfterSeconds", "not a whole number"),
    ("staleAfterSeconds: 3:00", "$.staleAfterSeconds", '"3:00": not a whole number'),
    ("staleAfterSeconds: true", "$.staleAfterSeconds", "not a whole number"),
    ("staleAfterSeconds: 99999999999999999999999999", "$.staleAfterSeconds", "not a whole number"),
    ("reportStaleAfterSeconds: -1", "$.reportStaleAfterSeconds", "too small; write a whole number from 0"),
    ("charges: {promiseSeconds: 0}", "$.charges.promiseSeconds", "too small"),
    ("reply: {scoreTop: 0}", "$.reply.scoreTop", "too small"),
    ("limits: {bodyBytes: 4Mi}", "$.limits.bodyBytes", "not a whole number"),
    ("limits: {bodyBytes: 1024}", "$.limits.bodyBytes", "too small; write a whole number from 65536"),
    ("limits: {nodeNames: 0x10}", "$.limits.nodeNames", "not a whole number"),
    ("limits: {nodeNames: 5_000}", "$.limits.nodeNames", "not a whole number"),
    ("limits: {nesting: 10000}", "$.limits.nesting", "too large; write a whole number from 32 to 256"),
    ("limits: {connections: 1}", "$.limits.connections", "too small"),
    ("limits: {requestSeconds: 0}", "$.limits.requestSeconds", "too small"),
    ("server: {keepAliveSeconds: 75}", "$.server.keepAliveSeconds", "too small; write a whole number from 120"),
    ("server: {drainSeconds: -5}", "$.server.drainSeconds", "too small"),
    ("debug: {decisions: 1000000}", "$.debug.decisions", "too large"),
    # true and false
    ("reply: {alwaysSendFailures: 'true'}", "$.reply.alwaysSendFailures", "write true or false, without quotes"),
    ("reply: {alwaysSendFailures: yes}", "$.reply.alwaysSendFailures", "not true or false"),
    ("debug: {remote: 1}", "$.debug.remote", "not true or false"),
    ("allowRemoteWithoutClientCertificates: on", "$.allowRemoteWithoutClientCertificates", "not true or false"),
    # shapes
    ("pools: {name: a}", "$.pools", "not a list; begin each entry with '- '"),
    ("pools: workers", "$.pools", "not a list"),
    ("pools: [workers]", "$.pools[0]", "not an object; give it fields: name, selector"),
    ("pools: [{name: a, selector: {matchLabels: [x]}}]", "$.pools[0].selector.matchLabels", "not an object"),
    ("pools: [{name: a, selector: x=y}]", "$.pools[0].selector", "not an object; give it fields: matchLabels"),
    ("onUnknown: keep", "$.onUnknown", "not an object"),
    ("limits: 5", "$.limits", "not an object"),
    ("tls: true", "$.tls", "not an object; give it fields: certFile"),
    ("limits: null", "$.limits", "no value given; leave the field out"),
    ("limits:", "$.limits", "no value given"),
    ("mode: ~", "$.mode", "no value given"),
    ("tls: {certFile: a, keyFile: ~}", "$.tls.keyFile", "no value given"),
    (one_pool("kubelet: static"), "$.pools[0].kubelet", "not an object"),
    (one_pool("machine: [2]"), "$.pools[0].machine", "not an object"),
    # what is required
    ("tls: {}", "$.tls.certFile", "missing; add it: PEM: the server's certificate"),
    ("tls: {certFile: a}", "$.tls.keyFile", "missing"),
    ("tls: {certFile: '', keyFile: b}", "$.tls.certFile", "empty"),
    ("pools: [{selector: {matchLabels: {}}}]", "$.pools[0].name", "missing"),
    ("pools: [{name: a}]", "$.pools[0].selector", "missing; add it: which nodes"),
    # names and labels
    ("pools: [{name: Big Nodes, selector: {matchLabels: {}}}]", "$.pools[0].name", "write lower-case letters"),
    ("pools: [{name: '', selector: {matchLabels: {}}}]", "$.pools[0].name", "not of the right form"),
    ("pools: [{name: 1, selector: {matchLabels: {}}}]", "$.pools[0].name", "not a string; put it in quotes"),
    (f"pools: [{{name: {'a' * 64}, selector: {{matchLabels: {{}}}}}}]", "$.pools[0].name", "at most 63"),
    ('pools: [{name: "a\\n", selector: {matchLabels: {}}}]', "$.pools[0].name", "not of the right form"),
    (selector("'a b': c"), "$.pools[0].selector.matchLabels.a b", "a label key of Kubernetes"),
    (selector("/x: c"), "$.pools[0].selector.matchLabels./x", "a label key of Kubernetes"),
    (selector("rack: 'a b'"), "$.pools[0].selector.matchLabels.rack", "a label value of Kubernetes"),
    (selector("rack: 7"), "$.pools[0].selector.matchLabels.rack", 'not a string; put it in quotes: "7"'),
    (selector("ssd: true"), "$.pools[0].selector.matchLabels.ssd", 'not a string; put it in quotes: "true"'),
    (selector("rack: null"), "$.pools[0].selector.matchLabels.rack", "no value given"),
    # text
    ("mode: score\nmode: enforce", "$.mode", "given twice, again in line 4; keep one"),
    ("limits: {nesting: 64, nesting: 65}", "$.limits.nesting", "given twice"),
    ("limits: &a {nesting: 64}\nserver: *a", "$.server", "aliases are not read; write the value out"),
    ("onUnknown: {node: &a keep, zones: *a}", "$.onUnknown.zones", "aliases are not read"),
    ("onUnknown: {[1]: keep}", "$.onUnknown", "keys are words"),
    ("mode: [unclosed", "$", "not YAML"),
    ("\tmode: score", "$", "line 3, column 1: not YAML"),
    ("mode: score: enforce", "$", "line 3, column 12: not YAML"),
    ("--- \nmode: score", "$", "not YAML: but found another document"),
    ("limits: " + "[" * 5000, "$", "nested too deep"),
    ("mode: 'sc\x00re'", "$", "not YAML"),
    ("limits: {<<: {nesting: 64}}", "$.limits.<<", "unknown field"),
    ('"a\\nb": 1', "$['a\\nb']", "unknown field"),
    ('"": 1', "$['']", "unknown field"),
    ('mode: "\\ud800"', "$.mode", "'\\ud800': not one of"),
    ("mode: !!python/name:os.system x", "$.mode", "not one of"),
]


@pytest.mark.parametrize(
    ("text", "path", "words"), TABLE, ids=[f"{i:02} {row[0][:30]!r}" for i, row in enumerate(TABLE)]
)
def test_a_mistake_is_named_with_path_value_and_remedy(text, path, words):
    """One row of the table: the path is exact, the words are there, and parse refuses the file."""
    found = mistakes(HEAD + text)
    lines = [str(mistake) for mistake in found if mistake.path == path]
    assert lines, found
    assert any(words in line for line in lines)
    for mistake in found:
        assert mistake.value and mistake.problem and mistake.remedy
        assert "\n" not in str(mistake)
        assert len(mistake.value) <= 60
    with pytest.raises(ConfigError) as caught:
        parse(HEAD + text, "fastfit.yaml")
    assert str(caught.value).startswith("fastfit.yaml: ")
    assert all(line in str(caught.value) for line in lines)


def test_the_table_is_long_enough():
    """At least 60 different mistakes."""
    assert len({row[:2] for row in TABLE}) >= 60


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ("", "$", "the file is empty"),
        ("# only a comment\n", "$", "the file is empty"),
        ("null", "$", "not an object"),
        ("- mode", "$", "not an object; begin with apiVersion: fastfit.dev/v1alpha1"),
        ("enforce", "$", "not an object"),
        ("kind: FastfitConfiguration", "$.apiVersion", "missing; add apiVersion: fastfit.dev/v1alpha1"),
        ("apiVersion: fastfit.dev/v1alpha1", "$.kind", "missing; add kind: FastfitConfiguration"),
        ("apiVersion: fastfit.dev/v1\nkind: FastfitConfiguration", "$.apiVersion", "not what this version reads"),
        ("apiVersion: fastfit.dev/v1alpha1\nkind: ConfigMap", "$.kind", "write kind: FastfitConfiguration"),
        ("apiVersion: 1\nkind: FastfitConfiguration", "$.apiVersion", "not a string"),
        ("apiVersion:\nkind: FastfitConfiguration", "$.apiVersion", "no value given"),
        ("#" * (1 << 20) + "\n", "$", "too long"),
    ],
)
def test_what_is_not_our_configuration_is_told_apart(text, path, words):
    """The first two lines say what the file is."""
    found = mistakes(text)
    assert any(mistake.path == path and words in str(mistake) for mistake in found), found


def test_all_mistakes_of_a_file_come_at_once():
    """Ten mistakes of all kinds, ten lines, and the number in front."""
    text = (
        HEAD
        + """
mode: enforced
pols: []
limits: {bodyBytes: 12, nesting: true}
pools:
- {name: A, selector: {matchLabels: {a: 1}}}
- {name: b, selector: {matchLabels: {}}, mode: obsere}
- {name: b, selector: {matchLabels: {c: d}}}
logs: {level: info, level: debug}
"""
    )
    found = mistakes(text)
    assert [mistake.path for mistake in found] == [
        "$.logs.level", "$.mode", "$.pols", "$.limits.bodyBytes", "$.limits.nesting", "$.pools[0].name",
        "$.pools[0].selector.matchLabels.a", "$.pools[1].mode", "$.pools[2].name", "$.pools[2].selector",
    ]  # fmt: skip
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.yaml")
    assert str(caught.value).splitlines()[0] == "f.yaml: 10 mistakes"
    assert len(str(caught.value).splitlines()) == 11


def test_a_pool_behind_a_wider_one_is_never_used():
    """The first match wins, so the narrower pool has to come first."""
    wide, narrow = "{name: w, selector: {matchLabels: {a: b}}}", "{name: n, selector: {matchLabels: {a: b, c: d}}}"
    assert mistakes(f"{HEAD}pools: [{narrow}, {wide}]") == []
    (mistake,) = mistakes(f"{HEAD}pools: [{wide}, {narrow}]")
    assert mistake.path == "$.pools[1].selector"
    assert "never used: pools[0] stands before it" in mistake.problem
    other = "{name: o, selector: {matchLabels: {a: x, c: d}}}"
    assert mistakes(f"{HEAD}pools: [{wide}, {other}]") == []


def test_facts_of_pools_are_judged_by_the_reader_that_is_given():
    """What it raises becomes a mistake at the object's path; without a reader nothing is judged."""
    asked = []

    def reader(which, value):
        asked.append((which, value))
        if which == "machine":
            raise BadObject("machine.numa[0].id: -1 is negative")

    text = HEAD + one_pool("kubelet: {cpuManagerPolicy: static}, machine: {numa: [{id: -1}]}")
    assert mistakes(text) == []
    (mistake,) = mistakes(text, reader)
    assert (mistake.path, mistake.problem) == ("$.pools[0].machine", "machine.numa[0].id: -1 is negative")
    assert asked == [("kubelet", {"cpuManagerPolicy": "static"}), ("machine", {"numa": [{"id": -1}]})]


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read (No such file"), (b"\xff\xfe", "not UTF-8 text at byte 0")],
)
def test_files_that_cannot_be_read_are_named(tmp_path, content, words):
    """Path, reason and remedy."""
    path = tmp_path / "fastfit.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        config.load(str(path))
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert ";" in str(caught.value)


def test_a_directory_is_not_a_configuration(tmp_path):
    """A mistake in a volume mount."""
    with pytest.raises(ConfigError, match="cannot be read"):
        config.load(str(tmp_path))
