"""The database is unavailable, disconnects, refuses, or another process works on the account."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from reconciler.adapters.postgres import database as postgres
from tests.acceptance.installation import EVENTS, LIST, Installation
from tests.conftest import Server

RoleFactory = Callable[[str], tuple[str, Callable[[str], str]]]


def meanwhile(
    installation: Installation, endpoint: str, act: Callable[[], object]
) -> threading.Event:
    """Call ``act`` once in the middle of a sweep, before this endpoint answers; the event says that it was done."""
    done = threading.Event()
    first = threading.Semaphore()

    def hook(asked: str, _target: str) -> None:
        if asked == endpoint and first.acquire(blocking=False):
            act()
            done.set()

    installation.stripe.before_answer = hook
    return done


def cut_connections(installation: Installation) -> None:
    """End every other connection to this database, as an administrator can."""
    installation.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@pytest.mark.parametrize("command", ["sweep", "explain pi_1", "revert 1", "verify", "export"])
def test_the_database_is_down(installation: Installation, command: str) -> None:
    """Exit 75 with the server's name and what to check; Stripe is not asked."""
    answer = installation.run(
        *command.split(), DATABASE_URL="postgresql://user:hush@127.0.0.1:9/shop"
    )
    assert answer.code == 75
    assert "127.0.0.1:9" in answer.err
    assert "DATABASE_URL" in answer.err
    assert "hush" not in answer.err + answer.out
    assert installation.stripe.requests.reads == 0


def test_the_report_is_printed_without_a_database(installation: Installation) -> None:
    """A sweep that could not begin prints its report too, because a program may read it."""
    answer = installation.sweep("--apply", DATABASE_URL="postgresql://127.0.0.1:9/shop")
    assert answer.code == 75
    assert answer.json["complete"] is False
    assert "127.0.0.1:9" in answer.json["stopped"]


@pytest.mark.parametrize(
    ("user", "dbname", "named"),
    [("absent_role", None, "absent_role"), (None, "no_such_database", "no_such_database")],
)
def test_a_role_or_database_that_does_not_exist(
    installation: Installation, user: str | None, dbname: str | None, named: str
) -> None:
    """Exit 78 with the name of the role or database."""
    changed = {"user": user, "dbname": dbname}
    url = make_conninfo(
        installation.shop.url, **{k: v for k, v in changed.items() if v is not None}
    )
    answer = installation.sweep(DATABASE_URL=url)
    assert answer.code == 78
    assert named in answer.err


def test_connections_are_cut_between_reading_and_writing(installation: Installation) -> None:
    """The page is recorded as a whole or not at all, the report agrees, and the next sweep does the rest."""
    for key in range(5):
        installation.add_payment(key)
    done = meanwhile(installation, EVENTS, lambda: cut_connections(installation))
    answer = installation.sweep("--kind", "window", "--apply")
    assert done.is_set()
    assert answer.code in (0, 75)
    corrected = list(installation.statuses().values()).count("paid")
    assert corrected == answer.json["corrected"]
    assert corrected in (0, 5)
    assert len(installation.query_dicts("SELECT * FROM reconciler.outbox")) == corrected
    installation.stripe.before_answer = None
    _end_lease(installation)
    again = installation.sweep("--kind", "window", "--apply")
    assert (again.code, again.json["corrected"]) == (0, 5 - corrected)
    installation.check_ledger()


@pytest.mark.parametrize("endpoint", [LIST, EVENTS])
def test_the_database_refuses_connections_in_mid_sweep(
    installation: Installation, server: Server, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It accepts no new connection and cuts the existing ones: exit 75 or 78, the report, and no half-recorded page."""
    monkeypatch.setattr(postgres, "CONNECT_SECONDS", 1)
    for key in range(5):
        installation.add_payment(key)
    before = installation.dump_results()
    name = installation.query_dicts("SELECT current_database() AS name")[0]["name"]

    def close() -> None:
        with server.connect() as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            connection.execute(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            )

    done = meanwhile(installation, endpoint, close)
    answer = installation.sweep("--kind", "window", "--apply")
    assert done.is_set()
    with server.connect() as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert answer.code in (75, 78)
    assert answer.json["complete"] is False
    assert answer.err
    assert installation.dump_results() == before
    installation.stripe.before_answer = None
    _end_lease(installation)
    assert installation.sweep("--apply").json["corrected"] == 5
    installation.check_ledger()


def _end_lease(installation: Installation) -> None:
    """End the lease that a sweep could not release, as time would."""
    installation.execute("UPDATE reconciler.leases SET holder = NULL, expires_at = NULL")


def test_a_read_only_database(installation: Installation) -> None:
    """If the database is read-only, a dry run works; --apply and --record end before Stripe is asked."""
    installation.add_payment(1)
    installation.execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET"
        " default_transaction_read_only = on', current_database()); END $$"
    )
    before = installation.dump()
    dry = installation.sweep("--kind", "due")
    assert (dry.code, dry.json["would_correct"]) == (0, 1)
    reads = installation.stripe.requests.reads
    for writing in ("--apply", "--record"):
        answer = installation.sweep(writing)
        assert answer.code in (75, 78)
        assert answer.json["complete"] is False
        assert answer.err
    assert installation.stripe.requests.reads == reads
    assert installation.dump() == before


def test_the_database_becomes_read_only_in_mid_sweep(installation: Installation) -> None:
    """After a failover: exit 75, no half-recorded page, and the message says that the database is read-only or was lost."""
    installation.add_payment(1)
    before = installation.dump_results()

    def fail_over() -> None:
        installation.execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET"
            " default_transaction_read_only = on', current_database()); END $$"
        )
        cut_connections(installation)

    done = meanwhile(installation, EVENTS, fail_over)
    answer = installation.sweep("--kind", "due", "--apply")
    assert done.is_set()
    assert answer.code == 75
    assert installation.dump_results() == before
    assert "read-only" in answer.out + answer.err or "lost" in answer.out + answer.err


def test_no_schema(installation: Installation) -> None:
    """Without the schema reconciler a dry run works; every other command names reconciler migrate."""
    installation.add_payment(1)
    installation.execute("DROP SCHEMA reconciler CASCADE")
    dry = installation.sweep("--kind", "due")
    assert (dry.code, dry.json["would_correct"]) == (0, 1)
    reads = installation.stripe.requests.reads
    for command in (
        ("sweep", "--apply"),
        ("sweep", "--record"),
        ("revert", "1"),
        ("resolve", "1", "--note", "x"),
        ("verify",),
        ("discrepancies",),
        ("export",),
    ):
        answer = installation.run(*command)
        assert answer.code == 78, command
        assert "reconciler migrate" in answer.err, command
    assert installation.stripe.requests.reads == reads
    assert installation.statuses() == {"1": "pending"}


@pytest.mark.parametrize(
    ("granted", "writing", "needs"),
    [
        ("USAGE ON SCHEMA public", [], "SELECT"),
        ("SELECT (id, status) ON public.payments", [], "SELECT"),
        ("SELECT ON public.payments", ["--apply"], "UPDATE"),
        ("SELECT, UPDATE (amount) ON public.payments", ["--apply"], "UPDATE"),
    ],
)
def test_a_privilege_is_missing(
    installation: Installation, role: RoleFactory, granted: str, writing: list[str], needs: str
) -> None:
    """Exit 78 with the GRANT statement to run, before Stripe is asked."""
    installation.add_payment(1)
    name, url_of = role("daemon")
    installation.run("migrate", "--daemon-role", name)
    installation.execute(f"GRANT {granted} TO {name}")
    answer = installation.sweep(*writing, DATABASE_URL=url_of(installation.shop.url))
    assert answer.code == 78
    assert "GRANT" in answer.err
    assert needs in answer.err
    assert installation.stripe.requests.reads == 0
    assert installation.statuses() == {"1": "pending"}


def test_the_documented_role_is_enough(installation: Installation, role: RoleFactory) -> None:
    """The documented grants, SELECT on the table and UPDATE of the written columns, are enough for each kind of sweep."""
    installation.add_payment(1)
    name, url_of = role("daemon")
    assert installation.run("migrate", "--daemon-role", name).code == 0
    installation.execute(
        f"GRANT USAGE ON SCHEMA public TO {name}; GRANT SELECT ON public.payments TO {name};"
        f"GRANT UPDATE (status, updated_at) ON public.payments TO {name}"
    )
    url = url_of(installation.shop.url)
    assert installation.sweep(DATABASE_URL=url).json["would_correct"] == 1
    report = installation.sweep("--apply", DATABASE_URL=url).json
    assert report["corrected"] == 1
    assert installation.run("revert", str(report["sweep"]), DATABASE_URL=url).code == 0
    assert installation.statuses() == {"1": "pending"}
    installation.check_ledger()


def test_a_dry_run_needs_select_alone(installation: Installation, role: RoleFactory) -> None:
    """A role that can only read the merchant's table can make a dry run, which stores nothing."""
    installation.add_payment(1)
    name, url_of = role("reader")
    installation.execute(
        f"GRANT USAGE ON SCHEMA public TO {name}; GRANT SELECT ON public.payments TO {name}"
    )
    before = installation.dump()
    answer = installation.sweep(DATABASE_URL=url_of(installation.shop.url))
    assert (answer.code, answer.json["would_correct"]) == (0, 1)
    assert installation.dump() == before
    assert installation.query_dicts("SELECT * FROM reconciler.leases") == []


def test_another_process_holds_the_lease(installation: Installation) -> None:
    """Exit 75 with the process that holds the account; nothing is written, and nothing asked of Stripe."""
    installation.add_payment(1)
    installation.execute(
        "INSERT INTO reconciler.leases VALUES ('default', 7, 'machine:4711:abc', now() + '1 hour')"
    )
    before = installation.dump()
    for command in (("sweep", "--apply"), ("sweep", "--record"), ("sweep",), ("revert", "1")):
        answer = installation.run(*command)
        assert answer.code == 75, command
        assert "machine:4711:abc" in answer.err, command
    assert installation.sweep("--apply").json["complete"] is False
    assert installation.dump() == before
    assert installation.stripe.requests.count(LIST) == 0


def test_an_expired_lease_is_taken_over(installation: Installation) -> None:
    """An expired lease of another process does not prevent a sweep."""
    installation.add_payment(1)
    installation.execute(
        "INSERT INTO reconciler.leases VALUES ('default', 7, 'machine:4711:abc', now() - '1 s'::interval)"
    )
    assert installation.sweep("--apply").json["corrected"] == 1
    assert installation.query_dicts("SELECT epoch, holder FROM reconciler.leases") == [
        {"epoch": 8, "holder": None}
    ]


def test_the_lease_is_lost_in_mid_sweep(installation: Installation) -> None:
    """The process that lost the lease writes nothing more, says so, and exits with 75."""
    installation.add_payment(1)
    before = installation.dump_results()
    done = meanwhile(
        installation,
        EVENTS,
        lambda: installation.execute(
            "UPDATE reconciler.leases SET epoch = epoch + 1, holder = 'another', expires_at = now() + '1 h'"
        ),
    )
    answer = installation.sweep("--kind", "due", "--apply")
    assert done.is_set()
    assert answer.code == 75
    assert answer.json["complete"] is False
    assert "taken" in answer.err
    assert installation.dump_results() == before
    (lease,) = installation.query_dicts("SELECT holder FROM reconciler.leases")
    assert lease["holder"] == "another"


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE public.payments RENAME COLUMN status TO state",
        "ALTER TABLE public.payments RENAME TO purchases",
        "DROP TABLE public.payments",
    ],
)
def test_the_table_changes_in_mid_sweep(installation: Installation, change: str) -> None:
    """After a migration by the merchant: exit 78 with what is missing, and no half-recorded page."""
    for key in range(5):
        installation.add_payment(key)
    done = meanwhile(installation, EVENTS, lambda: installation.execute(change))
    answer = installation.sweep("--kind", "due", "--apply")
    assert done.is_set()
    assert answer.code == 78
    assert (answer.json["complete"], answer.json["corrected"]) == (False, 0)
    assert "does not exist" in answer.err
    assert "status" in answer.err or "payments" in answer.err
    assert installation.query_dicts("SELECT * FROM reconciler.outbox") == []
    assert installation.query_dicts("SELECT * FROM reconciler.discrepancies") == []
    installation.check_ledger()


def test_connections_are_closed(installation: Installation) -> None:
    """After a sweep, successful or not, Reconciler has no connection and no transaction open."""
    installation.add_payment(1)
    installation.sweep("--apply")
    installation.sweep("--apply", RECONCILER_STRIPE__API_BASE="http://127.0.0.1:9")
    with psycopg.connect(installation.shop.url) as connection:
        (count,) = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'reconciler'"
        ).fetchone() or (None,)
    assert count == 0
