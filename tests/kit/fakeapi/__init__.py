"""The test kit's API server: lists, watches and faults on command, on an event loop with virtual time."""

from tests.kit.fakeapi.faults import (
    Close,
    CutMidLine,
    Disorder,
    Duplicate,
    ErrorEvent,
    Fault,
    Garbage,
    NoAnswer,
    Pass,
    Refuse,
    Silent,
)
from tests.kit.fakeapi.server import FakeApi, Request
from tests.kit.fakeapi.virtual_time import run

__all__ = [
    "Close",
    "CutMidLine",
    "Disorder",
    "Duplicate",
    "ErrorEvent",
    "FakeApi",
    "Fault",
    "Garbage",
    "NoAnswer",
    "Pass",
    "Refuse",
    "Request",
    "Silent",
    "run",
]
