"""filter and prioritize against the real kube-scheduler, which runs with the shipped file and our account's rights."""

import re
from collections.abc import Iterator

import pytest

from _fastfit.codes import Code
from extender.reasons import REASONS
from tests.kit.cluster.control_plane import ControlPlane
from tests.kit.cluster.processes import wait_for
from tests.kit.instance_types import CX1_2XLARGE, CX1_4XLARGE, CX1_8XLARGE, D1_LARGE, U1_MICRO
from tests.kit.site import EXTENDER_USER, Object, Site, node, site
from tests.kit.wiretap import Call

KVM = "devices.kubevirt.io/kvm"


def fleet() -> list[Object]:
    """Two nodes that hold one VM of 17 CPUs in each of their two zones; one that wants whole cores; one too small."""
    telco = node("telco-1", "H5", "restricted", pages=64, reserved="0,36")
    telco["kubelet"]["cpuManagerPolicyOptions"] = {"full-pcpus-only": "true"}
    return [
        node("lab-1", "H29", "single-numa-node", pages=64),
        node("lab-2", "H29", "single-numa-node", pages=64),
        telco,
        node("naples-1", "H10", "single-numa-node", pages=8),
    ]


@pytest.fixture(scope="module")
def here(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The site of this module."""
    with site(control_plane, fleet(), tmp_path_factory.mktemp("contract")) as running:
        yield running


@pytest.fixture(autouse=True)
def _swept(here: Site) -> Iterator[None]:
    """Leave no pod behind."""
    yield
    here.clear()


def test_best_node_is_taken_and_admits(here: Site) -> None:
    """filter, prioritize, binding: the pod goes to the node that got the one 10, and its kubelet admits it."""
    pod = here.vm("first", CX1_2XLARGE)
    bound_to = here.node_of(pod)
    assert here.verdict(pod)["admitted"]
    asked, ranked = here.wiretap.of(pod)
    assert (asked.verb, ranked.verb) == ("filter", "prioritize")
    assert asked.args["Nodes"] is None
    assert ranked.args["NodeNames"] == asked.answer["NodeNames"]
    assert [entry["Host"] for entry in ranked.answer if entry["Score"] == 10] == [bound_to]


def test_sole_survivor_is_charged_without_prioritize(here: Site) -> None:
    """Three VMs at once for a node that holds two: nobody calls prioritize, and still no kubelet has to refuse."""
    manifests = [here.manifest(f"sole-{number}", CX1_4XLARGE, host="lab-1") for number in range(3)]
    pods = here.plane.api.create_all(manifests)
    wait_for(lambda: sum("nodeName" in here.now(pod)["spec"] for pod in pods) == 2, "two of three to be bound")
    (left,) = [pod for pod in pods if "nodeName" not in here.now(pod)["spec"]]
    assert REASONS[Code.ZoneCpuShort].text in here.refusal(left)["message"]
    assert all(here.verdict(pod)["admitted"] for pod in pods if pod is not left)
    assert not [call for pod in pods for call in here.wiretap.of(pod, "prioritize")]


def test_nominated_node_asked_twice_counts_once(here: Site) -> None:
    """A nominated node is asked alone and refused, then all are asked in the same cycle: one charge, not two."""
    for number in range(2):
        assert here.verdict(here.vm(f"before-{number}", CX1_4XLARGE, host="lab-1"))["admitted"]
    pod = nominated(here, "nominee", "lab-1")
    # full-pcpus-only refuses 17 CPUs, naples-1 is too small: lab-2 is left.
    assert here.node_of(pod) == "lab-2"
    first, second = here.wiretap.of(pod, "filter")
    assert (first.args["NodeNames"], first.answer["NodeNames"]) == (["lab-1"], [])
    assert second.answer["NodeNames"] == ["lab-2"]
    assert here.verdict(pod)["admitted"]
    assert here.extender.metric("fastfit_charged_pods") == 3
    # One zone of lab-2 is still free: a pod counted twice would have taken it.
    assert here.verdict(here.vm("after", CX1_4XLARGE, host="lab-2"))["admitted"]


def test_nominated_node_that_fits_is_taken_at_once(here: Site) -> None:
    """One filter call with one name, no prioritize, one charge."""
    pod = nominated(here, "nominee", "lab-2")
    assert here.node_of(pod) == "lab-2"
    assert here.verdict(pod)["admitted"]
    (call,) = here.wiretap.of(pod)
    assert call.args["NodeNames"] == call.answer["NodeNames"] == ["lab-2"]
    assert here.extender.metric("fastfit_charged_pods") == 1


def nominated(here: Site, name: str, host: str) -> Object:
    """A VM of 17 CPUs that is nominated for a node before kube-scheduler first looks at it."""
    manifest = here.manifest(name, CX1_4XLARGE)
    manifest["spec"]["schedulingGates"] = [{"name": "tests/not-yet"}]
    pod = here.plane.api.create(manifest)
    here.plane.api.patch(f"{here.path(pod)}/status", {"status": {"nominatedNodeName": host}})
    here.plane.api.patch(here.path(pod), {"spec": {"schedulingGates": None}})
    return pod


def test_pod_that_fits_nowhere_says_why_for_every_node(here: Site) -> None:
    """It stays Pending; `kubectl describe pod` counts every node once, ours and kube-scheduler's reasons together."""
    pod = here.vm("too-wide", CX1_8XLARGE)
    here.refusal(pod)

    def described() -> str:
        text = here.plane.kubectl("describe", "pod", pod["metadata"]["name"], "-n", here.namespace).stdout
        return text if "FailedScheduling" in text else ""

    text = " ".join(wait_for(described, "the event").split())
    sentence = re.search(r"0/(\d+) nodes are available: (.*?)\.(?: |$)", text)
    assert sentence is not None, text
    counts = {words: int(count) for count, words in re.findall(r"(\d+) ([^,]+?)(?:, (?=\d)|$)", sentence[2])}
    assert counts == {
        "Insufficient cpu": 1,
        REASONS[Code.NeverFitsZone].text: 2,
        REASONS[Code.SmtAlignment].text: 1,
    }
    assert sum(counts.values()) == int(sentence[1]) == len(fleet())
    assert here.now(pod)["status"]["phase"] == "Pending"


def test_pod_without_devices_never_reaches_us(here: Site) -> None:
    """Not a VM: kube-scheduler places it without a call, CPUs of its own or not."""
    pod = here.pod("web", {"cpu": "2", "memory": "1Gi"})
    here.node_of(pod)
    assert here.verdict(pod)["admitted"]
    assert here.wiretap.of(pod) == []


@pytest.mark.parametrize("kind", ["guestfs", "ordinary"])
def test_what_needs_no_zone_passes_unchanged(here: Site, kind: str) -> None:
    """A pod that asks for kvm and is no VM, and a VM without CPUs of its own: all nodes stay, none is preferred."""
    pod = here.vm("shared", U1_MICRO) if kind == "ordinary" else here.pod("guestfs", {"cpu": "500m", KVM: "1"})
    here.node_of(pod)
    asked, ranked = here.wiretap.of(pod)
    assert asked.answer["NodeNames"] == asked.args["NodeNames"]
    assert len(asked.args["NodeNames"]) == len(fleet())
    assert {entry["Score"] for entry in ranked.answer} <= {0}
    assert here.extender.metric("fastfit_charged_pods") == 0


def test_observe_mode_records_and_changes_nothing(here: Site) -> None:
    """Switched on while running: a VM goes where we would refuse it; verdict, decision and the kubelet's word are kept."""
    refusals = {"reason": "TopologyAffinityError", "our_verdict": "refused"}
    before = here.extender.metric("fastfit_kubelet_refusals_total", **refusals)
    switch(here, "observe")
    try:
        doomed = here.vm("doomed", CX1_8XLARGE, host="lab-1")
        assert here.node_of(doomed) == "lab-1"
        assert here.verdict(doomed)["reason"] == "TopologyAffinityError"
        free = here.vm("free", CX1_2XLARGE)
        here.node_of(free)
    finally:
        switch(here, "enforce")
    asked, ranked = here.wiretap.of(free)
    assert asked.answer["NodeNames"] == asked.args["NodeNames"]
    assert {entry["Score"] for entry in ranked.answer} <= {0}

    def recorded() -> str:
        return str(here.extender.decisions(f"{here.namespace}/{doomed['metadata']['name']}")[0]["afterwards"])

    assert "TopologyAffinityError" in wait_for(recorded, "the kubelet's word in the decision")
    (decision,) = here.extender.decisions(f"{here.namespace}/{doomed['metadata']['name']}")
    assert decision["mode"] == "observe"
    assert decision["counts"] == {"NeverFitsZone": 1}
    assert here.extender.metric("fastfit_kubelet_refusals_total", **refusals) == before + 1


def switch(here: Site, mode: str) -> None:
    """Change the configuration file and wait until the running extender has taken it over."""
    here.extender.configure({"mode": mode})
    wait_for(lambda: here.extender.metric("fastfit_mode", pool="", mode=mode) == 1, f"mode {mode}")


def test_extender_down_vms_wait_and_others_do_not(here: Site) -> None:
    """Without us VMs stay pending and say so; other pods are placed; VMs follow when we are back."""
    here.extender.stop()
    try:
        waiting, other = here.vm("waiting", D1_LARGE), here.pod("other", {"cpu": "1", "memory": "1Gi"})
        here.node_of(other)
        assert here.refusal(waiting)["reason"] == "SchedulerError"
        assert "nodeName" not in here.now(waiting)["spec"]
    finally:
        here.extender.start()
    here.node_of(waiting)
    assert here.verdict(waiting)["admitted"]


def test_two_hundred_calls_share_a_connection(here: Site) -> None:
    """A hundred VMs at once: filter and prioritize of each, all over one connection."""
    # The connection of the tests before may have come to its idle end, so one more may open.
    before = here.wiretap.connections
    pods = here.plane.api.create_all([here.manifest(f"many-{number}", U1_MICRO) for number in range(100)])
    for pod in pods:
        here.node_of(pod)
    calls = [call for pod in pods for call in here.wiretap.of(pod)]
    assert len(calls) == 200
    assert len({call.connection for call in calls}) == 1
    assert here.wiretap.connections <= before + 1


def test_no_reply_of_this_run_was_empty_or_vague(here: Site) -> None:
    """Over all calls so far: 200, sized, NodeNames a list of asked names, whole-number scores, refusals complete."""
    here.node_of(here.vm("last", CX1_2XLARGE))
    calls = list(here.wiretap.calls)
    assert {call.verb for call in calls} == {"filter", "prioritize"}
    for call in calls:
        assert call.status == 200
        assert "transfer-encoding" not in call.reply.headers
        check_filter(call) if call.verb == "filter" else check_prioritize(call)


def check_filter(call: Call) -> None:
    asked, answer = call.args["NodeNames"], call.answer
    assert isinstance(answer["NodeNames"], list)
    assert answer["Error"] == ""
    assert set(answer["NodeNames"]) <= set(asked)
    assert not answer.get("FailedNodes")
    refused = answer["FailedAndUnresolvableNodes"]
    assert set(refused) == (set() if answer["NodeNames"] else set(asked))
    assert set(refused.values()) <= {reason.text for reason in REASONS.values()}


def check_prioritize(call: Call) -> None:
    scores = {entry["Host"]: entry["Score"] for entry in call.answer}
    assert len(scores) == len(call.answer)
    assert set(scores) <= set(call.args["NodeNames"])
    assert all(type(score) is int and 0 <= score <= 10 for score in scores.values())
    assert list(scores.values()).count(10) <= 1


def test_rights_of_the_extender_suffice(here: Site) -> None:
    """Under a user that holds its two roles alone nothing it asked for was refused, and it wrote VMIs and records alone.

    These VMs may be gone before anything is written of them; what is written is proved in tests/deploy.
    """
    events = list(here.plane.audit(EXTENDER_USER))
    assert {event["responseStatus"]["code"] for event in events} <= {200}
    kinds = {
        verb: {event["objectRef"]["resource"] for event in events if event["verb"] == verb}
        for verb in {event["verb"] for event in events}
    }
    assert kinds.keys() <= {"list", "watch", "get", "patch"}
    assert kinds["get"] == {"configmaps"}
    assert kinds.get("patch", set()) <= {"virtualmachineinstances", "configmaps"}
    assert "forbidden" not in here.scheduler.log()
