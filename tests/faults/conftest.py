"""A control plane of this folder's own: its API server is killed, and one of its users gets a new token.

It is here because it takes the place of the shared one under the same name.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.cluster.control_plane import ControlPlane

#: A user with a token that can be taken away from it.
ROTATED = "rotated"


@pytest.fixture(scope="session")
def control_plane(cluster_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """It runs for all tests of the folder; each leaves it empty."""
    directory = tmp_path_factory.mktemp("control-plane")
    with ControlPlane(directory=directory, tokens={ROTATED: ["system:masters"]}) as running:
        yield running
