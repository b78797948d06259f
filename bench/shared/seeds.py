"""Seeds on a command line."""

__all__ = ["seeds"]


def seeds(text: str) -> list[int]:
    """The numbers in `1,2,3`."""
    return [int(part) for part in text.split(",")]
