"""Any role may notify the service's channel. That costs the service some wakes and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from reconciler.adapters.postgres.coordination.sweep_requests import (
    DEAF_SECONDS,
    MOST_A_SECOND,
    RequestListener,
)
from reconciler.clock import ManualClock
from tests.conftest import Server

CHANNEL = "reconciler_sweep_requests"
START = datetime(2026, 11, 2, tzinfo=UTC)


@pytest.fixture
def listener(empty_database: str) -> Iterator[RequestListener]:
    """A listener that is connected."""
    made = RequestListener(empty_database, "default", ManualClock(START), threading.Event())
    assert made.wait(1)
    yield made
    made.close()


def notify(database: str, *payloads: str) -> None:
    """Notify the channel as another program does."""
    with psycopg.connect(database, autocommit=True) as connection:
        for payload in payloads:
            connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, payload))


def wakes(listener: RequestListener) -> int:
    """How often the listener says that a request may wait, until it is deaf."""
    woken = 0
    for _ in range(10_000):
        woken += listener.wait(0.5)
        if listener.is_deaf:
            return woken
    raise AssertionError("it was never deaf")


def test_its_own_account_wakes_it(listener: RequestListener, empty_database: str) -> None:
    """A notification for the account wakes it; one for another account, or with any other payload, does not."""
    notify(empty_database, "default")
    assert listener.wait(5)
    for payload in ("other", "", "default ", "x" * 7999, "\u202edefault", "'; DROP TABLE x; --"):
        notify(empty_database, payload)
        assert not listener.wait(5), payload
    assert not listener.is_deaf


@pytest.mark.parametrize("payload", ["default", "x" * 7999])
def test_a_flood_makes_it_deaf(
    listener: RequestListener, empty_database: str, payload: str
) -> None:
    """More than people could cause in a second are not read: the wakes are bounded, and the caller's interval decides."""
    flood = threading.Thread(target=notify, args=(empty_database, *[payload] * 2000))
    flood.start()
    try:
        assert wakes(listener) <= MOST_A_SECOND + 1
        for _ in range(5):
            assert not listener.wait(1)
            assert listener.is_deaf
    finally:
        flood.join()


def test_it_listens_again_after_a_while(listener: RequestListener, empty_database: str) -> None:
    """After the pause it connects anew, looks once, and hears what comes then."""
    notify(empty_database, *["default"] * 100)
    wakes(listener)
    clock = listener._clock
    assert isinstance(clock, ManualClock)
    clock.advance(timedelta(seconds=DEAF_SECONDS))
    assert listener.wait(1)
    assert not listener.is_deaf
    notify(empty_database, "default")
    assert listener.wait(5)


def test_any_bytes_are_received(server: Server) -> None:
    """A database without an encoding forwards bytes that are no text: they end nothing."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(
            "CREATE DATABASE no_encoding TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"
        )
    url = server.url("no_encoding")
    listener = RequestListener(url, "default", ManualClock(START), threading.Event())
    try:
        assert listener.wait(1)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"SELECT pg_notify('{CHANNEL}', E'\\\\377\\\\376')")
        assert not listener.wait(5)
        notify(url, "default")
        assert listener.wait(5)
    finally:
        listener.close()
        server.drop("no_encoding")
