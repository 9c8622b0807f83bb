"""The hash chain: an auditor can recompute it from the recipe, and every change of an entry is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.domain.audit.hash_chain import (
    GENESIS,
    canonical_json,
    entry_hash,
    first_break,
    rfc3339,
)
from reconciler.domain.audit.ledger_entry import Action, Entry
from reconciler.domain.audit.read_entry import UnreadableEntryError
from reconciler.domain.findings.discrepancy import Kind

AT = datetime(2026, 6, 10, 12, 0, 0, 123, tzinfo=UTC)
BODY: dict[str, Any] = {
    "key": "p1",
    "amount": 4200,
    "to": "bezahlt ✓",
    "at": AT,
    "rows": [None, True],
}


def by_recipe(account: str, seq: int, at: str, action: str, body: object, prev: str) -> str:
    """The recipe as it is documented, with hashlib and json alone."""
    entry = {"account": account, "seq": seq, "at": at, "action": action, "body": body, "prev": prev}
    text = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def chain(length: int, account: str = "default") -> list[Entry]:
    """A whole chain of this length."""
    entries: list[Entry] = []
    prev = GENESIS
    for seq in range(1, length + 1):
        body = {**BODY, "n": seq}
        at = AT + timedelta(seconds=seq)
        entry = Entry(account, seq, at, "correction", body, prev, "")
        entry = replace(entry, hash=entry_hash(account, seq, at, "correction", body, prev))
        entries.append(entry)
        prev = entry.hash
    return entries


def head_of(entries: list[Entry]) -> tuple[int, str]:
    """The head of a whole chain."""
    return (entries[-1].seq, entries[-1].hash) if entries else (0, GENESIS)


def rehashed(entries: list[Entry]) -> list[Entry]:
    """The chain with hashes computed again from its contents, as a forger would do."""
    prev = GENESIS
    forged = []
    for entry in entries:
        made = entry_hash(
            entry.account, entry.seq, entry.at, entry.action, entry.body, prev, entry.role
        )
        forged.append(replace(entry, prev=prev, hash=made))
        prev = made
    return forged


def with_own_hash(entries: list[Entry], nth: int) -> list[Entry]:
    """The chain in which one entry has another amount and a matching hash, and the other entries are unchanged."""
    changed = replace(entries[nth], body={"amount": 0})
    made = entry_hash(
        changed.account, changed.seq, changed.at, changed.action, changed.body, changed.prev
    )
    return [*entries[:nth], replace(changed, hash=made), *entries[nth + 1 :]]


def test_the_first_prev_is_64_zeros() -> None:
    """The first entry of every chain names this hash."""
    assert GENESIS == "0000000000000000000000000000000000000000000000000000000000000000"


def test_the_hash_follows_the_documented_recipe() -> None:
    """An auditor who uses only hashlib and json gets the same hashes for a whole chain."""
    prev = "0" * 64
    for entry in chain(3):
        body = {
            "key": "p1",
            "amount": 4200,
            "to": "bezahlt ✓",
            "at": "2026-06-10T12:00:00.000123Z",
            "rows": [None, True],
            "n": entry.seq,
        }
        at = f"2026-06-10T12:00:0{entry.seq}.000123Z"
        prev = by_recipe("default", entry.seq, at, "correction", body, prev)
        assert entry.hash == prev


def test_a_known_hash_never_changes() -> None:
    """A change of the recipe would make every exported chain unverifiable."""
    text = '{"account":"default","action":"note","at":"2026-06-10T12:00:00.000123Z","body":{"text":"é"},"prev":"'
    text += "0" * 64 + '","seq":1}'
    expected = hashlib.sha256(text.encode("utf-8")).hexdigest()
    assert entry_hash("default", 1, AT, Action.NOTE, {"text": "é"}, GENESIS) == expected


def test_a_known_hash_of_the_second_recipe_never_changes() -> None:
    """The role that connected and the number of the recipe are hashed too."""
    text = '{"account":"default","action":"note","at":"2026-06-10T12:00:00.000123Z","body":{"text":"é"},"prev":"'
    text += "0" * 64 + '","role":"rêconciler","seq":1,"v":2}'
    expected = hashlib.sha256(text.encode("utf-8")).hexdigest()
    made = entry_hash("default", 1, AT, Action.NOTE, {"text": "é"}, GENESIS, "rêconciler")
    assert made == expected


@pytest.mark.parametrize(
    ("roles", "broken_at"),
    [((None, None), None), ((None, "r"), None), (("r", "s"), None), (("r", None), 2)],
)
def test_an_entry_without_a_role_comes_only_before_those_with_one(
    roles: tuple[str | None, ...], broken_at: int | None
) -> None:
    """Old entries are followed by new ones. An entry that was added without the function is a break."""
    entries = [replace(entry, role=role) for entry, role in zip(chain(2), roles, strict=True)]
    entries = rehashed(entries)
    found = first_break(entries, head_of(entries), "default")
    assert (found and found.seq) == broken_at


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05.000000Z"),
        (AT, "2026-06-10T12:00:00.000123Z"),
        (
            datetime(2026, 1, 2, 1, 0, tzinfo=timezone(timedelta(hours=2))),
            "2026-01-01T23:00:00.000000Z",
        ),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00.000000Z"),
    ],
)
def test_times_are_rfc_3339_in_utc(moment: datetime, text: str) -> None:
    """A time has six decimals, a year of four digits and Z; a time of another zone is converted."""
    assert rfc3339(moment) == text


def test_a_time_without_a_zone_is_refused() -> None:
    """Each machine would read it in its own zone and compute another hash."""
    with pytest.raises(TypeError, match="zone"):
        rfc3339(AT.replace(tzinfo=None))
    with pytest.raises(TypeError, match="zone"):
        canonical_json({"at": AT.replace(tzinfo=None)})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [1, (2, 3)]}, '{"a":[1,[2,3]],"b":1}'),
        ({"é": "ü", "z": None}, '{"z":null,"é":"ü"}'),
        (True, "true"),
        (1, "1"),
        (-(10**30), "-1000000000000000000000000000000"),
        (Kind.OVERDUE, '"overdue"'),
        ({}, "{}"),
        ('a"\\\n', '"a\\"\\\\\\n"'),
    ],
)
def test_the_canonical_json_of_values(value: object, text: str) -> None:
    """Keys are sorted, there are no spaces, text is not escaped, and integers have all their digits."""
    assert canonical_json(value) == text


@pytest.mark.parametrize(
    "value",
    [0.1, 1.0, float("nan"), float("inf"), Decimal("1.00"), b"x", {1, 2}, object()],
    ids=lambda value: type(value).__name__,
)
def test_a_value_without_a_canonical_text_is_refused(value: object) -> None:
    """A float has no single form, and it is refused at every depth, because money is never a float."""
    for holder in (value, [value], {"a": {"b": [value]}}):
        with pytest.raises(TypeError, match="cannot be written to the ledger"):
            canonical_json(holder)


texts = st.text(st.characters(exclude_categories=["Cs"]))
plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(plain_json)
def test_canonical_json_can_be_read_back(value: object) -> None:
    """A value read from an export equals the recorded one and has the same canonical form."""
    text = canonical_json(value)
    again = json.loads(text)
    assert again == value
    assert canonical_json(again) == text


@given(st.dictionaries(texts, plain_json, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_matter(body: dict[str, object], random: Any) -> None:
    """PostgreSQL keeps the keys of jsonb in its own order, and the hash does not depend on it."""
    names = list(body)
    random.shuffle(names)
    assert canonical_json({name: body[name] for name in names}) == canonical_json(body)


@given(plain_json, plain_json)
def test_different_values_have_different_forms(one: object, other: object) -> None:
    """Two values that differ in JSON have different canonical texts; True and 1 differ."""
    assert (canonical_json(one) == canonical_json(other)) == (
        json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    )


@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_a_whole_chain_has_no_break(length: int) -> None:
    """Nothing is reported about a chain of any length that is whole."""
    entries = chain(length)
    assert first_break(entries, head_of(entries), "default") is None
    assert first_break(iter(entries), head_of(entries), "default") is None


@pytest.mark.parametrize("is_right", [True, False])
def test_a_quick_hash_only_saves_work(is_right: bool) -> None:
    """An entry whose quick hash is its own is whole; any other quick hash is decided by the recipe."""
    entries = chain(3)
    whole = first_break(
        entries, head_of(entries), "default", lambda entry: entry.hash if is_right else None
    )
    assert whole is None
    changed = [*entries[:2], replace(entries[2], body={**BODY, "n": 4})]
    found = first_break(changed, head_of(entries), "default", lambda _: None)
    assert found is not None
    assert found.seq == 3


def test_an_account_without_a_head_and_without_entries_is_whole() -> None:
    """Nothing has been recorded for the account yet."""
    assert first_break([], None, "default") is None


def _replaced(nth: int, **changes: Any) -> Callable[[list[Entry]], list[Entry]]:
    return lambda entries: [*entries[:nth], replace(entries[nth], **changes), *entries[nth + 1 :]]


LENGTH = 5
TAMPERING: dict[str, tuple[Callable[[list[Entry]], list[Entry]], int]] = {
    "an amount": (_replaced(2, body={**BODY, "n": 3, "amount": 4201}), 3),
    "a removed field": (_replaced(2, body=BODY), 3),
    "an added field": (_replaced(2, body={**BODY, "n": 3, "x": None}), 3),
    "a type": (_replaced(2, body={**BODY, "n": "3"}), 3),
    "one for true": (_replaced(2, body={**BODY, "n": 3, "rows": [None, 1]}), 3),
    "the action": (_replaced(2, action="note"), 3),
    "the account": (_replaced(2, account="other"), 3),
    "the time, by a microsecond": (_replaced(2, at=AT + timedelta(seconds=3, microseconds=1)), 3),
    "the hash": (_replaced(2, hash="f" * 64), 3),
    "the hash of the last": (_replaced(4, hash="f" * 64), 5),
    "prev": (_replaced(2, prev="f" * 64), 3),
    "prev of the first": (_replaced(0, prev="f" * 64), 1),
    "the number": (_replaced(2, seq=7), 3),
    "the first is gone": (lambda entries: entries[1:], 1),
    "one in the middle is gone": (lambda entries: entries[:2] + entries[3:], 3),
    "the last is gone": (lambda entries: entries[:-1], 5),
    "all are gone": (lambda entries: [], 1),
    "one stands twice": (lambda entries: [*entries[:3], entries[2], *entries[3:]], 4),
    "two have changed places": (
        lambda entries: [entries[0], entries[2], entries[1], *entries[3:]],
        2,
    ),
    "one was appended": (
        lambda entries: rehashed([*entries, replace(entries[-1], seq=6)]),
        7,
    ),
    "one was changed and the rest made whole": (
        lambda entries: rehashed(_replaced(1, body={"amount": 0})(entries)),
        6,
    ),
    "one was taken out and the rest made whole": (
        lambda entries: rehashed([replace(e, seq=n) for n, e in enumerate(entries[1:], start=1)]),
        5,
    ),
    "one was given a hash of its own": (lambda entries: with_own_hash(entries, 1), 3),
    "the last was given a hash of its own": (lambda entries: with_own_hash(entries, 4), 6),
    "all are another account's": (lambda entries: chain(LENGTH, "other"), 1),
}


@pytest.mark.parametrize("name", TAMPERING)
def test_every_change_of_a_chain_is_found(name: str) -> None:
    """A changed, added, removed or moved entry is found, and the first entry at which the chain breaks is named."""
    tamper, seq = TAMPERING[name]
    whole = chain(LENGTH)
    found = first_break(tamper(whole), head_of(whole), "default")
    assert found is not None
    assert (found.account, found.seq) == ("default", seq)
    assert found.what


@pytest.mark.parametrize("head", [None, (4, "x"), (6, "x"), (5, "0" * 64), (0, GENESIS)])
def test_a_head_that_does_not_fit_is_found(head: tuple[int, str] | None) -> None:
    """The head is kept apart, so it shows that a chain was cut off or rewritten to its end."""
    assert first_break(chain(LENGTH), head, "default") is not None


def test_entries_of_another_account_do_not_prove_this_one() -> None:
    """A whole chain of another account is a break, even with that account's head."""
    other = chain(LENGTH, "other")
    assert first_break(other, head_of(other), "default") is not None


@pytest.mark.parametrize(("unreadable", "broken"), [(3, 3), (5, 3)])
def test_an_entry_that_cannot_be_read_is_a_break(unreadable: int, broken: int) -> None:
    """The chain breaks at that entry, or at the missing entry before it."""

    def entries() -> Iterator[Entry]:
        yield from chain(2)
        raise UnreadableEntryError(unreadable, "the entry's time cannot be read")

    found = first_break(entries(), (6, "x"), "default")
    assert found is not None
    assert found.seq == broken


@given(st.data())
def test_any_changed_value_of_any_entry_is_found(data: st.DataObject) -> None:
    """A random change of any value in a body is found at that entry."""
    whole = chain(4)
    at = data.draw(st.integers(0, 3))
    name = data.draw(st.sampled_from(sorted(whole[at].body)))
    new = data.draw(plain_json)
    before = canonical_json(whole[at].body[name])
    if canonical_json(new) == before:
        return
    tampered = _replaced(at, body={**whole[at].body, name: new})(whole)
    found = first_break(tampered, head_of(whole), "default")
    assert found is not None
    assert found.seq == at + 1
