"""Judges what a sweep wrote, by the truth about a world. It imports nothing of Reconciler's rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tests.acceptance.payments.worlds import TrueIntent, TrueRow, World

MEANING = {
    "pending": "incomplete",
    "failed": "failed",
    "processing": "processing",
    "authorized": "authorized",
    "paid": "succeeded",
    "canceled": "canceled",
    "refunded": "refunded",
    "disputed": "disputed",
}
OPEN = ("incomplete", "failed", "processing", "authorized")
ENDED = ("failed", "canceled")
MAY_BE_PAID = ("succeeded", "authorized", "processing", "unknown")


@dataclass(frozen=True)
class Write:
    """One row of the outbox: what Reconciler says it wrote."""

    key: int
    intent: str
    before: str
    after: str


@dataclass
class Watched:
    """Rows and PaymentIntents over one sweep: as they were at its beginning, and as happenings changed them.

    ``touched`` has the rows that happenings wrote, by key, the oldest first.
    """

    rows: Mapping[int, TrueRow]
    intents: Mapping[str, TrueIntent]
    changed: dict[str, list[TrueIntent]] = field(default_factory=dict)
    touched: dict[int, list[TrueRow]] = field(default_factory=dict)

    def versions(self, ident: str) -> list[TrueIntent]:
        """Every state of a PaymentIntent during the sweep."""
        first = [self.intents[ident]] if ident in self.intents else []
        return first + self.changed.get(ident, [])

    def row_versions(self, key: int) -> list[TrueRow]:
        """Every state of a row during the sweep, apart from what Reconciler wrote."""
        first = [self.rows[key]] if key in self.rows else []
        return first + self.touched.get(key, [])

    def meaning(self, status: str) -> str:
        """The outcome that a local status means."""
        return MEANING.get(status, "unknown")


class Oracle:
    """The rules that no sweep may break, beside all that it decides."""

    def __init__(self, world: World) -> None:
        self._world = world

    def judge(
        self, watched: Watched, after: Mapping[int, TrueRow], writes: Sequence[Write]
    ) -> None:
        """Fail on a row that was changed without a right to, or without saying so."""
        written: dict[int, list[Write]] = {}
        for write in writes:
            written.setdefault(write.key, []).append(write)
        gone = (set(watched.rows) | set(watched.touched)) - set(after)
        assert not gone, ("rows disappeared", gone)
        for key, row in after.items():
            self._judge_row(watched, row, written.get(key, []))
        for write in writes:
            self._judge_write(watched, write, written)
        self._judge_holders(watched, after, writes)

    def _judge_row(self, watched: Watched, row: TrueRow, writes: list[Write]) -> None:
        versions = watched.row_versions(row.key)
        assert versions, ("a row that neither the world nor a happening made", row)
        if not writes:
            assert row == versions[-1], ("changed without saying so", versions, row)
            return
        for write in writes:
            assert watched.meaning(write.before) in OPEN, ("a settled row was changed", write)
        for first, second in pairwise(writes):
            assert first.after == second.before, ("it does not read back", first, second)
        assert writes[0].before in {one.status for one in versions}, (writes, versions)
        last, newest = writes[-1], versions[-1]
        as_said = replace(newest, status=last.after, intent=last.intent)
        if row.key not in watched.touched:
            assert row == as_said, ("it does not read back", last, row)
            return
        # the merchant's own code may have come after the write; what it settled stays
        is_settled = watched.meaning(newest.status) not in OPEN
        assert row == newest or (row == as_said and not is_settled), (row, newest, last)

    def _judge_write(
        self, watched: Watched, write: Write, written: Mapping[int, list[Write]]
    ) -> None:
        outcome = watched.meaning(write.after)
        states = watched.versions(write.intent)
        assert any(one.outcome == outcome for one in states), ("Stripe says another", write, states)
        wrong = []
        for row in watched.row_versions(write.key):
            try:
                self._judge_write_to(watched, row, write, written)
            except AssertionError as error:
                wrong.append(error)
            else:
                return
        raise wrong[0]

    def _judge_write_to(
        self,
        watched: Watched,
        row: TrueRow,
        write: Write,
        written: Mapping[int, list[Write]],
    ) -> None:
        outcome, states = watched.meaning(write.after), watched.versions(write.intent)
        if row.intent is None:
            self._judge_link(watched, row, states)
        elif row.intent != write.intent:
            self._judge_relink(watched, row, states)
        if outcome in ENDED:
            self._judge_negative(watched, row, states)
        else:
            self._judge_money(watched, row, write, outcome, written)

    def _judge_link(self, watched: Watched, row: TrueRow, states: list[TrueIntent]) -> None:
        assert self._world.linked, ("linked without a mapping", row)
        assert any(one.order == row.order for one in states), ("another order's intent", row)
        paid = [
            one
            for one in watched.intents.values()
            if one.order == row.order
            and one.outcome in ("succeeded", "authorized")
            and one.ident != states[0].ident
            and one.ident not in {other.intent for other in watched.rows.values()}
        ]
        assert not paid, ("several intents come into question", row, paid)

    def _judge_relink(self, watched: Watched, row: TrueRow, states: list[TrueIntent]) -> None:
        assert self._world.linked, ("relinked without a mapping", row)
        assert self._world.relink, ("relinked without leave", row)
        own = watched.intents[row.intent or ""]
        assert any(version.outcome in ENDED for version in watched.versions(own.ident))
        assert any(
            one.outcome == "succeeded"
            and one.order == row.order
            and not one.is_in_question
            and (one.received, one.currency) == (row.amount, row.currency)
            and one.hours <= own.hours
            and (one.customer is None or own.customer in (None, one.customer))
            for one in states
        ), ("not the plain case", row, own, states)

    def _judge_negative(self, watched: Watched, row: TrueRow, states: list[TrueIntent]) -> None:
        assert all(one.received == 0 for one in states), ("released over money", row, states)
        if not self._world.linked:
            free = [
                one
                for one in watched.intents.values()
                if one.has_money
                and one.outcome != "processing"
                and one.ident not in {other.intent for other in watched.rows.values()}
                and (one.received or one.amount, one.currency) == (row.amount, row.currency)
                and one.hours < 24
            ]
            known = self._seen_without_row
            assert not [one for one in free if one.ident in known], ("maybe paid", row, free)
            return
        for other in watched.rows.values():
            is_part = (other.intent, other.status) == (row.intent, row.status)
            if other.order == row.order and other.key != row.key and not is_part:
                # a webhook may have ended the other row's attempt before the write
                meanings = {watched.meaning(one.status) for one in watched.row_versions(other.key)}
                assert meanings - set(MAY_BE_PAID), ("another row is paid", row, other)
        for one in watched.intents.values():
            if one.order == row.order and one.ident != row.intent and one.hours <= 24 + 23:
                assert not one.has_money, ("the order has money", row, one)

    def _judge_money(
        self,
        watched: Watched,
        row: TrueRow,
        write: Write,
        outcome: str,
        written: Mapping[int, list[Write]],
    ) -> None:
        others = [
            one
            for one in watched.rows.values()
            if one.intent == write.intent and one.key != row.key and one.key not in watched.touched
        ]
        going_on = [one for one in others if watched.meaning(one.status) not in ENDED]
        total = row.amount
        if going_on or (others and any(one.amount != row.amount for one in others)):
            assert all(one.status == row.status for one in others), ("not parts", row, others)
            assert all(one.key in written for one in others), ("only some parts", row, others)
            total += sum(one.amount for one in others)
        states = watched.versions(write.intent)
        if outcome == "succeeded":
            assert any(
                (one.received, one.currency) == (total, row.currency) and not one.is_in_question
                for one in states
            ), ("paid without the money", row, states)
        elif outcome == "authorized":
            assert any((one.amount, one.currency) == (total, row.currency) for one in states), (
                "held for another amount",
                row,
                states,
            )

    def _judge_holders(
        self, watched: Watched, after: Mapping[int, TrueRow], writes: Sequence[Write]
    ) -> None:
        for write in writes:
            before = watched.rows.get(write.key)
            if before is None or before.intent == write.intent or write.key in watched.touched:
                continue
            others = [
                row
                for row in after.values()
                if row.intent == write.intent
                and row.key != write.key
                and row.key not in watched.touched
            ]
            assert not others, ("pointed at an intent that another row holds", write, others)

    _seen_without_row: frozenset[str] = frozenset()

    def know(self, idents: frozenset[str]) -> None:
        """Which intents without a row Reconciler had stored before the sweep."""
        self._seen_without_row = idents

    def judge_silence(
        self, intents: Mapping[str, TrueIntent], rows: Mapping[int, TrueRow], said: str
    ) -> None:
        """Fail on money that the merchant has, which no row tells of and no open finding names."""
        for one in intents.values():
            if one.kept == 0:
                continue
            holders = [row for row in rows.values() if row.intent == one.ident]
            if any(row.status in ("paid", "refunded", "disputed") for row in holders):
                continue
            assert one.ident in said, ("money of which nothing is said", one, holders)
