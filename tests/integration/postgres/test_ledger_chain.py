"""The domain verifies what the database writes into the ledger, and finds every change of it."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.adapters.postgres.audit.ledger import PostgresLedger
from reconciler.adapters.postgres.audit.ledger import append as append_under
from reconciler.adapters.postgres.database import Database, connect
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.domain.audit.hash_chain import entry_hash, first_break
from reconciler.domain.audit.ledger_entry import Action, Draft

# every character of UTF-8 but NUL, which no text of PostgreSQL's can hold
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
BODIES = st.dictionaries(
    TEXT,
    st.recursive(
        st.none() | st.booleans() | st.integers() | TEXT | st.datetimes(timezones=st.just(UTC)),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
        max_leaves=8,
    ),
    max_size=5,
)
# functions of their own write these entries, which append_ledger refuses
WRITTEN_APART = {Action.NOTE, Action.NOTE_REDACTED, Action.PAUSE, Action.RESUME}
DRAFTS = st.lists(
    st.builds(Draft, st.sampled_from(sorted(set(Action) - WRITTEN_APART)), BODIES),
    min_size=1,
    max_size=4,
)


def append(connection: psycopg.Connection, account: str, drafts: list[Draft]) -> None:
    """Append under a lease of the account."""
    connection.execute(
        "INSERT INTO reconciler.leases (account, epoch, holder, expires_at)"
        " VALUES (%s, 1, 'me', now() + interval '1 hour') ON CONFLICT DO NOTHING",
        [account],
    )
    append_under(connection, account, 1, drafts)


def add(url: str, account: str, *drafts: Draft) -> None:
    with connect(url) as connection, connection.transaction():
        append(connection, account, list(drafts))


def broken(url: str, account: str):
    with Database(url) as database, PostgresLedger(database).chain(account) as chain:
        return first_break(chain.entries, chain.head, account)


def tamper(url: str, query: str) -> None:
    """Do what an administrator with every privilege could do."""
    with psycopg.connect(url) as connection:
        connection.execute("ALTER TABLE reconciler.ledger DISABLE TRIGGER ALL")
        connection.execute("ALTER TABLE reconciler.ledger_heads DISABLE TRIGGER ALL")
        connection.execute(query)


def test_any_body_is_verified_by_the_domain(database):
    """The hash that the database computes is the domain's, for any account and any body that JSON can hold."""
    with Database(database) as opened, connect(database) as connection:
        ledger = PostgresLedger(opened)

        @settings(suppress_health_check=list(HealthCheck))
        @given(account=TEXT.filter(bool), drafts=DRAFTS)
        def prove(account: str, drafts: list[Draft]) -> None:
            with connection.transaction():
                append(connection, account, drafts)
            with ledger.chain(account) as chain:
                entries = list(chain.entries)
                assert first_break(entries, chain.head, account) is None
            written = entries[-len(drafts) :]
            assert [entry.action for entry in written] == [draft.action for draft in drafts]

        prove()
        assert len(ledger.accounts()) > 10


@pytest.mark.parametrize("action", sorted(WRITTEN_APART))
def test_an_entry_with_a_function_of_its_own_is_refused(database, action):
    """Not even the owner can record a note, its redaction or a pause that did not happen."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="takes no such entries"):
        add(database, "acct", Draft(action, {}))


def test_an_entry_says_what_was_drafted(database):
    """Number, time, action and body come back as they were given; a large number keeps every digit."""
    body = {"amount": 10**30, "key": 'a"b\\c\n\u2028é😀', "nested": {"list": [1, None, True]}}
    before = datetime.now(UTC)
    add(database, "acct", Draft(Action.DAY_TOTALS, body), Draft(Action.SWEEP, {}))
    with Database(database) as opened, PostgresLedger(opened).chain("acct") as chain:
        first, second = chain.entries
        assert chain.head == (2, second.hash)
    assert (first.seq, first.action, first.body) == (1, "day_totals", body)
    assert (second.prev, second.at) == (first.hash, first.at)
    assert abs((first.at - before).total_seconds()) < 60
    assert first.hash == entry_hash("acct", 1, first.at, "day_totals", body, "0" * 64, "postgres")


@pytest.mark.parametrize(
    ("change", "at", "words"),
    [
        ("""UPDATE reconciler.ledger SET body = '{"n": 9}' WHERE seq = 2""", 2, "changed"),
        ("UPDATE reconciler.ledger SET action = 'revert' WHERE seq = 3", 3, "changed"),
        ("UPDATE reconciler.ledger SET at = at + interval '1 us' WHERE seq = 1", 1, "changed"),
        ("DELETE FROM reconciler.ledger WHERE seq = 2", 2, "missing"),
        ("DELETE FROM reconciler.ledger WHERE seq >= 3", 3, "ends at entry 2"),
        ("UPDATE reconciler.ledger SET seq = 10 - seq WHERE seq > 1", 2, "missing"),
        (
            "UPDATE reconciler.ledger SET body = jsonb_build_object('n', 4 - seq) WHERE seq IN (2, 3)",
            2,
            "changed",
        ),
        ("DELETE FROM reconciler.ledger_heads", 4, "table of heads does not name"),
    ],
)  # fmt: skip
def test_every_change_is_found(database, change, at, words):
    """A change, a deletion, another order, a cut tail and a lost head are found at the first wrong entry."""
    add(database, "acct", *(Draft(Action.DAY_TOTALS, {"n": n}) for n in range(4)))
    assert broken(database, "acct") is None
    tamper(database, change)
    found = broken(database, "acct")
    assert found is not None
    assert (found.seq, words in found.what) == (at, True), found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("SET at = 'infinity'", "the entry's time cannot be read"),
        ("SET at = '-infinity'", "the entry's time cannot be read"),
        ("SET at = '0044-03-15 BC'", "the entry's time cannot be read"),
        ("SET at = '10000-01-01'", "the entry's time cannot be read"),
        ("""SET body = '{"amount": 42.5}'""", "not an integer"),
        ("""SET body = '{"amount": 42.0}'""", "not an integer"),
        (
            """SET body = ('{"amount": ' || repeat('9', 5000) || '}')::jsonb""",
            "a number with too many digits",
        ),
        (
            """SET body = ('{"a": ' || repeat('[', 5000) || repeat(']', 5000) || '}')::jsonb""",
            "nested too deep",
        ),
        (
            "SET body = jsonb_build_object('a', repeat('x', 17 * 1024 * 1024))",
            "too large to be read",
        ),
    ],
)
def test_an_entry_that_cannot_be_read_is_the_first_bad_one(database, change, words):
    """What no program wrote, and Python cannot read or write, is a finding about that entry and not an error."""
    add(database, "acct", *(Draft(Action.DAY_TOTALS, {"n": n}) for n in range(4)))
    tamper(database, f"UPDATE reconciler.ledger {change} WHERE seq = 3")
    found = broken(database, "acct")
    assert found is not None
    assert (found.seq, words in found.what) == (3, True), found


def test_an_unreadable_entry_does_not_hide_that_others_are_missing(database):
    """The first bad entry is the missing one before it."""
    add(database, "acct", *(Draft(Action.DAY_TOTALS, {"n": n}) for n in range(4)))
    tamper(database, "UPDATE reconciler.ledger SET at = 'infinity' WHERE seq = 4")
    tamper(database, "DELETE FROM reconciler.ledger WHERE seq = 2")
    found = broken(database, "acct")
    assert found is not None
    assert found.seq == 2


def test_a_large_entry_is_verified(database):
    """A body of more than 64 kB, which is read by itself, has its place in the chain."""
    large = Draft(Action.DAY_TOTALS, {"text": "x" * 100_000})
    add(database, "acct", Draft(Action.DAY_TOTALS, {}), large, Draft(Action.DAY_TOTALS, {}))
    with Database(database) as opened, PostgresLedger(opened).chain("acct") as chain:
        entries = list(chain.entries)
        assert first_break(entries, chain.head, "acct") is None
    assert len(entries[1].body["text"]) == 100_000


def test_a_cut_tail_with_its_head_set_back_is_refused_by_the_head(database):
    """The head only moves forward, for every role, so a tail cannot be cut off together with its head."""
    add(database, "acct", *(Draft(Action.DAY_TOTALS, {"n": n}) for n in range(3)))
    with (
        psycopg.connect(database) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("UPDATE reconciler.ledger_heads SET seq = 1")


@pytest.mark.parametrize(
    "query",
    [
        "UPDATE reconciler.ledger SET body = '{}'",
        "DELETE FROM reconciler.ledger",
        "TRUNCATE reconciler.ledger",
        "DELETE FROM reconciler.ledger_heads",
        "TRUNCATE reconciler.ledger_heads",
    ],
)
@pytest.mark.parametrize("mode", ["", "SET session_replication_role = replica"])
def test_the_ledger_refuses_change_even_from_a_superuser(database, query, mode):
    """A trigger refuses UPDATE, DELETE and TRUNCATE of a role with every privilege, also in replica mode."""
    add(database, "acct", Draft(Action.DAY_TOTALS, {}))
    with psycopg.connect(database) as connection:
        if mode:
            connection.execute(mode)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="audit record"):
            connection.execute(query)


def test_the_owner_has_no_right_to_change_the_ledger(empty_database, role):
    """A role that created the schema itself, as in a small shop, may append to the ledger and not change it."""
    name, as_role = role("owner")
    with psycopg.connect(empty_database) as connection:
        connection.execute(f"CREATE SCHEMA reconciler AUTHORIZATION {name}")
    url = as_role(empty_database)
    migrate(url, daemon_role=name, auditor_role=None)
    add(url, "acct", Draft(Action.DAY_TOTALS, {}))
    for query in ("UPDATE reconciler.ledger SET body = '{}'", "DELETE FROM reconciler.ledger"):
        with (
            psycopg.connect(url) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"),
        ):
            connection.execute(query)


def test_appends_from_two_connections_are_one_chain(database):
    """Two writers of one account lock the head in turn: no number twice, none missing, and the chain verifies."""
    rounds = 30

    def write(who: int) -> None:
        with connect(database) as connection:
            for n in range(rounds):
                with connection.transaction():
                    drafts = [
                        Draft(Action.DAY_TOTALS, {"who": who, "n": n}),
                        Draft(Action.SWEEP, {}),
                    ]
                    append(connection, "acct", drafts)

    threads = [threading.Thread(target=write, args=(who,)) for who in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken(database, "acct") is None
    with Database(database) as opened, PostgresLedger(opened).chain("acct") as chain:
        entries = list(chain.entries)
    assert len(entries) == 4 * rounds
    assert {entry.body["who"] for entry in entries if entry.action == "day_totals"} == {0, 1}


def test_the_first_entries_of_two_transactions_are_one_chain(database):
    """Two transactions begin the same chain: the second waits for the first and continues it."""
    with connect(database) as one, one.transaction():
        append(one, "acct", [Draft(Action.DAY_TOTALS, {})])
        second = threading.Thread(target=add, args=(database, "acct", Draft(Action.DAY_TOTALS, {})))
        second.start()
    second.join()
    assert broken(database, "acct") is None


def test_an_append_while_a_chain_is_read_is_no_break(database):
    """Head and entries are of one moment."""
    add(database, "acct", *(Draft(Action.DAY_TOTALS, {"n": n}) for n in range(3)))
    with Database(database) as opened, PostgresLedger(opened).chain("acct") as chain:
        add(database, "acct", Draft(Action.DAY_TOTALS, {}))
        assert first_break(chain.entries, chain.head, "acct") is None


def test_a_rolled_back_append_leaves_no_gap(database):
    """A transaction that fails after its append leaves the chain as it was."""
    add(database, "acct", Draft(Action.DAY_TOTALS, {}))
    with connect(database) as connection, connection.transaction(force_rollback=True):
        append(connection, "acct", [Draft(Action.DAY_TOTALS, {})])
    add(database, "acct", Draft(Action.DAY_TOTALS, {}))
    assert broken(database, "acct") is None


def test_each_account_has_its_own_chain(database):
    """Each account has its own numbers and its own head; a chain without its head is still listed."""
    add(database, "one", Draft(Action.DAY_TOTALS, {}))
    add(database, "two", Draft(Action.DAY_TOTALS, {}))
    tamper(database, "DELETE FROM reconciler.ledger_heads WHERE account = 'one'")
    with Database(database) as opened:
        assert PostgresLedger(opened).accounts() == ("one", "two")
    assert broken(database, "one") is not None
    assert broken(database, "two") is None
