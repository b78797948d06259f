"""The parts of kubernetes-asyncio that we use, loaded without the rest.

Its packages import a model and an API class for every kind that Kubernetes has: 850 modules and 60 MB that would stay
for the life of the process, of which the generic client and the configuration loaders use none. While these two are
imported, empty packages stand in their parents' places; afterwards an ordinary import finds everything as usual.
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
    """Empty packages for the root, its `client` and the models; yields `client`, or None where all is there already."""
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
        # The loaders take both from the package.
        _client.ApiClient, _client.Configuration = ApiClient, Configuration  # type: ignore[attr-defined]
    from kubernetes_asyncio.config import ConfigException, load_kube_config
    from kubernetes_asyncio.config.incluster_config import InClusterConfigLoader
