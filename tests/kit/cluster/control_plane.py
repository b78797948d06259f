"""A control plane on loopback: etcd, a kube-apiserver, and what the tests add to it."""

import contextlib
import functools
import json
import shutil
import signal
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

from tests.kit.cluster.api import Api, ApiError
from tests.kit.cluster.build import DEFAULT_VERSION, ensure_binary
from tests.kit.cluster.hollow_kubelets import HollowKubelets
from tests.kit.cluster.pki import Authority, write_kubeconfig
from tests.kit.cluster.processes import Process, free_ports, wait_for

__all__ = ["ControlPlane", "Scheduler"]

CRDS: Final = Path(__file__).parent / "crds"
ADMIN_TOKEN: Final = "admin-of-a-throw-away-cluster"

# Every request, once, when it is complete (a watch: when it starts).
AUDIT_POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


class Scheduler:
    """A running kube-scheduler. Its log is `process.log`."""

    def __init__(self, process: Process, port: int) -> None:
        self.process = process
        self.port = port

    def get(self, path: str) -> str:
        """Read /metrics, /readyz and the like from the scheduler's own port."""
        # Its certificate is made at start and signed by nobody.
        context = ssl._create_unverified_context()
        with urllib.request.urlopen(f"https://127.0.0.1:{self.port}{path}", timeout=10, context=context) as response:
            return str(response.read().decode())

    def log(self) -> str:
        return self.process.log.read_text(errors="replace")

    def stop(self) -> None:
        self.process.stop()


class ControlPlane:
    """A control plane that lives as long as the `with` block. Everything listens on 127.0.0.1.

    As in a kubeadm cluster: RBAC, client certificates, the release's own feature gates and admission plugins. Not as
    there: no controller manager runs, so the plugins that wait for controllers are off (ServiceAccount would refuse
    pods for want of a default account; TaintNodesByCondition would taint every new node for ever). Namespaces never
    finish terminating; tests use fresh ones. The aggregated roles (view, edit, admin) stay empty; tests bind others.
    """

    def __init__(
        self,
        version: str = DEFAULT_VERSION,
        *,
        directory: Path | None = None,
        feature_gates: Mapping[str, bool] | None = None,
        tokens: Mapping[str, Sequence[str]] | None = None,
        crds: bool = True,
    ) -> None:
        """Prepare; `with` starts it.

        `directory` keeps logs and data (default: a temporary one that goes unless the block fails). `tokens` are
        further users with their groups, whose tokens are in `token`. Without `crds` the cluster knows neither
        KubeVirt nor NodeResourceTopology.
        """
        self.binary = ensure_binary(version)
        self.directory = directory
        self.feature_gates = dict(feature_gates or {})
        self.users = {"admin": ["system:masters"], **{user: list(groups) for user, groups in (tokens or {}).items()}}
        self.token = {user: ADMIN_TOKEN if user == "admin" else f"token-of-{user}" for user in self.users}
        self.with_crds = crds

    def __enter__(self) -> Self:
        self.temporary = self.directory is None
        self.home = self.directory or Path(tempfile.mkdtemp(prefix="fastfit-cluster-"))
        self.home.mkdir(parents=True, exist_ok=True)
        self.parts: list[Process] = []
        self.counters: dict[str, int] = {}
        self.etcd_port, self.etcd_peer_port, self.port = free_ports(3)
        self.server = f"https://127.0.0.1:{self.port}"
        self.authority = Authority(self.home / "pki")
        self.admin_kubeconfig = self._token_kubeconfig("admin")
        self.api = Api(self.port, self.authority.certificate, ADMIN_TOKEN)
        try:
            self._start()
        except BaseException:
            self._end(keep=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(keep=not self.temporary or error is not None)

    def _start(self) -> None:
        etcd = f"http://127.0.0.1:{self.etcd_port}"
        self.etcd = self._part(
            "etcd",
            *("etcd", "--data-dir", self.home / "etcd-data", "--client-url", etcd),
            *("--peer-url", f"http://127.0.0.1:{self.etcd_peer_port}"),
        )
        self.api_server = self._part("kube-apiserver", *self._api_server_command(etcd))
        self.wait_ready()
        wait_for(lambda: self.api.exists("/api/v1/namespaces/default"), "the default namespace")
        if self.with_crds:
            self.install_crds()

    def _end(self, *, keep: bool) -> None:
        self.api.close()
        # The data is thrown away, so nothing needs to be written to the end; the newest part goes first.
        for part in reversed(self.parts):
            part.stop(signal.SIGKILL)
        if not keep:
            shutil.rmtree(self.home)

    def _api_server_command(self, etcd: str) -> list[str | Path]:
        certificate, key = self.authority.serving()
        signing_key = self.authority.signing_key()
        tokens, policy, self.audit_log = self.home / "tokens.csv", self.home / "audit.yaml", self.home / "audit.log"
        tokens.write_text(
            "".join(f'{self.token[user]},{user},{user},"{",".join(groups)}"\n' for user, groups in self.users.items())
        )
        policy.write_text(yaml.safe_dump(AUDIT_POLICY))
        command: list[str | Path] = [
            "kube-apiserver",
            f"--etcd-servers={etcd}",
            *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={self.port}"),
            *(f"--tls-cert-file={certificate}", f"--tls-private-key-file={key}"),
            *(f"--client-ca-file={self.authority.certificate}", f"--token-auth-file={tokens}"),
            "--authorization-mode=RBAC",
            f"--service-account-issuer={self.server}",
            *(f"--service-account-key-file={signing_key}", f"--service-account-signing-key-file={signing_key}"),
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
            "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
            "--allow-privileged=true",
            # Limits are not what the tests are about, and a burst of pods would meet them.
            *(
                "--enable-priority-and-fairness=false",
                "--max-mutating-requests-inflight=0",
                "--max-requests-inflight=0",
            ),
            *(f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}", "--audit-log-mode=blocking"),
        ]
        if self.feature_gates:
            command.append("--feature-gates=" + gates(self.feature_gates))
        return command

    def _part(self, name: str, *command: str | Path) -> Process:
        part = Process(name, [self.binary, *command], self.home / f"{name}.log", {"HOME": str(self.home)})
        self.parts.append(part)
        return part

    def _named(self, kind: str) -> str:
        number = self.counters[kind] = self.counters.get(kind, 0) + 1
        return f"{kind}-{number}"

    # --- the API server -------------------------------------------------------------------------------------

    def wait_ready(self) -> None:
        """Wait until the API server answers and its start-up work (RBAC roles among it) is done."""

        def ready() -> bool:
            self.etcd.check()
            self.api_server.check()
            try:
                return str(self.api.request("GET", "/readyz")) == "ok"
            except ApiError:
                return False

        wait_for(ready, "the API server")

    def stop_api_server(self, how: signal.Signals = signal.SIGKILL) -> None:
        """Take the API server away; etcd keeps all objects."""
        self.api_server.stop(how)

    def start_api_server(self) -> None:
        self.api_server.start()
        self.wait_ready()

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Send one JSON request as administrator; `api` has the shorter forms."""
        return self.api.request(method, path, body)

    def install_crds(self) -> None:
        """Install the custom resources of KubeVirt and NodeResourceTopology, and wait until they are served."""
        manifests = [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]
        self.api.create_all(manifests)
        for manifest in manifests:
            wait_for(functools.partial(self._served, manifest), manifest["metadata"]["name"])

    def _served(self, crd: Mapping[str, Any]) -> bool:
        """Tell whether a new kind can be listed and is in discovery; either may come first."""
        version, plural = f"{crd['spec']['group']}/{crd['spec']['versions'][0]['name']}", crd["spec"]["names"]["plural"]
        if not self.api.exists(f"/apis/{version}/{plural}"):
            return False
        return any(each["name"] == plural for each in self.api.get(f"/apis/{version}")["resources"])

    def audit(self, user: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the audit events so far, of one user or of all; all are at level Metadata."""
        for line in self.audit_log.read_text().splitlines():
            event: dict[str, Any] = json.loads(line)
            if user is None or event["user"]["username"] == user:
                yield event

    # --- users ----------------------------------------------------------------------------------------------

    def _token_kubeconfig(self, user: str) -> Path:
        path = self.home / f"{self._named('kubeconfig')}.yaml"
        return write_kubeconfig(path, self.server, self.authority.certificate, {"token": self.token[user]})

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Write a kubeconfig of a user, known by a client certificate. Rights come from RBAC objects alone."""
        if user in self.token and not groups:
            return self._token_kubeconfig(user)
        certificate, key = self.authority.client(user, groups)
        path = self.home / f"{self._named('kubeconfig')}.yaml"
        credentials = {"client-certificate": str(certificate), "client-key": str(key)}
        return write_kubeconfig(path, self.server, self.authority.certificate, credentials)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Write a kubeconfig of an existing service account, by a token like the one its pods get."""
        written = self.home / f"{self._named('kubeconfig')}.yaml"
        token = {"token": self._service_account_token(namespace, name)}
        return write_kubeconfig(written, self.server, self.authority.certificate, token)

    def service_account_api(self, namespace: str, name: str) -> Api:
        """A client with such a token."""
        return Api(self.port, self.authority.certificate, self._service_account_token(namespace, name))

    def _service_account_token(self, namespace: str, name: str) -> str:
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 7200}}
        token: str = self.request("POST", path, body)["status"]["token"]
        return token

    # --- what the tests add ---------------------------------------------------------------------------------

    def namespace(self, prefix: str = "test", labels: Mapping[str, str] | None = None) -> str:
        """Create a fresh namespace and return its name."""
        name = self._named(prefix)
        metadata = {"name": name, "labels": dict(labels or {})}
        self.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        return name

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the real kubectl as administrator, or with another kubeconfig."""
        command = [str(self.binary), "kubectl", f"--kubeconfig={kubeconfig or self.admin_kubeconfig}", *arguments]
        environment = {"HOME": str(self.home), "PATH": "/usr/bin:/bin"}
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=environment, check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done

    def start_scheduler(
        self,
        config: Path | Mapping[str, Any] | None = None,
        *,
        kubeconfig: Path | None = None,
        verbosity: int = 2,
        arguments: Sequence[str] = (),
    ) -> Scheduler:
        """Start the real kube-scheduler and wait until its caches are filled.

        A file is given to it as it is. A mapping is a KubeSchedulerConfiguration from which the kubeconfig, the leader
        election (off) and short back-offs may be left out; with nothing at all it is the default scheduler.
        """
        name = self._named("kube-scheduler")
        if not isinstance(config, Path):
            whole: dict[str, Any] = {
                "apiVersion": "kubescheduler.config.k8s.io/v1",
                "kind": "KubeSchedulerConfiguration",
                "leaderElection": {"leaderElect": False},
                "podInitialBackoffSeconds": 1,
                "podMaxBackoffSeconds": 1,
                **(config or {}),
            }
            connection = {"kubeconfig": str(kubeconfig or self.admin_kubeconfig), "qps": 1000, "burst": 2000}
            whole["clientConnection"] = connection | whole.get("clientConnection", {})
            config = self.home / f"{name}.yaml"
            config.write_text(yaml.safe_dump(whole))
        (port,) = free_ports(1)
        process = self._part(
            name,
            *("kube-scheduler", f"--config={config}", "--bind-address=127.0.0.1", f"--secure-port={port}"),
            "--authorization-always-allow-paths=/metrics,/healthz,/livez,/readyz",
            f"-v={verbosity}",
            *arguments,
        )
        scheduler = Scheduler(process, port)

        def ready() -> bool:
            process.check()
            return scheduler.get("/readyz") == "ok"

        wait_for(ready, name)
        return scheduler

    @contextlib.contextmanager
    def scheduler(self, config: Path | Mapping[str, Any] | None = None, **options: Any) -> Iterator[Scheduler]:
        """Run a scheduler for a while; see start_scheduler."""
        running = self.start_scheduler(config, **options)
        try:
            yield running
        finally:
            running.stop()

    @contextlib.contextmanager
    def hollow_kubelets(self, nodes: Sequence[Mapping[str, Any]], **options: Any) -> Iterator[HollowKubelets]:
        """Run the kubelets of simulated nodes for a while; see HollowKubelets. The nodes and their zones go at the end."""
        name = self._named("hollow-kubelets")
        kubelets = HollowKubelets(self.binary, self.admin_kubeconfig, self.home / name, nodes, **options)
        self.parts.append(kubelets.process)
        try:
            kubelets.wait_ready()
            yield kubelets
        finally:
            kubelets.stop()
            if self.api_server.running:
                self._remove_nodes([node["name"] for node in nodes])

    def _remove_nodes(self, names: Sequence[str]) -> None:
        for pod in self.api.items("/api/v1/pods"):
            if pod["spec"].get("nodeName") in names:
                self._discard(f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}")
        for name in names:
            self._discard(f"/api/v1/nodes/{name}")
            self._discard(f"/apis/topology.node.k8s.io/v1alpha2/noderesourcetopologies/{name}")

    def _discard(self, path: str) -> None:
        try:
            self.api.delete(path, grace=0)
        except ApiError as error:
            if error.status != 404:
                raise


def gates(features: Mapping[str, bool]) -> str:
    return ",".join(f"{name}={json.dumps(on)}" for name, on in features.items())
