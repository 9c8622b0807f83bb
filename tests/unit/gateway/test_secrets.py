from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe
from stripe import _util

from reconciler.adapters.stripe_gateway import StripeGateway
from reconciler.adapters.stripe_gateway.key_access import read_key_access
from reconciler.domain.model.time_range import TimeRange
from reconciler.errors import ReconcilerError
from tests.unit.gateway.canned_server import KEY, SECRET, charge, error, event, intent, page, reply
from tests.unit.gateway.conftest import Serve

EMAIL = "jenny@example.com"
CALLS: list[Callable[[StripeGateway], Any]] = [
    lambda gateway: gateway.retrieve("pi_1"),
    lambda gateway: gateway.list_intents(TimeRange()),
    lambda gateway: gateway.list_events(TimeRange(), ["payment_intent.succeeded"]),
    lambda gateway: gateway.list_charges("pi_1"),
    read_key_access,
]
PERSONAL_FIELDS = {
    "receipt_email": EMAIL,
    "next_action": {"type": "x", "x": {"client_secret": SECRET}},
}
ANSWERS = {
    "an intent": reply(intent(**PERSONAL_FIELDS)),
    "intents": reply(page([intent(**PERSONAL_FIELDS)])),
    "a broken intent": reply(intent(status=SECRET, amount=SECRET, **PERSONAL_FIELDS)),
    "broken intents": reply(page([intent(currency={SECRET: EMAIL}), intent(object=SECRET)])),
    "an event": reply(page([event(data={"object": intent(**PERSONAL_FIELDS)})])),
    "a broken event": reply(page([event(object=SECRET, data={"object": intent(id=SECRET + "/")})])),
    "charges": reply(page([charge(receipt_email=EMAIL, object=SECRET)])),
    "cut short": reply(intent())[:-20],
    "cut JSON": reply(reply(intent())[60:-20]),
    "html": reply(f"<p>{SECRET} {KEY}</p>".encode(), 502),
    **{
        f"status {status}": error(
            status,
            f"Invalid API Key provided: {KEY} for {SECRET} by {EMAIL}",
            code=KEY,
            param=SECRET,
            request_id=KEY,
        )
        for status in (400, 401, 402, 403, 404, 409, 429, 500)
    },
}


class RecordingHandler(logging.Handler):
    """Keeps every record of every logger, as a careless configuration would write it."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.args!r} {record.exc_info!r}")


@pytest.fixture
def log() -> Iterator[RecordingHandler]:
    """The root logger at DEBUG. The levels of other loggers stay as the gateway sets them."""
    root = logging.getLogger()
    handler = RecordingHandler()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("kind", ANSWERS)
def test_no_secret_leaves_the_gateway(
    serve: Serve,
    log: RecordingHandler,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """For every answer of Stripe, neither the key nor a client_secret nor the customer's address appears in a log
    line, in the standard streams, in an object's repr, in an error, or in an error chained to it."""
    monkeypatch.setattr(_util, "STRIPE_LOG", "debug")
    monkeypatch.setattr(stripe, "log", "debug")
    seen: list[str] = []
    chained: list[BaseException | None] = []
    for call in CALLS:
        gateway = serve(ANSWERS[kind]).gateway
        seen.append(repr(gateway))
        seen.append(repr(vars(gateway)))
        try:
            seen.append(repr(call(gateway)))
        except ReconcilerError as caught:
            chained += [caught.__cause__, caught.__context__]
            seen += [str(caught), repr(caught), repr(vars(caught)), caught.hint]
            seen += traceback.format_exception(caught)
    assert set(chained) <= {None}
    streams = capfd.readouterr()
    shown = "\n".join([*seen, *log.lines, streams.out, streams.err])
    for secret in (KEY, SECRET, EMAIL):
        assert secret not in shown


def test_the_log_fixture_records_every_line(log: RecordingHandler) -> None:
    """The test above can fail: a line of another library at DEBUG is recorded."""
    logging.getLogger("another.library").debug("said %s", SECRET)
    assert SECRET in log.lines[-1]


def test_a_notice_of_stripe_is_no_warning(serve: Serve) -> None:
    """A Stripe-Notice header does not become a Python warning, which may be an error."""
    served = serve(reply(intent(), notice="Please upgrade."))
    served.gateway.retrieve("pi_1")
    assert served.gateway.reads == 1


def test_the_sdk_sends_no_telemetry(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's telemetry writes an id into the home folder, and fails if there is none, as in a container. A new
    gateway turns it off."""
    monkeypatch.setattr(stripe, "enable_telemetry", True)
    served = serve(reply(intent()))
    served.gateway.retrieve("pi_1")
    served.gateway.retrieve("pi_1")
    assert stripe.enable_telemetry is False
    assert "telemetry" not in str(served.server.headers).lower()
