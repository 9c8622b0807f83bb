"""Claims: at least once, in order for each payment, beside a worker of the merchant's, and only under the lease."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest

from reconciler.adapters.postgres.coordination.status import PostgresStatus
from reconciler.engine.delivery.deliver import Delivery
from reconciler.errors import DatabaseUnavailableError, LeaseLostError
from tests.endpoint import WAIT_SECONDS, EndpointFault
from tests.integration.delivery.conftest import NoProgress, Post

WORKER = """
    SELECT id FROM reconciler.outbox
     WHERE delivered_at IS NULL AND (claimed_until IS NULL OR claimed_until < now())
     ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
"""
"""The query of a worker, as docs/how-to/consume-the-outbox.md has it."""


def test_a_later_row_of_a_payment_waits_for_the_earlier_one(post: Post) -> None:
    """While the first fails, the second of the same payment waits; a row of another payment does not."""
    post.put("a", "a", "b", "a")
    post.endpoint.behave(500)
    assert post.run().delivered == 1
    assert [received.key for received in post.endpoint.all()] == ["a", "b"]
    post.later()
    assert post.run().delivered == 3
    numbers = [received.json["data"]["ledger_seq"] for received in post.endpoint.all()]
    assert numbers == [1, 2, 4]


def test_two_deliverers_at_once_send_each_row_once(post: Post) -> None:
    """No row is claimed twice, and the rows of each payment keep their order."""
    keys = [str(number % 7) for number in range(60)]
    post.put(*keys)
    deliveries = [post.new_delivery() for _ in range(2)]

    def work(delivery: Delivery) -> int:
        done = 0
        while post.waiting():
            done += delivery.run(post.epoch, lambda: None, NoProgress()).delivered
        return done

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(work, deliveries))
    received = post.endpoint.all()
    assert sum(counts) == len(received) == 60
    assert max(Counter(one.id for one in received).values()) == 1
    for key in set(keys):
        numbers = [one.json["data"]["ledger_seq"] for one in received if one.key == key]
        assert numbers == sorted(numbers)


def test_a_kill_before_the_delivery_is_recorded_sends_it_again(post: Post) -> None:
    """The claim of the dead process expires; until then no process sends the row, then it comes with the same id."""
    post.put("1", "1")

    class KilledError(Exception):
        pass

    def die(_number: int) -> None:
        raise KilledError

    delivery = post.new_delivery()
    delivery._outbox = type(post.outbox)(post.database, "default")
    delivery._outbox.delivered = die  # type: ignore[method-assign]
    with pytest.raises(KilledError):
        delivery.run(post.epoch, lambda: None, NoProgress())
    assert post.run().delivered == 0, "its claim is not over, and the other row waits for it"
    post.execute(
        "UPDATE reconciler.outbox SET claimed_until = now() - interval '1s' WHERE claimed_until IS NOT NULL"
    )
    assert post.run().delivered == 2
    first, again, second = post.endpoint.all()
    assert first.id == again.id != second.id


def test_a_claim_is_short(post: Post) -> None:
    """It ends after the seconds that were asked for."""
    post.put("1")
    assert post.outbox.claim(post.epoch, 3.0) is not None
    (row,) = post.query("SELECT claimed_until - now() AS left FROM reconciler.outbox")
    assert timedelta(seconds=1) < row["left"] <= timedelta(seconds=3)


def test_nothing_is_locked_while_a_request_is_out(post: Post) -> None:
    """The worker's query answers at once and leaves out the claimed row; Reconciler has no open transaction."""
    post.put("1", "2")
    post.endpoint.usual = EndpointFault.HANG
    thread = threading.Thread(target=post.run)
    thread.start()
    post.endpoint.tried.get(timeout=WAIT_SECONDS)
    with psycopg.connect(post.url) as worker:
        taken = worker.execute(WORKER, {"limit": 10}).fetchall()
        (open_ones,) = worker.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()"
        ).fetchone() or (None,)
    thread.join(WAIT_SECONDS)
    assert (len(taken), open_ones) == (1, 0)


def test_the_merchants_worker_beside_the_delivery(post: Post) -> None:
    """Together they handle every row, and none twice."""
    post.put(*map(str, range(80)))
    fulfilled: list[int] = []

    def work() -> None:
        with psycopg.connect(post.url) as worker:
            while True:
                rows = worker.execute(WORKER, {"limit": 3}).fetchall()
                for (number,) in rows:
                    worker.execute(
                        "UPDATE reconciler.outbox SET delivered_at = now() WHERE id = %s", (number,)
                    )
                    fulfilled.append(number)
                worker.commit()
                if not rows and not post.waiting():
                    return

    thread = threading.Thread(target=work)
    thread.start()
    while post.waiting():
        assert post.run().failure is None
    thread.join(WAIT_SECONDS)
    sent = [int(one.id.split(":")[1]) for one in post.endpoint.all()]
    assert sorted(sent + fulfilled) == [row["id"] for row in post.rows()]


def test_a_row_that_the_worker_holds_is_skipped_with_later_ones(post: Post) -> None:
    """The delivery neither waits for the row nor sends a later row of its payment."""
    post.put("a", "a", "b")
    with psycopg.connect(post.url) as worker:
        worker.execute(WORKER, {"limit": 1}).fetchall()
        assert post.run().delivered == 1
    assert [one.key for one in post.endpoint.all()] == ["b"]


def test_another_accounts_rows_are_not_sent(post: Post) -> None:
    """Each account's holder delivers the rows of its account."""
    post.put("1")
    post.execute("UPDATE reconciler.outbox SET account = 'other'")
    assert post.run().delivered == 0


def test_without_the_lease_nothing_is_sent(post: Post) -> None:
    """A process that has lost the lease cannot claim a row."""
    post.put("1")
    post.execute("UPDATE reconciler.leases SET epoch = epoch + 1")
    report = post.run()
    assert isinstance(report.failure, LeaseLostError)
    assert post.endpoint.tried.empty()
    assert post.rows()[0]["attempts"] == 0


def test_a_lease_that_is_lost_during_a_run_ends_it(post: Post) -> None:
    """The message that is being sent is recorded if it was received; nothing after it is sent."""
    post.put("1", "2", "3")

    def lose() -> None:
        if not post.endpoint.tried.empty():
            post.execute("UPDATE reconciler.leases SET epoch = epoch + 1")

    report = post.run(recheck=lose)
    assert isinstance(report.failure, LeaseLostError)
    assert post.endpoint.tried.qsize() == 1
    assert post.waiting() == ["2", "3"]


def test_a_late_failure_does_not_change_a_later_attempt(post: Post) -> None:
    """A process that was paused cannot end the claim of its successor."""
    post.put("1")
    mine = post.outbox.claim(post.epoch, 0)
    assert mine is not None
    successor = post.outbox.claim(post.epoch, 60)
    assert successor is not None
    assert successor.number == 2
    post.outbox.failed(mine, "too late", 5, given_up=True)
    (row,) = post.rows()
    assert row["given_up_at"] is None
    assert row["last_error"] is None
    post.outbox.delivered(successor.message.number)
    post.outbox.failed(successor, "no", 5, given_up=True)
    assert post.rows()[0]["given_up_at"] is None


def test_a_row_that_is_given_up_stays(post: Post) -> None:
    """After its time it is not tried again, is counted with its error, and holds back later rows; it is never deleted."""
    post.put("1", "1", "2")
    post.terms = replace(post.terms, give_up=timedelta(hours=1))
    post.endpoint.behave(500, 200)
    assert post.run().given_up == 0
    post.execute(
        "UPDATE reconciler.outbox SET tried_since = now() - interval '1 hour' WHERE attempts > 0"
        " AND delivered_at IS NULL"
    )
    post.later()
    post.endpoint.behave(404)
    assert post.run().given_up == 1
    post.later()
    before = post.endpoint.tried.qsize()
    post.run()
    assert post.endpoint.tried.qsize() == before
    waiting, given_up, age, error, *_ = PostgresStatus(post.database, "default").outbox()
    assert (waiting, given_up, error) == (2, 1, "the endpoint answered 404")
    assert age >= 0
    post.execute(
        "UPDATE reconciler.outbox SET given_up_at = NULL, tried_since = NULL, next_attempt_at = NULL"
        " WHERE given_up_at IS NOT NULL"
    )
    assert post.run().delivered == 2


def test_an_unavailable_database_ends_the_run(post: Post) -> None:
    """The report has the error, and the row is still undelivered."""
    post.put("1")

    def fail(_epoch: int, _seconds: float, *, probe: bool) -> None:
        raise DatabaseUnavailableError("gone.")

    delivery = post.new_delivery()
    delivery._outbox = type(post.outbox)(post.database, "default")
    delivery._outbox.claim = fail  # type: ignore[method-assign,assignment]
    report = delivery.run(post.epoch, lambda: None, NoProgress())
    assert isinstance(report.error_met, DatabaseUnavailableError)
    assert post.waiting() == ["1"]
