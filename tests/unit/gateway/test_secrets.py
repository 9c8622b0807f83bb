from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe
from stripe import _util

from reconciler.adapters.stripe_gateway import StripeGateway
from reconciler.domain.model.time_range import TimeRange
from reconciler.errors import ReconcilerError
from tests.unit.gateway.canned import KEY, SECRET, charge, error, event, intent, page, reply
from tests.unit.gateway.conftest import Rigging

PERSONAL = "jenny@example.com"
CALLS: list[Callable[[StripeGateway], Any]] = [
    lambda gateway: gateway.retrieve("pi_1"),
    lambda gateway: gateway.list_intents(TimeRange()),
    lambda gateway: gateway.list_events(TimeRange(), ["payment_intent.succeeded"]),
    lambda gateway: gateway.list_charges("pi_1"),
    lambda gateway: gateway.probe(),
]
LOADED = {"receipt_email": PERSONAL, "next_action": {"type": "x", "x": {"client_secret": SECRET}}}
ANSWERS = {
    "an intent": reply(intent(**LOADED)),
    "intents": reply(page([intent(**LOADED)])),
    "a broken intent": reply(intent(status=SECRET, amount=SECRET, **LOADED)),
    "broken intents": reply(page([intent(currency={SECRET: PERSONAL}), intent(object=SECRET)])),
    "an event": reply(page([event(data={"object": intent(**LOADED)})])),
    "a broken event": reply(page([event(object=SECRET, data={"object": intent(id=SECRET + "/")})])),
    "charges": reply(page([charge(receipt_email=PERSONAL, object=SECRET)])),
    "cut short": reply(intent())[:-20],
    "cut JSON": reply(reply(intent())[60:-20]),
    "html": reply(f"<p>{SECRET} {KEY}</p>".encode(), 502),
    **{
        f"status {status}": error(
            status,
            f"Invalid API Key provided: {KEY} for {SECRET} by {PERSONAL}",
            code=KEY,
            param=SECRET,
            request_id=KEY,
        )
        for status in (400, 401, 402, 403, 404, 409, 429, 500)
    },
}


class Everything(logging.Handler):
    """Keeps every record of every logger, as a careless configuration would write it."""

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.getMessage()} {record.args!r} {record.exc_info!r}")


@pytest.fixture
def log() -> Iterator[Everything]:
    """The root logger at DEBUG; the levels of others stay as the gateway sets them."""
    root = logging.getLogger()
    handler = Everything()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.mark.parametrize("kind", ANSWERS)
def test_no_secret_leaves_the_gateway(
    rig: Rigging,
    log: Everything,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Whatever Stripe answers, neither the key nor a client_secret nor the customer's address is in a log line, in the
    standard streams, in an object's repr, in an error, or in what an error drags along."""
    monkeypatch.setattr(_util, "STRIPE_LOG", "debug")
    monkeypatch.setattr(stripe, "log", "debug")
    seen: list[str] = []
    dragged: list[BaseException | None] = []
    for call in CALLS:
        gateway = rig(ANSWERS[kind]).gateway
        seen.append(repr(gateway))
        seen.append(repr(vars(gateway)))
        try:
            seen.append(repr(call(gateway)))
        except ReconcilerError as caught:
            dragged += [caught.__cause__, caught.__context__]
            seen += [str(caught), repr(caught), repr(vars(caught)), caught.hint]
            seen += traceback.format_exception(caught)
    assert set(dragged) <= {None}
    streams = capfd.readouterr()
    told = "\n".join([*seen, *log.lines, streams.out, streams.err])
    for secret in (KEY, SECRET, PERSONAL):
        assert secret not in told


def test_the_log_fixture_sees_what_it_should(log: Everything) -> None:
    """The check above would notice: a line of another library at DEBUG arrives."""
    logging.getLogger("somebody.else").debug("said %s", SECRET)
    assert SECRET in log.lines[-1]


def test_a_notice_of_stripe_is_no_warning(rig: Rigging) -> None:
    """A Stripe-Notice header must not become a Python warning, which may be an error."""
    made = rig(reply(intent(), notice="Please upgrade."))
    made.gateway.retrieve("pi_1")
    assert made.gateway.reads == 1


def test_the_sdk_sends_no_telemetry(rig: Rigging, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's telemetry writes an id under the home folder, and fails where there is none, as in a container. Opening
    a gateway turns it off."""
    monkeypatch.setattr(stripe, "enable_telemetry", True)
    made = rig(reply(intent()))
    made.gateway.retrieve("pi_1")
    made.gateway.retrieve("pi_1")
    assert stripe.enable_telemetry is False
    assert "telemetry" not in str(made.server.headers).lower()
