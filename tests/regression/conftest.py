from tests.oracle.fixtures import oracle, oracle_binary, pytest_collection_finish, pytest_terminal_summary

__all__ = ["oracle", "oracle_binary", "pytest_collection_finish", "pytest_terminal_summary"]
