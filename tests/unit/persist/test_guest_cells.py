"""Guest cells on their way to VMIs: one patch each, in the background, and quiet where it cannot be."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog

from extender.cache.vms.guest_cells import CellsRecord
from extender.kubeapi.credentials import Kubeconfig
from extender.kubeapi.transport import KubeTransport
from extender.persist.guest_cells import CellsWriter
from tests.kit.fakeapi import FakeApi, Refuse, run
from tests.kit.watch import Path, kubeconfig

VMIS = "virtualmachineinstances"
KEY = "fastfit.dev/guest-cells"


@dataclass
class Outbox:
    """What is to be written, oldest first."""

    records: list[CellsRecord] = field(default_factory=list)
    given_back: int = 0

    def unwritten(self) -> CellsRecord | None:
        return self.records.pop(0) if self.records else None

    def give_back(self, record: CellsRecord) -> None:
        self.given_back += 1
        self.records.append(record)


@dataclass
class Stage:
    api: FakeApi
    outbox: Outbox
    counts: Counter[str]

    def want(self, name: str, uid: str = "", *, create: bool = True) -> None:
        """A VMI with another annotation, and a record for it."""
        if create:
            annotations = {"kubevirt.io/vm-generation": "1"}
            meta = {"name": name, "namespace": "vms", "uid": f"uid-{name}", "annotations": annotations}
            self.api.put(VMIS, {"metadata": meta, "spec": {"domain": {}}})
        self.outbox.records.append(CellsRecord(uid or f"uid-{name}", "vms", name, KEY, f"cells of {name}"))

    def annotations(self, name: str) -> dict[str, str]:
        found = self.api.store.get(VMIS, name, "vms")
        assert found is not None
        assert found["spec"] == {"domain": {}}
        made: dict[str, str] = found["metadata"]["annotations"]
        return made


@asynccontextmanager
async def writing() -> AsyncIterator[Stage]:
    """A writer at work."""
    with tempfile.TemporaryDirectory() as folder:
        async with FakeApi() as api:
            transport = KubeTransport(Kubeconfig(kubeconfig(Path(folder), api.url)))
            stage = Stage(api, Outbox(), Counter())
            writer = CellsWriter(
                transport,
                stage.outbox,
                lambda outcome: stage.counts.update([outcome]),
                clock=asyncio.get_running_loop().time,
            )
            task = asyncio.create_task(writer.run())
            try:
                yield stage
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await transport.close()


def test_each_vmi_is_patched_once() -> None:
    """The annotation is added, everything else stays, and no other right is used."""

    async def main() -> None:
        async with writing() as stage:
            for name in ("a", "b"):
                stage.want(name)
            await asyncio.sleep(10)
            for name in ("a", "b"):
                assert stage.annotations(name) == {"kubevirt.io/vm-generation": "1", KEY: f"cells of {name}"}
            await asyncio.sleep(600)
            assert len(stage.api.requests) == 2
            assert stage.api.rights_used() == {("patch", "kubevirt.io", VMIS)}
            assert stage.counts == {"written": 2}

    run(main())


def test_a_vmi_that_is_gone_is_passed_over() -> None:
    """Deleted, or another one has its name now: not written, not tried again, and the next one is."""

    async def main() -> None:
        async with writing() as stage:
            stage.want("gone", create=False)
            stage.want("new", uid="an older one")
            stage.want("here")
            await asyncio.sleep(600)
            assert stage.counts == {"in_vain": 2, "written": 1}
            assert KEY not in stage.annotations("new")
            assert KEY in stage.annotations("here")
            assert stage.outbox.given_back == 0

    run(main())


def test_where_it_is_forbidden_it_is_quiet() -> None:
    """One line, one try in a quarter of an hour whatever waits; once allowed, all is written."""

    async def main() -> None:
        async with writing() as stage:
            stage.api.forbidden = {("patch", VMIS)}
            for number in range(20):
                stage.want(f"vm{number}")
            await asyncio.sleep(3600)
            assert 4 <= stage.counts["forbidden"] <= 5
            assert len(stage.api.requests) == stage.counts["forbidden"]
            stage.api.forbidden = set()
            await asyncio.sleep(910)
            assert stage.counts["written"] == 20

    with structlog.testing.capture_logs() as logs:
        run(main())
    said = [entry for entry in logs if entry["log_level"] == "warning"]
    assert len(said) == 1
    assert "grant the verb patch on virtualmachineinstances.kubevirt.io" in said[0]["error"]
    assert "writeGuestCells: false" in said[0]["event"]


def test_a_sick_server_is_left_alone_for_a_while() -> None:
    """Back-off, and what the server asks for; nothing is lost."""

    async def main() -> None:
        async with writing() as stage:
            stage.api.fault("patch", VMIS, Refuse(500), Refuse(429, retry_after=40), Refuse(503))
            stage.want("a")
            await asyncio.sleep(120)
            times = [request.at for request in stage.api.requests]
            assert [request.code for request in stage.api.requests] == [500, 429, 503, 200]
            assert times[1] - times[0] >= 0.8
            assert times[2] - times[1] >= 40
            assert stage.counts == {"failed": 3, "written": 1}
            assert KEY in stage.annotations("a")

    run(main())
