from _fastfit.values import Scan

__all__ = ["PROBLEMS", "scan"]

PROBLEMS: dict[int, str]

def scan(body: bytes, max_names: int = 20000, max_depth: int = 64, known: bytes = b"") -> Scan: ...
