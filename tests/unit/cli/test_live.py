"""Against a live cluster, which here is the test kit's API server: snapshot, explain and serve."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from click.testing import CliRunner

from extender import names
from extender.cache.events import Source
from extender.cli import program
from extender.cli.exits import Exit
from extender.errors import ClusterError
from extender.kubeapi.credentials import Kubeconfig
from extender.kubeapi.transport import KubeTransport
from extender.runtime import live
from extender.sample.generate import CLUSTER, FILTER_BODY
from extender.snapshot import read
from tests.kit.fakeapi import FakeApi, Refuse
from tests.kit.watch import kubeconfig

pytestmark = pytest.mark.asyncio

ROOT = Path(__file__).parents[3]
PLURALS = {
    "Node": Source.NODES,
    "Pod": Source.PODS,
    "NodeResourceTopology": Source.NRTS,
    "VirtualMachineInstance": Source.VMIS,
}
CONFIG = f"apiVersion: {names.API_VERSION}\nkind: {names.CONFIG_KIND}\nserver: {{drainSeconds: 0}}\n"


@asynccontextmanager
async def _cluster() -> AsyncIterator[FakeApi]:
    """An API server that holds the bundled sample."""
    async with FakeApi() as api:
        for obj in orjson.loads(CLUSTER.read_bytes())["items"]:
            api.put(PLURALS[obj["kind"]], obj)
        yield api


async def _run(*args: str) -> tuple[int, str, str]:
    """`fastfit ARGS` to its end: exit code, standard output, standard error."""
    result = await asyncio.to_thread(CliRunner().invoke, program, list(args), prog_name="fastfit")
    return result.exit_code, result.stdout, result.stderr


async def _start(*args: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "from extender.cli import main; main()",
        *args,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_snapshot_of_a_cluster_answers_like_the_cluster(tmp_path: Path) -> None:
    """`snapshot` saves everything without secrets; `explain` and `targets` say the same live and from the file."""
    async with _cluster() as api:
        config = kubeconfig(tmp_path, api.url)
        secret = {"name": "app", "env": [{"name": "TOKEN", "value": "hunter2"}]}
        api.put(
            "pods",
            {
                "metadata": {"name": "app", "namespace": "a", "managedFields": [{"manager": "kubectl"}]},
                "spec": {"containers": [secret], "nodeName": "xeon-1"},
                "status": {"phase": "Running"},
            },
        )
        file = tmp_path / "cluster.json"
        code, out, err = await _run("snapshot", "-o", str(file), "--kubeconfig", config)
        assert (code, err) == (0, "")
        assert out == f"{file}: 102 objects\n"
        text = file.read_text()
        assert "hunter2" not in text
        assert "managedFields" not in text
        lived_code, lived, _ = await _run("explain", "--kubeconfig", config, "warehouse")
        filed_code, filed, _ = await _run("explain", "--snapshot", str(file), "warehouse")
        assert lived_code == filed_code == 0
        assert lived == filed
        assert "xeon-1" in lived
        lived_code, lived, _ = await _run("targets", "--kubeconfig", config, "vms/ledger-2")
        filed_code, filed, _ = await _run("targets", "--snapshot", str(file), "vms/ledger-2")
        assert lived_code == filed_code == 0
        assert lived == filed
        assert "evacuable targets now: 4 symmetric, 4 possible" in lived


async def test_a_cluster_without_kubevirt_and_reports_is_read(tmp_path: Path) -> None:
    """Kinds that are not served, and a forbidden KubeVirt object, are noted as absent in the file, and said."""
    async with _cluster() as api:
        api.not_served = {Source.VMIS, Source.MIGRATIONS, Source.NRTS}
        api.forbidden = {("list", "kubevirts")}
        file = tmp_path / "cluster.json"
        code, _, err = await _run("snapshot", "-o", str(file), "--kubeconfig", kubeconfig(tmp_path, api.url))
        assert code == 0
        assert "does not serve virtualmachineinstances" in err
        assert "does not serve kubevirts" in err
        assert set(read(file).records) == {Source.NODES, Source.PODS}


async def test_a_cluster_that_refuses_or_is_away_is_said(tmp_path: Path) -> None:
    """RBAC and a dead address give exit code 3 and a text that names verb and resource."""
    async with _cluster() as api:
        api.forbidden = {("list", "pods")}
        config = kubeconfig(tmp_path, api.url)
        code, out, err = await _run("explain", "--kubeconfig", config, "a")
        assert (code, out) == (Exit.CLUSTER, "")
        assert "list pods" in err
    code, _, err = await _run("explain", "--kubeconfig", config, "a")
    assert code == Exit.CLUSTER
    assert "Traceback" not in err


async def test_long_lists_come_in_pages_and_start_again_when_they_expire(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every page is read; a continuation that has expired costs one new list, and for ever is an error."""
    monkeypatch.setattr(live, "_PAGE", 7)
    async with _cluster() as api:
        transport = KubeTransport(Kubeconfig(kubeconfig(tmp_path, api.url)))
        try:
            taken = await live.take_from(transport)
            assert sum(obj["kind"] == "Pod" and obj["apiVersion"] == "v1" for obj in taken.objects) == 40
            assert len(api.seen("list", "pods")) == 6
            api.fault("list", "pods", Refuse(410))
            again = await live.take_from(transport)
            assert again.objects == taken.objects
            api.fault("list", "pods", Refuse(410), Refuse(410), Refuse(410))
            with pytest.raises(ClusterError):
                await live.take_from(transport)
        finally:
            await transport.close()


async def _answer(session: aiohttp.ClientSession, url: str, body: bytes | None = None) -> tuple[int, Any]:
    async with session.request("POST" if body else "GET", url, data=body) as reply:
        return reply.status, await reply.json(content_type=None) if reply.status != 404 else None


async def test_serve_watches_a_cluster_and_follows_its_configuration(tmp_path: Path) -> None:
    """Ready once synced; answers change with the cluster and with the configuration file, without a restart."""
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    binds = ("--bind", "127.0.0.1:0", "--ops-bind", "127.0.0.1:0")
    async with _cluster() as api, aiohttp.ClientSession() as session:
        arguments = ("--kubeconfig", kubeconfig(tmp_path, api.url), "--config", str(config))
        process = await _start("serve", *arguments, *binds)
        assert process.stderr is not None
        try:
            scheduler = operations = ""
            async for line in process.stderr:
                event = json.loads(line)
                if event["event"] == "serving":
                    scheduler, operations = event["scheduler"], event["operations"]
                if event["event"] == "cache complete":
                    break
            drain = asyncio.create_task(process.stderr.read())
            assert await _answer(session, operations + "/readyz") == (
                200,
                {"ok": True, "missing": [], **(await _answer(session, operations + "/readyz"))[1]},
            )

            async def kept() -> set[str]:
                status, reply = await _answer(session, scheduler + "/filter", FILTER_BODY.read_bytes())
                assert status == 200
                assert not reply["Error"]
                return set(reply["NodeNames"])

            assert "plain-1" not in await kept()
            node = api.store.get("nodes", "xeon-1", "")
            assert node is not None
            labels = {**node["metadata"]["labels"], "kubevirt.io/schedulable": "false"}
            api.put("nodes", {**node, "metadata": {**node["metadata"], "labels": labels}})
            while "xeon-1" in await kept():
                await asyncio.sleep(0.05)
            config.write_text(CONFIG + "mode: observe\n")
            while await kept() != set(json.loads(FILTER_BODY.read_bytes())["NodeNames"]):
                await asyncio.sleep(0.05)
            config.write_text(CONFIG + "mode: nonsense\n")
            async with session.get(operations + "/metrics") as page:
                assert 'fastfit_mode{mode="observe",pool=""} 1.0' in await page.text()
            while True:
                async with session.get(operations + "/metrics") as page:
                    if "fastfit_config_errors_total 1.0" in await page.text():
                        break
                await asyncio.sleep(0.05)
            assert len(await kept()) == 12, "the old configuration stays in force"
            process.send_signal(signal.SIGTERM)
            log = (await drain).decode()
            assert await process.wait() == 0, log
            assert "configuration not taken over" in log
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
