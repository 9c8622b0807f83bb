"""``reconciler run`` with an endpoint: corrections are delivered to the merchant."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator

import psycopg
import pytest
import stripe

from reconciler.clock import SystemClock
from tests.acceptance.service.conftest import Daemon, ServiceInstallation
from tests.endpoint import Endpoint, EndpointFault, serving

SECRET = "whsec_" + "0123456789abcdef" * 4


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with serving() as running:
        yield running


def start_delivering(
    installation: ServiceInstallation, endpoint: Endpoint, **environ: str
) -> Daemon:
    """Start a service that delivers, with debug lines in its log."""
    installation.environ |= {
        "RECONCILER_DELIVERY__URL": endpoint.url,
        "RECONCILER_DELIVERY__EVERY": "1s",
        "RECONCILER_DELIVERY__TIMEOUT": "2s",
        "RECONCILER_SIGNING_SECRET": SECRET,
        **environ,
    }
    return installation.start("--log-level", "debug")


def test_corrections_arrive_signed(installation: ServiceInstallation, endpoint: Endpoint) -> None:
    """Each corrected payment is delivered once, in a message that Stripe's SDK accepts as signed."""
    installation.add_payments(3)
    daemon = start_delivering(installation, endpoint)
    received = [endpoint.next() for _ in range(3)]
    for message in received:
        header = message.headers["reconciler-signature"]
        assert stripe.WebhookSignature.verify_header(message.body, header, SECRET, 300)
        assert message.json["type"] == "payment.corrected"
        assert message.json["data"]["to_status"] == "paid"
        assert "secret" not in message.body.decode()
    assert {message.key for message in received} == {"1", "2", "3"}

    daemon.wait_for("delivery.finished", account="default")
    assert daemon.end() == 0
    assert installation.query(
        "SELECT count(*) FROM reconciler.outbox WHERE delivered_at IS NULL"
    ) == [(0,)]
    assert endpoint.all() == []
    assert SECRET[8:] not in "".join(daemon.lines)


def test_an_unavailable_endpoint_is_in_status_and_metrics(
    installation: ServiceInstallation, endpoint: Endpoint
) -> None:
    """The sweeps go on and the service stays ready; status and metrics show what waits and why."""
    installation.add_payments(2)
    endpoint.usual = 500
    daemon = start_delivering(installation, endpoint, RECONCILER_DELIVERY__GIVE_UP="1s")
    port = daemon.wait_for("metrics.listening")["port"]
    ended = daemon.wait_for("delivery.finished", failed=2)
    assert ended["last_fault"] == "the endpoint answered 500"
    assert installation.get(port, "/readyz")[0] == 200

    _, text = installation.get(port, "/metrics")
    assert 'reconciler_deliveries_total{account="default",result="failed"} 2.0' in text

    installation.execute(
        "UPDATE reconciler.outbox SET tried_since = tried_since - interval '1h', next_attempt_at = now()"
    )
    daemon.wait_for("delivery.finished", given_up=1)
    code, out, _ = installation.run("status", "--json")
    (status,) = json.loads(out)
    assert code == 0
    assert status["level"] == "critical"
    assert status["outbox"]["waiting"] == 2
    assert status["outbox"]["given_up"] >= 1
    assert status["outbox"]["last_error"] == "the endpoint answered 500"
    assert status["outbox"]["oldest_age_seconds"] > 0
    assert any("given up" in remark["what"] for remark in status["remarks"])
    assert "the endpoint answered 500" in installation.run("status")[1]
    assert installation.run("status", "--format", "nagios")[0] == 2
    assert installation.count_by_status() == {"paid": 2}
    assert daemon.end() == 0


def test_a_stop_does_not_wait_for_an_endpoint_that_hangs(
    installation: ServiceInstallation, endpoint: Endpoint
) -> None:
    """SIGTERM during a request ends the service within seconds; the next service sends the row again."""
    installation.add_payments(1)
    endpoint.usual = EndpointFault.HANG
    daemon = start_delivering(installation, endpoint, RECONCILER_DELIVERY__TIMEOUT="50s")
    first = endpoint.next()
    clock = SystemClock()
    began = clock.monotonic()
    assert daemon.end() == 0
    assert clock.monotonic() - began < 10

    endpoint.usual = 200
    installation.execute("UPDATE reconciler.outbox SET next_attempt_at = NULL")
    again = start_delivering(installation, endpoint)
    assert endpoint.next().id == first.id
    assert again.end() == 0


def test_sweeps_go_on_while_the_endpoint_hangs(
    installation: ServiceInstallation, endpoint: Endpoint
) -> None:
    """A delivery that hangs delays no sweep."""
    installation.add_payments(1)
    installation.configure_service(due="1s")
    endpoint.usual = EndpointFault.HANG
    daemon = start_delivering(installation, endpoint, RECONCILER_DELIVERY__TIMEOUT="50s")
    daemon.wait_for("sweep.finished", corrected=1)
    endpoint.next()
    installation.add_payments(1)
    daemon.wait_for("sweep.finished", corrected=1)
    assert installation.count_by_status() == {"paid": 2}
    assert daemon.end() == 0


def test_a_row_is_sent_again_after_a_kill(
    installation: ServiceInstallation, endpoint: Endpoint
) -> None:
    """After kill -9 between sending and recording, the next service sends the row again under the same id."""
    installation.add_payments(1)
    endpoint.usual = EndpointFault.HANG
    daemon = start_delivering(installation, endpoint, RECONCILER_DELIVERY__TIMEOUT="50s")
    first = endpoint.next()
    daemon.end(signal.SIGKILL)
    endpoint.usual = 200
    installation.execute("UPDATE reconciler.outbox SET claimed_until = now()")
    again = start_delivering(installation, endpoint)
    assert endpoint.next().id == first.id

    again.wait_for("delivery.finished", delivered=1)
    assert again.end() == 0


def test_an_endpoint_without_a_secret_ends_it(
    installation: ServiceInstallation, endpoint: Endpoint
) -> None:
    """No message is ever sent unsigned: without a signing secret the service ends with 78."""
    daemon = installation.start(RECONCILER_DELIVERY__URL=endpoint.url)
    assert daemon.wait() == 78
    assert "RECONCILER_SIGNING_SECRET" in "".join(daemon.lines)
    assert endpoint.tried.empty()


def test_doctor_checks_the_endpoint_without_posting(
    installation: ServiceInstallation, endpoint: Endpoint
) -> None:
    """It says where the outbox goes, finds a wrong address and a missing secret, and sends nothing."""
    installation.environ["RECONCILER_DELIVERY__URL"] = endpoint.url
    code, out, _ = installation.run("doctor")
    assert code == 78
    assert "signing secret" in out

    installation.environ["RECONCILER_SIGNING_SECRET"] = SECRET
    code, out, err = installation.run("doctor")
    assert code == 0, out
    assert endpoint.url in out
    assert SECRET[8:] not in out + err

    code, out, _ = installation.run("doctor", RECONCILER_DELIVERY__URL="http://shop.example/x")
    assert code == 78
    assert "delivery.url" in out
    assert endpoint.tried.empty()


def test_the_correction_of_a_person_is_delivered(
    installation: ServiceInstallation, endpoint: Endpoint
) -> None:
    """In the mode "report" as well: a correction of a person is delivered like one of the service."""
    installation.add_payments(1)
    installation.configure_service(mode="report")
    assert installation.run("sweep", "--apply")[0] == 0
    daemon = start_delivering(installation, endpoint)
    assert endpoint.next().key == "1"
    daemon.wait_for("delivery.finished", delivered=1)
    assert daemon.end() == 0
    with psycopg.connect(installation.shop.url) as connection:
        assert connection.execute("SELECT attempts FROM reconciler.outbox").fetchall() == [(1,)]


def test_nothing_is_delivered_without_an_endpoint(installation: ServiceInstallation) -> None:
    """Without an endpoint the outbox is left to the merchant's own worker: the service claims none of its rows."""
    installation.add_payments(1)
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="due", complete=True)
    assert daemon.end() == 0
    assert installation.query("SELECT attempts, delivered_at FROM reconciler.outbox") == [(0, None)]
