"""Our identity at the API server: a kubeconfig, or the service account of our pod.

kubernetes-asyncio reads both. This module adds reading them again on demand, a token without the newline that some
volumes append, and errors that name the remedy.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import yaml

from extender.errors import ClusterError
from extender.kubeapi.client import ConfigException, Configuration, InClusterConfigLoader, load_kube_config

__all__ = ["Credentials", "Kubeconfig", "ServiceAccount", "find"]

SERVICE_ACCOUNT_DIR = Path("/var/run/secrets/kubernetes.io/serviceaccount")

#: Seconds after which the token file is read again. The kubelet renews a token at 80 % of its lifetime of at least 10
#: min.
TOKEN_AGE_S = 60.0


class Credentials(Protocol):
    """A client configuration (address, CA, token) that can be read again."""

    @property
    def configuration(self) -> Configuration:
        """Always the same object; `renew` changes it in place."""

    @property
    def namespace(self) -> str:
        """Our namespace as of the last `renew`; empty: the source names none."""

    async def renew(self) -> None:
        """Read the source again. Raises ClusterError if it cannot be used."""


class Kubeconfig:
    """A kubeconfig file (or several, separated as in KUBECONFIG), with token files, exec plugins and OIDC."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.configuration = _configuration()
        self.namespace = ""

    async def renew(self) -> None:
        """Read the files and run the exec plugin, if there is one. Raises ClusterError if they cannot be used."""
        if not self._exists():
            raise ClusterError(f"kubeconfig {self._path} does not exist; name one with --kubeconfig")
        try:
            loader = await load_kube_config(
                config_file=self._path, client_configuration=self.configuration, persist_config=False
            )
            self.namespace = str((loader.current_context or {}).get("context", {}).get("namespace") or "")
        except (
            ConfigException,
            OSError,
            yaml.YAMLError,
            AssertionError,
            KeyError,
            TypeError,
            ValueError,
            RecursionError,
        ) as error:
            # The loader checks little: a file that is no kubeconfig can fail with any of these.
            raise ClusterError(
                f"kubeconfig {self._path} cannot be used: {type(error).__name__}: {error}; "
                "check it with `kubectl --kubeconfig F config view`"
            ) from error

    def _exists(self) -> bool:
        return any(Path(part).expanduser().is_file() for part in self._path.split(os.pathsep) if part)


class ServiceAccount:
    """The token and the CA that the kubelet mounts into our pod."""

    def __init__(
        self,
        directory: Path = SERVICE_ACCOUNT_DIR,
        environment: dict[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._token_file = directory / "token"
        self._ca_file = directory / "ca.crt"
        self._namespace_file = directory / "namespace"
        self._environment = dict(os.environ) if environment is None else environment
        self._clock = clock
        self._read_at = 0.0
        self.configuration = _configuration()
        self.namespace = ""

    async def renew(self) -> None:
        """Read address, CA and token. Raises ClusterError if they cannot be used."""
        loader = InClusterConfigLoader(
            token_filename=str(self._token_file),
            cert_filename=str(self._ca_file),
            try_refresh_token=False,
            environ=self._environment,
        )
        try:
            loader.load_and_set(self.configuration)
        except (ConfigException, OSError) as error:
            raise ClusterError(
                f"the service account in {self._token_file.parent} cannot be used: {error}; "
                "outside a pod name a kubeconfig with --kubeconfig"
            ) from error
        self._read_token(self.configuration)
        with suppress(OSError, UnicodeDecodeError):
            self.namespace = self._namespace_file.read_text(encoding="utf-8").strip()
        # Called before every request. The library's own hook uses the wall clock and keeps the newline.
        self.configuration.refresh_api_key_hook = self._keep_fresh

    def _keep_fresh(self, configuration: Configuration) -> None:
        if self._clock() - self._read_at >= TOKEN_AGE_S:
            self._read_token(configuration)

    def _read_token(self, configuration: Configuration) -> None:
        try:
            token = self._token_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ClusterError(f"token file {self._token_file} cannot be read: {error.strerror}") from error
        configuration.api_key["BearerToken"] = f"Bearer {token}"
        self._read_at = self._clock()


def find(kubeconfig: str | None) -> Credentials:
    """The credentials to use: the named kubeconfig, else our pod's service account, else kubectl's default file.

    Nothing is read yet; the first `renew` does.
    """
    if kubeconfig is not None:
        return Kubeconfig(kubeconfig)
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return ServiceAccount()
    return Kubeconfig(os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser()))


def _configuration() -> Configuration:
    configuration = Configuration()
    # From 3.13 Python requires X.509 extensions that the CAs of many installers lack; kubectl does not require them.
    configuration.disable_strict_ssl_verification = True
    return configuration
