"""Keys and certificates of one throw-away cluster, made with openssl."""

import base64
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml

__all__ = ["Authority", "write_kubeconfig"]

DAYS = "2"


class Authority:
    """The one CA of a cluster: it signs the API server's certificate and those of its clients."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.certificate = directory / "ca.crt"
        self.key = directory / "ca.key"
        openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", DAYS, "-subj", "/CN=fastfit-test-ca"),
            # From Python 3.13 on a client refuses a CA that does not say that it may sign.
            *("-addext", "keyUsage=critical,keyCertSign"),
            *("-keyout", str(self.key), "-out", str(self.certificate)),
        )

    def serving(self) -> tuple[Path, Path]:
        """Return certificate and key of a server on loopback."""
        return self.issue("server", "/CN=kube-apiserver", "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes")

    def client(self, user: str, groups: Sequence[str] = ()) -> tuple[Path, Path]:
        """Return certificate and key by which the API server knows a user and its groups."""
        subject = "".join(f"/O={escape(group)}" for group in groups) + f"/CN={escape(user)}"
        return self.issue(f"client-{file_name(user)}", subject, "extendedKeyUsage=clientAuth")

    def signing_key(self) -> Path:
        """Return the key that signs service account tokens."""
        key = self.directory / "service-accounts.key"
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(key))
        return key

    def issue(self, name: str, subject: str, extension: str) -> tuple[Path, Path]:
        certificate, key = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        extensions.write_text(f"{extension}\nauthorityKeyIdentifier=keyid:always\n")
        openssl(
            "req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", subject, "-keyout", str(key), "-out", str(request)
        )
        openssl(
            *(
                "x509",
                "-req",
                "-in",
                str(request),
                "-days",
                DAYS,
                "-CA",
                str(self.certificate),
                "-CAkey",
                str(self.key),
            ),
            *("-CAcreateserial", "-extfile", str(extensions), "-out", str(certificate)),
        )
        return certificate, key


def write_kubeconfig(path: Path, server: str, ca: Path, user: dict[str, str]) -> Path:
    """Write a kubeconfig that stands alone: the CA is embedded, `user` holds the credentials."""
    authority = base64.b64encode(ca.read_bytes()).decode()
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority-data": authority}}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    }
    # The file is made private before the credentials are in it.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        yaml.safe_dump(content, file)
    return path


def file_name(name: str) -> str:
    """Make a user name fit for a file name, one to one."""
    return "".join(c if c.isalnum() or c in "-." else f"_{ord(c):x}" for c in name)


def escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("/", "\\/").replace("+", "\\+")


def openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
