"""Settings for commands: from --config, else from the snapshot, else the defaults."""

from typing import Any, Literal

import msgspec
import orjson

from extender import config
from extender.config import Settings
from extender.errors import BadObject
from extender.kubelet.facts_json import config_from_json, machine_from_json
from extender.snapshot import Snapshot

__all__ = ["load_settings", "read_fact", "settings_for", "to_json"]

_THREADS = "threadsPerCore"
_MAX_THREADS = 8


def read_fact(which: Literal["kubelet", "machine"], value: dict[str, Any]) -> object:
    """The `kubelet` or `machine` object of a pool, checked. Raises BadObject with the path of the mistake."""
    if which == "kubelet":
        return config_from_json(value, which)
    if "numa" in value or _THREADS not in value:
        return machine_from_json(value, which)
    threads = value[_THREADS]
    if isinstance(threads, bool) or not isinstance(threads, int) or not 1 <= threads <= _MAX_THREADS:
        raise BadObject(f"{which}.{_THREADS}: {threads!r} is not a number from 1 to {_MAX_THREADS}")
    others = sorted(set(value) - {_THREADS})
    if others:
        raise BadObject(f"{which}.{others[0]}: beside {_THREADS} there are no fields; give the whole machine instead")
    return threads


def load_settings(path: str | None) -> Settings:
    """The settings of a file (None: the defaults), the facts of its pools checked. Raises ConfigError."""
    return config.load(path, read_fact)


def settings_for(path: str | None, snapshot: Snapshot) -> Settings:
    """What --config names, else what was in force where the snapshot was taken, else the defaults."""
    saved = snapshot.extender.get("settings")
    if path is not None or saved is None:
        return load_settings(path)
    return config.parse(orjson.dumps(saved).decode(), "settings in the snapshot", read_fact)


def to_json(settings: Settings) -> dict[str, Any]:
    """Settings as a snapshot keeps them; the paths of TLS keys are left out."""
    kept: dict[str, Any] = msgspec.to_builtins(msgspec.structs.replace(settings, tls=None))
    return {name: value for name, value in kept.items() if value is not None}
