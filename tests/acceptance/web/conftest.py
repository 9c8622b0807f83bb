"""The finance pages in this process, on a database with the records of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache

import psycopg
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from starlette.testclient import TestClient

from reconciler.clock import ManualClock, SystemClock
from reconciler.entrypoints.cli.period_files import write_period_file
from reconciler.entrypoints.web.application import application
from reconciler.entrypoints.web.identity import Identification, Role, User
from reconciler.entrypoints.web.passwords import Passwords
from reconciler.settings import DatabaseSection, Settings, load
from reconciler.wiring.web_records import WebRecords, open_web_records
from tests.conftest import Server

PASSWORD = "correct horse battery"
INTENT = "pi_00000000000000001"
STORED = """
SELECT set_config('search_path', 'reconciler', false);
INSERT INTO ledger_heads (account, seq, hash) VALUES ('default', 0, repeat('0', 64));
INSERT INTO discrepancies (
    account, subject, kind, payment_intent, keys, severity, state, stake_amount, currency, local, stripe, evidence,
    fingerprint, first_seen, last_seen, changed_at, opened_at
)
SELECT 'default', 'pi_' || lpad(n::text, 17, '0'), CASE WHEN n % 2 = 0 THEN 'missed_outcome' ELSE 'contradicted' END,
    'pi_' || lpad(n::text, 17, '0'), ARRAY[n::text], CASE WHEN n % 2 = 0 THEN 'warning' ELSE 'critical' END, 'open', 100 * n, 'eur',
    jsonb_build_object('key', n::text, 'status', 'paid', 'outcome', 'succeeded', 'amount', 100 * n, 'currency', 'eur'),
    jsonb_build_object('status', 'canceled', 'outcome', 'canceled', 'amount', 100 * n, 'currency', 'eur'),
    '{"livemode": false}', repeat('a', 64), now() - n * interval '1 hour', now() - n * interval '1 minute', now(),
    now() - n * interval '1 hour'
FROM generate_series(1, 120) AS n;
"""
"""120 open discrepancies."""


CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@cache
def hashed(password: str) -> str:
    """The hash of a password, one that is checked quickly."""
    return CHEAP.hash(password)


@pytest.fixture(scope="module")
def stored(server: Server, migrated_template: str) -> Iterator[str]:
    """The URL of a database with discrepancies."""
    url = server.create("web_stored", migrated_template)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(STORED)
    yield url
    server.drop("web_stored")


@pytest.fixture(scope="module")
def settings(stored: str) -> Settings:
    """The settings of the pages."""
    made = load(None, {}, need_stripe=False, need_table=False, need_database=False)
    return replace(made, database=DatabaseSection(url=SecretStr(stored)))


@pytest.fixture(scope="module")
def records(settings: Settings) -> Iterator[WebRecords]:
    """The reads of the pages."""
    with open_web_records(settings, SystemClock()) as opened:
        yield opened


Site = Callable[..., TestClient]


@pytest.fixture(scope="module")
def site(records: WebRecords, settings: Settings) -> Site:
    """A factory: the pages as a browser at an address asks for them, with the configuration of [web]."""

    def make(
        peer: str = "127.0.0.1",
        user_header: str | None = None,
        trusted_proxies: tuple[str, ...] = (),
        clock: ManualClock | None = None,
        read: WebRecords = records,
    ) -> TestClient:
        users = (
            User("ana", Role.REVIEWER, hashed(PASSWORD)),
            User("vera", Role.VIEWER, hashed(PASSWORD)),
        )
        passwords = Passwords(clock or SystemClock(), CHEAP)
        who = Identification(users, user_header, trusted_proxies, passwords)
        app = application(read, settings, SystemClock(), who, write_period_file)
        return TestClient(
            app,
            base_url="http://pages.example",
            client=(peer, 50_000),
            raise_server_exceptions=False,
            follow_redirects=False,
        )

    return make


@pytest.fixture
def ana(site: Site) -> TestClient:
    """A reviewer who has logged in."""
    client = site()
    client.auth = ("ana", PASSWORD)
    return client
