"""How long a page for finance takes over a large record: 100,000 discrepancies and 1,000,000 ledger entries.

The pages are asked for in this process, one after another, each with another filter or place. The record is made by SQL: half of the
discrepancies are open, the ledger has the entries of two years, and the statement's month has a day total for each day.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from urllib.parse import quote

import psycopg
from pydantic import SecretStr
from starlette.testclient import TestClient

from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.clock import SystemClock
from reconciler.entrypoints.cli.period_files import write_period_file
from reconciler.entrypoints.web.application import application
from reconciler.entrypoints.web.identity import Identification, Reader, Role
from reconciler.entrypoints.web.passwords import Passwords
from reconciler.settings import DatabaseSection, load
from reconciler.wiring.web_records import open_web_records
from tests.benchmarks.databases import Databases
from tests.benchmarks.figures import Figure, print_line
from tests.benchmarks.options import Options

MOST_MILLISECONDS = 200
FILL = (
    """
    INSERT INTO reconciler.discrepancies (
        account, subject, kind, payment_intent, keys, severity, state, closing, stake_amount, currency, local, stripe,
        evidence, fingerprint, first_seen, last_seen, changed_at
    )
    SELECT 'default', 'pi_' || lpad(n::text, 24, '0'), (ARRAY['missed_outcome', 'contradicted', 'missing_locally', 'overdue'])[1 + n %% 4],
        'pi_' || lpad(n::text, 24, '0'), ARRAY[n::text], (ARRAY['warning', 'critical', 'info'])[1 + n %% 3],
        CASE WHEN n %% 2 = 0 THEN 'open' ELSE 'closed' END, CASE WHEN n %% 2 = 1 THEN 'agreement' END, n %% 50000,
        (ARRAY['eur', 'usd', 'gbp'])[1 + n %% 3],
        jsonb_build_object('key', n::text, 'status', 'pending', 'outcome', 'incomplete', 'amount', 1250, 'currency', 'eur'),
        jsonb_build_object('status', 'succeeded', 'outcome', 'succeeded', 'amount', 1250, 'amount_received', 1250, 'currency', 'eur'),
        jsonb_build_object('livemode', true, 'created', '2026-01-01T00:00:00.000000Z', 'request_id', 'req_' || n, 'method', 'card'),
        repeat('a', 64), now() - n * interval '9 minutes', now() - n * interval '3 minutes', now()
    FROM generate_series(1, %(discrepancies)s) AS n
    """,
    """
    INSERT INTO reconciler.ledger (account, seq, at, action, body, prev, hash, role)
    SELECT 'default', n, now() - (%(entries)s - n) * interval '1 minute',
        (ARRAY['finding_opened', 'correction', 'finding_changed', 'finding_opened', 'resolution'])[1 + n %% 5],
        jsonb_build_object(
            'subject', 'pi_' || lpad(((n / 10) %% %(discrepancies)s)::text, 24, '0'), 'kind', 'missed_outcome', 'state', 'open',
            'sweep', n / 100, 'asked_by', 'service', 'key', n::text, 'amount', 1250, 'currency', 'eur',
            'stake', jsonb_build_object('amount', 1250, 'currency', 'eur'), 'fingerprint', repeat('b', 64)
        ), CASE WHEN n = 1 THEN repeat('0', 64) ELSE repeat('c', 64) END, repeat('d', 64), 'service'
    FROM generate_series(1, %(entries)s) AS n
    """,
    "INSERT INTO reconciler.ledger_heads (account, seq, hash) VALUES ('default', %(entries)s, repeat('d', 64))",
    "ANALYZE reconciler.discrepancies, reconciler.ledger",
)


@contextmanager
def filled(options: Options) -> Iterator[str]:
    """The URL of a database with a large record."""
    values = {
        "discrepancies": options.sized(tiny=200, usual=20_000, full=100_000),
        "entries": options.sized(tiny=2_000, usual=200_000, full=1_000_000),
    }
    with Databases(options.postgres) as databases, databases.empty() as (_, url):
        migrate(url, daemon_role=None, auditor_role=None)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in FILL:
                bound = psycopg.ClientCursor(connection).mogrify(statement, values)
                connection.execute(bound.encode())
        yield url


def addresses(options: Options) -> dict[str, list[str]]:
    """Addresses of each page."""
    count = options.repeated(usual=5) * 4
    most = options.sized(tiny=200, usual=20_000, full=100_000)
    names = [f"pi_{n * most // (count + 1):024}" for n in range(1, count + 1)]
    sorts = ("last seen", "oldest first", "newest first", "most money first")
    lists = [f"/discrepancies?sort={quote(sorts[n % 4])}&state=open" for n in range(count)]
    rare = ["", "&kind=overdue", "&severity=critical", "&currency=gbp&kind=contradicted"]
    return {
        "overview": ["/"] * count,
        "discrepancies": lists,
        "discrepancies, filtered": [f"{one}{rare[n % 4]}" for n, one in enumerate(lists)],
        "discrepancies, searched": [f"/discrepancies?q={name}" for name in names],
        "discrepancies, by row": [f"/discrepancies?q={int(name[3:])}" for name in names],
        "a payment": [f"/payment?name={name}" for name in names],
        "ledger": [
            "/ledger",
            "/ledger?action=correction",
            "/ledger?action=note",
            f"/ledger?before={most}",
        ]
        * (count // 4),
        "sweeps": ["/sweeps"] * count,
        "statement": ["/statement"] * count,
        "kinds": ["/kinds"] * count,
    }


def run(options: Options) -> list[Figure]:
    """The 95th percentile of the time of each page, in milliseconds."""
    figures = []
    with filled(options) as url:
        made = load(None, {}, need_stripe=False, need_table=False, need_database=False)
        settings = replace(made, database=DatabaseSection(url=SecretStr(url)))
        clock = SystemClock()
        who = Identification((), None, (), Passwords(clock))
        with open_web_records(settings, SystemClock()) as records:
            reader = Reader("demo", Role.REVIEWER)
            app = application(records, settings, clock, who, write_period_file, reader)
            client = TestClient(app, base_url="http://localhost")
            for name, asked in addresses(options).items():
                figures.append(_figure(client, name, asked))
                print_line(f"  {name}: {figures[-1].reached}")
    return figures


def _figure(client: TestClient, name: str, asked: list[str]) -> Figure:
    # the first one opens the connection and reads the templates
    client.get(asked[0])
    times = []
    for address in asked:
        began = time.perf_counter()
        answer = client.get(address)
        times.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise AssertionError(f"{address}: {answer.status_code}")
    slow = max(times) if len(times) < 2 else statistics.quantiles(times, n=20)[-1]
    reached = f"{slow:.0f} (median {statistics.median(times):.0f})"
    return Figure(
        "pages", f"{name}, p95 in ms", f"≤ {MOST_MILLISECONDS}", reached, slow <= MOST_MILLISECONDS
    )
