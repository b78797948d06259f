"""Addresses to listen on: read from `HOST:PORT`, judged for exposure, opened as sockets."""

import errno
import ipaddress
import os
import socket
from typing import NamedTuple

from extender.config import Settings
from extender.errors import ConfigError

__all__ = ["Address", "check_exposure", "is_loopback", "listen", "parse"]

_EXAMPLES = "write HOST:PORT, such as 127.0.0.1:8888, 0.0.0.0:8888 or [::1]:8888"


class Address(NamedTuple):
    """An IP address without brackets, and a port (0: any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str, flag: str) -> Address:
    """The address in `text`; ConfigError names `flag`, the value and the remedy.

    Names other than localhost are refused: what a name resolves to can change, and with it who may connect.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ConfigError(f"{flag} {text!r}: no host or no port; {_EXAMPLES}")
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ConfigError(f"{flag} {text!r}: {port!r} is not a port from 0 to 65535; {_EXAMPLES}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"{flag} {text!r}: an IPv6 address needs brackets; write [{host}]:{port}")
    if host == "localhost":
        host = "127.0.0.1"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        raise ConfigError(f"{flag} {text!r}: {host!r} is not an IP address or localhost; {_EXAMPLES}") from None
    return Address(host, int(port))


def is_loopback(host: str) -> bool:
    """True for addresses of this machine alone (127.0.0.0/8, ::1, and the first written as IPv6)."""
    try:
        ip = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def check_exposure(address: Address, settings: Settings, flag: str) -> None:
    """Refuse a scheduler port that strangers can reach, unless the settings say that this is meant."""
    if is_loopback(address.host) or settings.allow_remote_without_client_certificates:
        return
    if settings.tls is not None and settings.tls.client_ca_file is not None:
        return
    missing = "TLS" if settings.tls is None else "client certificates"
    raise ConfigError(
        f"{flag} {address}: reachable from other machines without {missing}; set tls.certFile, tls.keyFile and "
        f"tls.clientCAFile, or bind 127.0.0.1, or set allowRemoteWithoutClientCertificates: true"
    )


def listen(address: Address, flag: str) -> socket.socket:
    """A bound, not yet accepting socket; ConfigError says why it cannot be had."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise ConfigError(f"{flag} {address}: {error.strerror}; this machine lacks that kind of address") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # [::] means IPv6 alone on every machine, whatever its sysctl says
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        # bind alone does not fail when another process listens; this does
        sock.listen()
    except OSError as error:
        sock.close()
        raise ConfigError(f"{flag} {address}: {_reason(error)}") from error
    sock.setblocking(False)
    return sock


def _reason(error: OSError) -> str:
    number = error.errno or 0
    remedy = {
        errno.EADDRINUSE: "the port is in use; stop what holds it or choose another port",
        errno.EACCES: "not allowed; ports below 1024 need a privilege, choose another port",
        errno.EADDRNOTAVAIL: "this machine has no such address; bind one that it has",
    }
    return remedy.get(number, os.strerror(number))
