"""TLS of the scheduler port from files, taken over when their content changes.

Volumes of Secrets change by swapping a symbolic link, which file notifications miss, so the content is
hashed. Listeners keep one outer context for ever; each handshake is handed the newest inner one. So a
changed certificate, key and client CA come into force together, and a CA that was removed is gone.
"""

import asyncio
import hashlib
import ssl
from pathlib import Path
from typing import Final

import structlog

from extender.config import Tls
from extender.errors import ConfigError

__all__ = ["ServerTls"]

_POLL_S: Final = 15.0

_log = structlog.get_logger(__name__)


class ServerTls:
    """The context to listen with, and the task that keeps it current."""

    def __init__(self, files: Tls) -> None:
        """Raises ConfigError, with the path in the configuration, for files that cannot be used."""
        self._files = files
        self._current = _context(files)
        self._hash = _content_hash(files)
        #: give this to the listener
        self.context = _context(files)
        self.context.sni_callback = self._choose

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _outer: ssl.SSLContext) -> None:
        # called for every handshake, also for clients that send no server name
        connection.context = self._current

    def refresh(self) -> bool:
        """Take over changed files; True if there were any. Files that cannot be used leave the old ones in force."""
        try:
            content = _content_hash(self._files)
            if content == self._hash:
                return False
            self._current = _context(self._files)
        except ConfigError as error:
            _log.error("changed TLS files cannot be used, the old ones stay in force", error=str(error))
            return False
        self._hash = content
        _log.info("TLS files changed, new connections use them", certificate=self._files.cert_file)
        return True

    async def run(self) -> None:
        """Refresh every 15 s until cancelled."""
        while True:
            await asyncio.sleep(_POLL_S)
            self.refresh()


def _content_hash(files: Tls) -> bytes:
    digest = hashlib.sha256()
    for _field, path in _named(files):
        digest.update(hashlib.sha256(_read(_field, path)).digest())
    return digest.digest()


def _named(files: Tls) -> list[tuple[str, str]]:
    named = [("$.tls.certFile", files.cert_file), ("$.tls.keyFile", files.key_file)]
    return named + ([("$.tls.clientCAFile", files.client_ca_file)] if files.client_ca_file is not None else [])


def _read(field: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(f"{field} {path!r}: cannot be read ({error.strerror}); check the path and mount") from error


def _context(files: Tls) -> ssl.SSLContext:
    for field, path in _named(files):
        _read(field, path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # With client certificates 1.3, as every kube-scheduler since 1.19 speaks: 1.2 sends them in the clear, and resumes
    # sessions by number, whatever becomes of tickets.
    verified = files.client_ca_file is not None
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if verified else ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # A resumed session skips the check of the client's certificate, also after its CA was removed.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    try:
        # the empty password keeps OpenSSL from asking on the terminal
        context.load_cert_chain(files.cert_file, files.key_file, password="")
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(
            f"$.tls.certFile {files.cert_file!r} and $.tls.keyFile {files.key_file!r}: not a certificate in PEM and "
            f"its unencrypted key ({_detail(error)}); give the pair that was issued together"
        ) from error
    if files.client_ca_file is not None:
        try:
            context.load_verify_locations(files.client_ca_file)
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(
                f"$.tls.clientCAFile {files.client_ca_file!r}: no CA certificate in PEM ({_detail(error)}); "
                f"give the CA that signs kube-scheduler's client certificate"
            ) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _detail(error: OSError) -> str:
    return error.reason if isinstance(error, ssl.SSLError) and error.reason else str(error)
