"""Logs: one line per event, both worlds through one formatter, no secrets."""

import io
import json
import logging

import orjson
import pytest
import structlog

from extender.observe import logs


@pytest.fixture(autouse=True)
def restored():
    """The logging of the test run, put back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in logs._QUIETER}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in quiet.items():
        logging.getLogger(name).setLevel(before)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def written(level, form, write):
    """The lines that `write` leaves."""
    stream = io.StringIO()
    logs.setup(level, form, stream)
    write()
    return stream.getvalue().splitlines()


def one(write, level="info"):
    """The single JSON line that `write` leaves."""
    (line,) = written(level, "json", write)
    return orjson.loads(line)


def test_our_events_are_json_objects():
    """Event, level, logger, time and fields."""
    entry = one(lambda: structlog.get_logger("extender.http").info("serving", port=8888, zones=(0, 1)))
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "serving", "level": "info", "logger": "extender.http", "port": 8888, "zones": [0, 1]}


def test_the_standard_library_takes_the_same_way():
    """Libraries' records look like ours, arguments and extra fields included."""
    entry = one(lambda: logging.getLogger("aiohttp.server").warning("lost %s", "peer", extra={"port": 1}))
    assert (entry["event"], entry["level"], entry["logger"], entry["port"]) == (
        "lost peer",
        "warning",
        "aiohttp.server",
        1,
    )


def test_the_level_decides():
    """Below it nothing is written."""

    def write():
        structlog.get_logger("x").debug("a")
        structlog.get_logger("x").info("b")
        structlog.get_logger("x").warning("c")
        logging.getLogger("y").info("d")

    assert len(written("debug", "json", write)) == 4
    assert len(written("warning", "json", write)) == 1


def test_people_get_lines():
    """The console form is no JSON, and has the words."""
    (line,) = written("info", "console", lambda: structlog.get_logger("x").info("serving", port=8888))
    assert "serving" in line and "port=8888" in line and not line.startswith("{")


def test_a_traceback_is_one_field_of_one_line():
    """Collectors split at line ends."""

    def write():
        try:
            raise ValueError("boom")
        except ValueError:
            structlog.get_logger("x").exception("failed")

    entry = one(write)
    assert entry["event"] == "failed"
    assert "Traceback" in entry["exception"] and "ValueError: boom" in entry["exception"]


JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize(
    "fields",
    [
        {"token": "s3cret-value"},
        {"api_token": "s3cret-value"},
        {"Authorization": "s3cret-value"},
        {"password": "s3cret-value"},
        {"headers": {"Authorization": "Bearer s3cret-value"}},
        {"headers": {"x": ["Bearer s3cret-value"]}},
        {"text": "sent Bearer s3cret-value to it"},
        {"text": f"token was {JWT}."},
        {"text": KEY},
        {"error": ValueError(f"rejected {JWT}")},
        {"config": {"users": [{"user": {"token": "s3cret-value"}}]}},
    ],
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_hidden(fields, form):
    """By the name of a field, at any depth, and by their shape in any text."""
    text = "\n".join(written("info", form, lambda: structlog.get_logger("x").info("event", **fields)))
    assert "[hidden]" in text
    for secret in ("s3cret-value", JWT, "MHcCAQEE"):
        assert secret not in text


def test_secrets_in_tracebacks_are_hidden():
    """An exception's message may quote a request."""

    def write():
        try:
            raise ValueError(f"401 for Bearer {JWT}")
        except ValueError:
            logging.getLogger("library").exception("failed with Bearer %s", JWT)

    entry = one(write)
    assert JWT not in str(entry)
    assert "Traceback" in entry["exception"]


def test_libraries_that_log_headers_are_kept_quiet():
    """Debug is about us."""

    def write():
        logging.getLogger("kubernetes_asyncio.client.rest").debug("request headers")
        logging.getLogger("kubernetes_asyncio.client.rest").warning("told")

    assert len(written("debug", "json", write)) == 1


def test_what_json_cannot_hold_is_written_as_text():
    """A log line never fails."""
    entry = one(lambda: structlog.get_logger("x").info("event", thing=object(), raw=b"\xff"))
    assert entry["thing"].startswith("<object")
    (line,) = written("info", "json", lambda: structlog.get_logger("x").info("\ud800", number=2**80))
    assert json.loads(line)["number"] == 2**80
