from tests.kit.cluster.fixtures import cluster_binary, control_plane, pytest_collection_finish, pytest_terminal_summary

__all__ = ["cluster_binary", "control_plane", "pytest_collection_finish", "pytest_terminal_summary"]
