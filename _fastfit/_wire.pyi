from _fastfit.values import Scan

MAX_DEPTH: int
PROBLEMS: dict[int, str]

def scan(body: bytes, max_names: int = 20000, max_depth: int = 64, known: bytes = b"") -> Scan: ...
