"""The old rows that the service deletes, and those that it keeps."""

from __future__ import annotations

from datetime import timedelta

import pytest

from reconciler.adapters.postgres.coordination.service_record import PostgresServiceRecord
from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.adapters.postgres.statements import STATEMENTS
from reconciler.domain.audit.ledger_entry import Action, Draft
from reconciler.domain.model.page import PageRecord
from reconciler.domain.planning.histogram import ListingModel


@pytest.fixture
def table(shop, bench):
    """A shop with a payment that can be corrected."""
    made = shop()
    made.insert(key=1, payment_intent="pi_1", status="pending")
    return bench(made)


def old_sweep(
    table, kind: str = "tail", days: int = 100, complete: bool | None = True, **report
) -> int:
    """A sweep that began so many days ago; ``complete`` is None if its process died."""
    sweep = table.store.start_sweep(
        {"kind": kind, "mode": "update", "applied": True, "asked_by": "service"}
    )
    if complete is not None:
        table.store.finish_sweep(sweep, {"complete": complete, **report}, [], table.epoch)
    table.all(
        "UPDATE reconciler.sweeps SET started_at = started_at - make_interval(days => %(days)s)"
        " WHERE id = %(id)s RETURNING 1",
        days=days,
        id=sweep,
    )
    return sweep


def remaining(table) -> set[int]:
    return {row[0] for row in table.all("SELECT id FROM reconciler.sweeps")}


def test_old_sweeps_that_stored_nothing_are_deleted(table):
    """Also those that failed and those whose process died; sweeps of the last 90 days stay."""
    for complete in (True, False, None):
        old_sweep(table, complete=complete)
    kept = {old_sweep(table, days=89), old_sweep(table, days=0)}
    assert PostgresServiceRecord(table.database, "default").delete_old_rows() == 3
    assert remaining(table) == kept


def test_a_sweep_that_stored_something_stays(
    table, make_correction, make_update, make_finding, seen
):
    """One that corrected a row, that a discrepancy names, that a person asked for, or of another account."""
    corrected, met, asked = old_sweep(table), old_sweep(table), old_sweep(table)
    with table.store.transaction(table.epoch) as page:
        [payment] = page.read_again(["pi_1"], [], lock=True).payments
        page.write(PageRecord(writes=(make_correction(payment, sweep=corrected),)))
    table.write(PageRecord(updates=(make_update(make_finding()),), seen_at=seen, sweep=met))
    table.all(
        "INSERT INTO reconciler.sweep_requests (account, asked_by, options, status, epoch, sweep, result)"
        " VALUES ('default', 'ann', '{}', 'done', 1, %(sweep)s, '{}') RETURNING 1",
        sweep=asked,
    )
    table.all(
        "UPDATE reconciler.sweeps SET account = 'other' WHERE id = %(id)s RETURNING 1",
        id=old_sweep(table),
    )
    before = remaining(table)
    last = old_sweep(table, days=0)
    assert PostgresServiceRecord(table.database, "default").delete_old_rows() == 0
    assert remaining(table) == before | {last}


def test_answered_requests_are_deleted_with_the_sweeps_that_they_kept(table, role, database):
    """90 days after its answer, by the daemon's role; one that waits, or that the service works on, stays."""
    daemon, as_daemon = role("daemon")
    migrate(database, daemon_role=daemon, auditor_role=None)
    old, kept = old_sweep(table), old_sweep(table, days=0)
    table.all(
        "INSERT INTO reconciler.sweep_requests (account, asked_by, options, status, epoch, sweep, result, answer, changed_at)"
        " SELECT a, days || status, '{}', status, CASE WHEN status IN ('taken', 'done') THEN 1 END,"
        " CASE WHEN status = 'done' THEN %(sweep)s::bigint END, CASE WHEN status = 'done' THEN '{}'::jsonb END,"
        " CASE WHEN status = 'refused' THEN 'no' END, now() - make_interval(days => days)"
        " FROM unnest(ARRAY['default']) AS a, unnest(ARRAY['asked', 'taken', 'done', 'refused']) AS status,"
        " unnest(ARRAY[89, 91]) AS days WHERE (days, status) <> (89, 'done') RETURNING 1",
        sweep=old,
    )
    with Database(as_daemon(database)) as connected:
        assert PostgresServiceRecord(connected, "default").delete_old_rows() == 3
    left = {name for (name,) in table.all("SELECT asked_by FROM reconciler.sweep_requests")}
    assert left == {"89asked", "91asked", "89taken", "91taken", "89refused"}
    assert remaining(table) == {kept}


def test_lines_that_no_command_has_read_are_deleted(table):
    """A day after the last change of their request."""
    table.all(
        "WITH asked AS (INSERT INTO reconciler.sweep_requests (account, asked_by, options, changed_at)"
        " SELECT 'default', 'ana', '{}', now() - make_interval(hours => hours) FROM unnest(ARRAY[23, 25]) AS hours"
        " RETURNING account, id)"
        " INSERT INTO reconciler.sweep_request_lines (account, request, epoch, page, lines)"
        " SELECT account, id, 1, 0, '[]' FROM asked RETURNING 1"
    )
    PostgresServiceRecord(table.database, "default").delete_old_rows()
    left = table.all(
        "SELECT now() - changed_at < interval '1 day' FROM reconciler.sweep_request_lines AS l"
        " JOIN reconciler.sweep_requests AS r ON r.id = l.request"
    )
    assert left == [(True,)]


def test_the_last_complete_sweep_of_each_kind_stays(table):
    """The age and the statistics of the last complete sweep are known, however old it is."""
    old_sweep(table, "window")
    kept = {
        old_sweep(table, "window"),
        old_sweep(table, "window", complete=False),
        old_sweep(table, "due"),
    }
    PostgresServiceRecord(table.database, "default").delete_old_rows()
    assert remaining(table) == kept


def test_the_daemons_role_may_delete_old_rows(table, role, database):
    """What migrate grants to the daemon is enough."""
    daemon, as_daemon = role("daemon")
    migrate(database, daemon_role=daemon, auditor_role=None)
    old_sweep(table)
    old_sweep(table, days=0)
    with Database(as_daemon(database)) as connected:
        assert PostgresServiceRecord(connected, "default").delete_old_rows() == 1


@pytest.mark.parametrize(
    ("sweeps", "ratio"),
    [
        ([], 1.0),
        ([("window", True, 300, 100)], 3.0),
        ([("all", True, 300, 100)], 3.0),
        ([("all", True, 300, 100), ("window", True, 200, 100)], 2.0),
        ([("window", True, 200, 100), ("all", True, 300, 100)], 3.0),
        ([("window", True, 200, 100), ("window", False, 300, 100)], 2.0),
        ([("window", True, 200, 100), ("window", True, 0, 0)], 2.0),
        ([("window", True, 200, 100), ("due", True, 300, 100), ("tail", True, 300, 100)], 2.0),
    ],
)
def test_only_a_complete_window_sweep_gives_listing_statistics(table, sweeps, ratio):
    """A due sweep lists only where much is due, and a tail sweep lists nothing: neither is typical of the account."""
    for kind, complete, listed, rows in sweeps:
        statistics = {
            "listed": listed,
            "listed_rows": rows,
            "skew_earliest": -1.5,
            "skew_latest": 2,
        }
        old_sweep(table, kind, 0, complete, **statistics)
    listing_model = table.store.listing_model()
    assert listing_model.ratio == ratio
    if sweeps:
        assert (listing_model.earliest, listing_model.latest) == (
            timedelta(seconds=-1.5),
            timedelta(seconds=2),
        )
    else:
        assert listing_model == ListingModel()


def test_quiet_sweeps_are_not_read_to_find_the_statistics(table):
    """10,000 quiet sweeps since the last window are not read."""
    old_sweep(table, "window", listed=2, listed_rows=1, skew_earliest=0, skew_latest=0)
    table.all(
        "INSERT INTO reconciler.sweeps (account, kind, mode, applied, asked_by, finished_at, complete, report)"
        " SELECT 'default', 'tail', 'update', true, 'service', now(), true, '{\"listed_rows\": 0}'"
        " FROM generate_series(1, 10000) RETURNING 1"
    )
    with table.database.connection("explaining") as connection:
        connection.execute("ANALYZE reconciler.sweeps")
        asked = b"EXPLAIN (ANALYZE, FORMAT JSON) " + STATEMENTS["page"]["listing_statistics"]
        [plan] = connection.execute(asked, {"account": "default"}).fetchone()
    assert filtered_rows(plan[0]["Plan"]) < 100
    assert table.store.listing_model().ratio == 2


def filtered_rows(node: dict) -> int:
    """How many rows a plan read and then left out."""
    below = sum(filtered_rows(child) for child in node.get("Plans", ()))
    return below + node.get("Rows Removed by Filter", 0)


def test_old_events_are_found_by_an_index(table, seen):
    """Events are deleted after 30 days by their own time, and an index on that time finds them."""
    table.all(
        "INSERT INTO reconciler.events (account, id, type, created, delivered)"
        " SELECT 'default', 'evt_' || n, 'charge.failed', now() - make_interval(days => n), true"
        " FROM generate_series(1, 40) AS n RETURNING 1"
    )
    assert PostgresServiceRecord(table.database, "default").delete_old_rows() == 11
    columns = table.all(
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 'reconciler.events'::regclass"
    )
    assert any(definition.endswith("(account, created)") for (definition,) in columns)


def test_a_ledger_entry_of_a_sweep_does_not_keep_its_row(table):
    """The ledger keeps the entry of a quiet sweep; the sweep's row is deleted all the same."""
    sweep = table.store.start_sweep(
        {"kind": "tail", "mode": "update", "applied": True, "asked_by": "service"}
    )
    table.store.finish_sweep(
        sweep, {"complete": True}, [Draft(Action.SWEEP, {"sweep": sweep})], table.epoch
    )
    table.all(
        "UPDATE reconciler.sweeps SET started_at = started_at - interval '91 days' RETURNING 1"
    )
    kept = old_sweep(table, days=0)
    PostgresServiceRecord(table.database, "default").delete_old_rows()
    assert remaining(table) == {kept}


def test_views_delivered_messages_and_passed_over_rechecks_are_deleted(table):
    """Each after its time, and the ledger, notes and discrepancies never; a message that waits stays however old it is."""
    table.all(
        "INSERT INTO reconciler.payment_views (account, subject, viewer, at)"
        " SELECT 'default', 'pi_' || d, 'jo', now() - make_interval(days => d) FROM unnest(ARRAY[399, 401]) AS d RETURNING 1"
    )
    table.all(
        "INSERT INTO reconciler.outbox (account, payment_key, kind, outcome, ledger_seq, created_at, delivered_at)"
        " SELECT 'default', d::text, 'revert', 'succeeded', d, now() - interval '1 year',"
        " CASE WHEN d > 1 THEN now() - make_interval(days => d) END FROM unnest(ARRAY[1, 89, 91]) AS d RETURNING 1"
    )
    table.all(
        "INSERT INTO reconciler.rechecks (account, payment_intent, due_at, reason)"
        " SELECT 'default', 'pi_' || d, now() - make_interval(days => d), 'x' FROM unnest(ARRAY[89, 91, 200]) AS d RETURNING 1"
    )
    record = PostgresServiceRecord(table.database, "default")
    # without a complete sweep since, nothing shows that the rechecks had their turn
    assert record.delete_old_rows() == 2
    assert [row[0] for row in table.all("SELECT subject FROM reconciler.payment_views")] == [
        "pi_399"
    ]
    keys = table.all("SELECT payment_key FROM reconciler.outbox ORDER BY id")
    assert [row[0] for row in keys] == ["1", "89"]
    old_sweep(table, "due", days=100)
    assert record.delete_old_rows() == 1
    rechecks = table.all("SELECT payment_intent FROM reconciler.rechecks ORDER BY due_at DESC")
    assert [row[0] for row in rechecks] == ["pi_89", "pi_91"]
