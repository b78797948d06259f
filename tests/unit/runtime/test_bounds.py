"""What callers can make the service hold is bounded in bytes, and stays below the memory limit of the manifests."""

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from structlog.testing import capture_logs

from extender.api.objects import Pod
from extender.config import Settings
from extender.errors import BadRequest, ConfigError
from extender.kubeapi.transport import LINE_BYTES, PAGE_BYTES
from extender.placement.answer_json import as_json
from extender.placement.explain import explain
from extender.runtime.asked_pods import AskedPods
from extender.runtime.memory import check_memory, in_flight_bytes, memory_limit
from extender.runtime.service import Service
from extender.sample.generate import CLUSTER, FILTER_BODY
from extender.snapshot import read
from extender.wire.args import read_args
from tests.deploy.manifests import DEPLOY, documents
from tests.kit.bodies import args, pod_json

MIB = 1 << 20


def _pod(name: str = "vm", **annotations: str) -> Pod:
    """The sample's launcher pod under another name, with more annotations."""
    raw = orjson.loads(FILTER_BODY.read_bytes())["Pod"]
    raw["metadata"]["name"] = name
    raw["metadata"]["annotations"] = {**raw["metadata"].get("annotations", {}), **annotations}
    return msgspec.convert(raw, Pod)


def test_pods_for_explain_are_trimmed() -> None:
    """An annotation of 200 KB that nothing reads is not kept."""
    asked = AskedPods(1000)
    asked.keep(_pod("plain"))
    plain = asked.held_bytes
    asked.keep(_pod("large", note="x" * 200_000))
    assert asked.held_bytes < 2 * plain + 1000
    kept = asked.get(_pod().metadata.namespace, "large")
    assert kept is not None
    assert "note" not in (kept.metadata.annotations or {})


def test_pods_for_explain_are_bounded_in_bytes() -> None:
    """A thousand pods with large annotations of KubeVirt's own domain stay below the limit, the newest are kept."""
    asked = AskedPods(1000, total_bytes=MIB)
    for number in range(1000):
        asked.keep(_pod(f"vm-{number}", **{"kubevirt.io/note": "x" * 100_000}))
        assert asked.held_bytes <= MIB
    namespace = _pod().metadata.namespace
    assert asked.get(namespace, "vm-999") is not None
    assert asked.get(namespace, "vm-0") is None
    assert asked.held_bytes == sum(map(len, asked._pods.values()))


def test_one_pod_pushes_no_others_out() -> None:
    """A pod that is too large to keep is left out, and the others stay; an older form of it goes."""
    asked = AskedPods(10)
    namespace = _pod().metadata.namespace
    for name in ("a", "b"):
        asked.keep(_pod(name))
    asked.keep(_pod("b", **{"kubevirt.io/note": "x" * 200_000}))
    assert asked.get(namespace, "a") is not None
    assert asked.get(namespace, "b") is None


def test_only_vms_are_kept() -> None:
    """Any other pod passes without an explanation."""
    asked = AskedPods(10)
    raw = orjson.loads(FILTER_BODY.read_bytes())["Pod"]
    raw["metadata"]["labels"] = {}
    asked.keep(msgspec.convert(raw, Pod))
    assert len(asked) == 0


def test_a_trimmed_pod_is_explained_as_the_whole_one() -> None:
    """What /debug/explain says after a call is what `fastfit explain` says of the pod."""
    service = Service(Settings())
    read(CLUSTER).feed(service.sink)
    service.make_rows_now()
    call = service.verbs.read(FILTER_BODY.read_bytes())
    pod: Pod = call.pod  # type: ignore[union-attr]
    service.verbs.filter(call, 1.0)
    whole = as_json(explain(service.cluster, pod))
    assert service.explain(pod.metadata.namespace, pod.metadata.name) == whole


def test_names_of_a_call_are_bounded() -> None:
    """What is remembered by name or UID costs no more than Kubernetes' longest names."""
    pod = pod_json("vm")
    for field in ("name", "namespace", "uid"):
        for length, good in ((253, True), (254, False)):
            changed: dict[str, Any] = {**pod, "metadata": {**pod["metadata"], field: "x" * length}}
            body = args(["a"], changed)
            if good:
                read_args(body, 10, 64)
            else:
                with pytest.raises(BadRequest, match="253"):
                    read_args(body, 10, 64)


def _limits() -> list[int]:
    """The memory limits of the extender in the manifests."""
    found = []
    for path in sorted(DEPLOY.rglob("*.yaml")):
        for document in documents(path):
            spec = document.get("spec", {}).get("template", {}).get("spec", {}) if isinstance(document, dict) else {}
            for each in [*spec.get("initContainers", []), *spec.get("containers", [])]:
                if each.get("name") == "extender" and "resources" in each:
                    text = each["resources"]["limits"]["memory"]
                    assert text.endswith("Mi")
                    found.append(int(text[:-2]) * MIB)
    return found


def test_calls_and_lists_leave_half_of_the_manifests_memory_to_the_cache() -> None:
    """connections x bodyBytes and a page of every kind, with the shipped settings, in every manifest with the extender."""
    limits = _limits()
    assert len(limits) == 2
    assert in_flight_bytes(Settings()) <= min(limits) // 2
    assert LINE_BYTES <= PAGE_BYTES


def test_settings_over_the_limit_do_not_start() -> None:
    """All of the memory: named with both settings and the remedy. More than half: a warning. No limit: nothing."""
    most = in_flight_bytes(Settings())
    with capture_logs() as logs:
        check_memory(Settings(), None)
        check_memory(Settings(), 2 * most)
        assert not logs
        check_memory(Settings(), 2 * most - 1024)
        assert "more than half" in logs[0]["event"]
    with pytest.raises(ConfigError, match=r"limits\.connections x limits\.bodyBytes = 32 x 4194304.*lower"):
        check_memory(Settings(), most)


def test_the_limit_of_the_container_is_read(tmp_path: Path) -> None:
    """cgroup v2 and v1, with and without a limit, and neither."""
    file = tmp_path / "memory.max"
    assert memory_limit((file,)) is None
    for text, limit in (("536870912\n", 536870912), ("max\n", None), ("9223372036854771712\n", None), ("", None)):
        file.write_text(text)
        assert memory_limit((tmp_path / "absent", file)) == limit
