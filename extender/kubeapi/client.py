"""The parts of kubernetes-asyncio that we use, loaded without the rest.

Its packages import a model and an API class for every kind of Kubernetes: 850 modules and 60 MB of memory. The generic
client and the configuration loaders use none of them. While these two are imported, empty packages replace their
parents; afterwards an ordinary import of the library works as usual.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Final

__all__ = ["ApiClient", "ConfigException", "Configuration", "InClusterConfigLoader", "load_kube_config"]

_ROOT: Final = "kubernetes_asyncio"


@contextmanager
def _without_models() -> Iterator[ModuleType | None]:
    """Empty packages for the root, its `client` and the models; yields `client`, or None if the library is imported
    already.
    """
    found = PathFinder.find_spec(_ROOT)
    if _ROOT in sys.modules or found is None or not found.submodule_search_locations:
        yield None
        return
    (folder,) = found.submodule_search_locations
    standins = {}
    for name, path in ((_ROOT, folder), (f"{_ROOT}.client", f"{folder}/client"), (f"{_ROOT}.client.models", "")):
        standins[name] = ModuleType(name)
        standins[name].__path__ = [path]
    root, client, models = standins.values()
    root.client, client.models = client, models  # type: ignore[attr-defined]
    sys.modules.update(standins)
    try:
        yield client
    finally:
        for name in standins:
            del sys.modules[name]


with _without_models() as _client:
    from kubernetes_asyncio.client.api_client import ApiClient
    from kubernetes_asyncio.client.configuration import Configuration

    if _client is not None:
        # The loaders import both from the package.
        _client.ApiClient, _client.Configuration = ApiClient, Configuration  # type: ignore[attr-defined]
    from kubernetes_asyncio.config import ConfigException, load_kube_config
    from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader
