"""extender/v1 replies out. Field names are those of the Go structs; a reply is never null and never empty.

kube-scheduler reads a filter reply without NodeNames as "no node survives", so NodeNames is always a list; and it
drops a whole prioritize reply for one score that is not an integer.
"""

import orjson

__all__ = ["NO_SCORES", "echo", "filter_error", "names_left"]

#: How a filter reply of the kernel begins, and what follows its names.
_HEAD = b'{"NodeNames":'
_BEHIND_NAMES = b'],"FailedAndUnresolvableNodes":{'

#: Nothing to say: absent hosts score 0.
NO_SCORES = b"[]"


def echo(names: bytes) -> bytes:
    """Every node survives: the names as they came."""
    return b'{"NodeNames":' + names + b',"FailedNodes":{},"FailedAndUnresolvableNodes":{},"Error":""}'


def names_left(reply: bytes) -> bytes:
    """The survivors in a filter reply of ours, as a JSON array: kube-scheduler gives them to prioritize as they are."""
    # No name can hold this: a quote in a name is escaped.
    return reply[len(_HEAD) : reply.index(_BEHIND_NAMES) + 1]


def filter_error(text: str) -> bytes:
    """The call failed: kube-scheduler shows the text and retries by back-off. Keep it constant for one cause."""
    return orjson.dumps({"NodeNames": [], "FailedNodes": {}, "FailedAndUnresolvableNodes": {}, "Error": text})
