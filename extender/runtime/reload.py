"""Follows the configuration file while the program runs."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from extender import config
from extender.config import Settings
from extender.errors import ConfigError
from extender.runtime.settings import read_fact

__all__ = ["ConfigFile"]

#: Seconds between two looks. Content is compared, not times: a ConfigMap volume swaps a symbolic link.
_EVERY_S: Final = 2.0

_log = structlog.stdlib.get_logger(__name__)


class ConfigFile:
    """A configuration file and what was last read from it. A version that cannot be used leaves the old one."""

    def __init__(
        self,
        path: str,
        settings: Settings,
        accept: Callable[[Settings], None],
        failed: Callable[[], None],
    ) -> None:
        """`settings` are in force; `accept` takes over new ones, `failed` counts a version that cannot be used."""
        self._path = Path(path)
        self._settings = settings
        self._accept = accept
        self._failed = failed
        self._seen = self._read()

    async def follow(self) -> None:
        """Look every two seconds until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            self.look()

    def look(self) -> bool:
        """Take over the file if its content changed; returns whether new settings are in force."""
        content = self._read()
        if content is None or content == self._seen:
            return False
        self._seen = content
        try:
            settings = config.parse(content.decode(), str(self._path), read_fact)
        except (ConfigError, UnicodeDecodeError) as error:
            self._failed()
            _log.error("configuration not taken over, the old one stays", error=str(error))
            return False
        waiting = config.needs_restart(self._settings, settings)
        if waiting:
            _log.warning("configuration: these fields wait for a restart", fields=list(waiting))
        self._settings = settings
        self._accept(settings)
        _log.info("configuration taken over", mode=settings.mode, pools=len(settings.pools))
        return True

    def _read(self) -> bytes | None:
        """The content; None while the file is away, as it is for a moment when a volume is updated."""
        try:
            return self._path.read_bytes()
        except OSError:
            return None
