"""``run`` with an endpoint: what it corrects is brought to the merchant."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import psycopg
import pytest
import stripe

from reconciler.clock import SystemClock
from tests.acceptance.service.conftest import Daemon, Town
from tests.endpoint import Endpoint, EndpointFault, serving

SECRET = "whsec_" + "0123456789abcdef" * 4


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as running:
        yield running


def start(town: Town, endpoint: Endpoint, **environ: str) -> Daemon:
    """A service that delivers; its log may not hold the secret."""
    town.environ |= {
        "RECONCILER_DELIVERY__URL": endpoint.url,
        "RECONCILER_DELIVERY__EVERY": "1s",
        "RECONCILER_DELIVERY__TIMEOUT": "2s",
        "RECONCILER_SIGNING_SECRET": SECRET,
        **environ,
    }
    return town.start("--log-level", "debug")


def test_corrections_arrive_signed(town: Town, endpoint: Endpoint) -> None:
    """Each payment that was corrected is told once, in a message that Stripe's SDK takes for genuine."""
    town.pay(3)
    daemon = start(town, endpoint)
    received = [endpoint.next() for _ in range(3)]
    for one in received:
        header = one.headers["reconciler-signature"]
        assert stripe.WebhookSignature.verify_header(one.body, header, SECRET, 300)
        assert one.json["type"] == "payment.corrected"
        assert one.json["data"]["to_status"] == "paid"
        assert "secret" not in one.body.decode()
    assert {one.key for one in received} == {"1", "2", "3"}
    daemon.event("delivery.finished", account="default")
    assert daemon.end() == 0
    assert town.ask("SELECT count(*) FROM reconciler.outbox WHERE delivered_at IS NULL") == [(0,)]
    assert endpoint.all() == []
    assert SECRET[8:] not in "".join(daemon.lines)


def test_an_endpoint_that_is_down_is_told_in_status_and_metrics(
    town: Town, endpoint: Endpoint
) -> None:
    """The sweeps go on, the service stays ready, and who looks sees what waits and why."""
    town.pay(2)
    endpoint.usual = 500
    daemon = start(town, endpoint, RECONCILER_DELIVERY__GIVE_UP="1s")
    port = daemon.event("metrics.listening")["port"]
    ended = daemon.event("delivery.finished", failed=2)
    assert ended["last_fault"] == "it answered 500"
    assert town.get(port, "/readyz")[0] == 200
    _, text = town.get(port, "/metrics")
    assert 'reconciler_deliveries_total{account="default",result="failed"} 2.0' in text
    town.execute(
        "UPDATE reconciler.outbox SET tried_since = tried_since - interval '1h', next_attempt_at = now()"
    )
    daemon.event("delivery.finished", given_up=1)
    code, out, _ = town.run("status", "--json")
    (status,) = json.loads(out)
    assert code == 0
    assert status["level"] == "critical"
    assert status["outbox"]["waiting"] == 2
    assert status["outbox"]["given_up"] >= 1
    assert status["outbox"]["last_error"] == "it answered 500"
    assert status["outbox"]["oldest_age_seconds"] > 0
    assert any("given up" in remark["what"] for remark in status["remarks"])
    assert "it answered 500" in town.run("status")[1]
    assert town.run("status", "--format", "nagios")[0] == 2
    assert town.statuses() == {"paid": 2}
    assert daemon.end() == 0


def test_a_stop_does_not_wait_for_an_endpoint_that_hangs(town: Town, endpoint: Endpoint) -> None:
    """SIGTERM in the middle of a request ends the service within seconds; the row is sent again by the next."""
    town.pay(1)
    endpoint.usual = EndpointFault.HANG
    daemon = start(town, endpoint, RECONCILER_DELIVERY__TIMEOUT="50s")
    first = endpoint.next()
    clock = SystemClock()
    began = clock.monotonic()
    assert daemon.end() == 0
    assert clock.monotonic() - began < 10
    endpoint.usual = 200
    town.execute("UPDATE reconciler.outbox SET next_attempt_at = NULL")
    again = start(town, endpoint)
    assert endpoint.next().id == first.id
    assert again.end() == 0


def test_other_passes_go_on_while_the_endpoint_hangs(town: Town, endpoint: Endpoint) -> None:
    """Delivery has a lane of its own."""
    town.pay(1)
    town.configure(due="1s")
    endpoint.usual = EndpointFault.HANG
    daemon = start(town, endpoint, RECONCILER_DELIVERY__TIMEOUT="50s")
    daemon.event("pass.finished", corrected=1)
    endpoint.next()
    town.pay(1)
    daemon.event("pass.finished", corrected=1)
    assert town.statuses() == {"paid": 2}
    assert daemon.end() == 0


def test_a_kill_while_a_request_is_out(town: Town, endpoint: Endpoint) -> None:
    """kill -9 between sending and noting: the next service sends it again, under the same id."""
    town.pay(1)
    endpoint.usual = EndpointFault.HANG
    daemon = start(town, endpoint, RECONCILER_DELIVERY__TIMEOUT="50s")
    first = endpoint.next()
    daemon.end(signal.SIGKILL)
    endpoint.usual = 200
    town.execute("UPDATE reconciler.outbox SET claimed_until = now()")
    again = start(town, endpoint)
    assert endpoint.next().id == first.id
    again.event("delivery.finished", delivered=1)
    assert again.end() == 0


def test_an_endpoint_without_a_secret_ends_it(town: Town, endpoint: Endpoint) -> None:
    """Nothing is ever sent unsigned."""
    daemon = town.start(RECONCILER_DELIVERY__URL=endpoint.url)
    assert daemon.ended() == 78
    assert "RECONCILER_SIGNING_SECRET" in "".join(daemon.lines)
    assert endpoint.tried.empty()


def test_doctor_looks_without_posting(town: Town, endpoint: Endpoint) -> None:
    """It says where the outbox goes, finds a wrong address and a missing secret, and sends nothing."""
    town.environ["RECONCILER_DELIVERY__URL"] = endpoint.url
    code, out, _ = town.run("doctor")
    assert code == 78
    assert "signing secret" in out
    town.environ["RECONCILER_SIGNING_SECRET"] = SECRET
    code, out, err = town.run("doctor")
    assert code == 0, out
    assert endpoint.url in out
    assert SECRET[8:] not in out + err
    code, out, _ = town.run("doctor", RECONCILER_DELIVERY__URL="http://shop.example/x")
    assert code == 78
    assert "delivery.url" in out
    assert endpoint.tried.empty()


def test_a_person_s_correction_is_delivered_too(town: Town, endpoint: Endpoint) -> None:
    """In the mode "report" as well: whoever made it, a changed status alone ships nothing."""
    town.pay(1)
    town.configure(mode="report")
    assert town.run("sweep", "--apply")[0] == 0
    daemon = start(town, endpoint)
    assert endpoint.next().key == "1"
    daemon.event("delivery.finished", delivered=1)
    assert daemon.end() == 0
    with psycopg.connect(town.shop.url) as connection:
        assert connection.execute("SELECT attempts FROM reconciler.outbox").fetchall() == [(1,)]


def test_the_timetable_has_no_such_job_without_an_endpoint(town: Town) -> None:
    """The outbox is a worker's of the merchant: nobody claims its rows."""
    town.pay(1)
    daemon = town.start()
    daemon.event("pass.finished", job="due", complete=True)
    assert daemon.end() == 0
    assert town.ask("SELECT attempts, delivered_at FROM reconciler.outbox") == [(0, None)]
