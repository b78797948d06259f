"""The tree of exceptions: faults only. What scheduling decides is a value with a reason code, never an exception."""


class FastfitError(Exception):
    """Base of all errors that this program raises; the text is for an operator."""


class ConfigError(FastfitError):
    """The configuration cannot be used; the text names the path, the value and the remedy."""


class BadRequest(FastfitError):
    """A call of kube-scheduler that cannot be answered; the text becomes the reply's `Error`."""


class BadObject(FastfitError):
    """An object (annotation, manifest, snapshot entry) that cannot be read; names the object and the path."""


class SnapshotError(FastfitError):
    """A snapshot file that cannot be read."""


class ClusterError(FastfitError):
    """The API server refused or cannot be reached; the text names the verb, the resource and the remedy."""
