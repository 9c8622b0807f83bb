"""Compares the list of discrepancies in a bundle with the entries of its ledger."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from reconciler.domain.audit.ledger_entry import Action, Entry
from reconciler.domain.findings.discrepancy import Kind, State
from reconciler.domain.findings.listed_discrepancy import Side, local_side_of, stripe_side_of
from reconciler.domain.money import as_major
from reconciler.domain.statement.period import Period
from reconciler.entrypoints.shown_text import csv_cells

COMPARED: Final = (
    "state", "severity", "amount", "currency", "amount_decimal", "fingerprint", "local", "stripe", "local_status",
    "local_amount", "local_currency", "stripe_status", "stripe_amount", "stripe_currency",
)  # fmt: skip
"""The columns that the ledger decides. Owner, notes, order, cause and times are only as the manifest has them."""
_FIELDS: Final = ("severity", "stake", "local", "stripe", "fingerprint")
"""The fields of a finding that say the values of these columns."""
_GUARD: Final = "'"
"""What stands before a text that a spreadsheet would run."""
_MOST_CELL_CHARACTERS: Final = 64 * 1024 * 1024


class RowsDifferError(Exception):
    """The list is not what the entries say. The text says where."""


@dataclass(slots=True)
class _Known:
    """What the entries say of a discrepancy, and whether a person has settled it.

    ``found`` is the JSON of what the last finding says: a month has thousands, and as objects they take five times as much.
    """

    state: str = ""
    found: str | None = None
    is_settled: bool = False
    is_of_period: bool = False

    def values(self) -> dict[str, object]:
        """The values by column."""
        found = {} if self.found is None else _values(json.loads(self.found))
        return {"state": self.state, **found}


class DiscrepanciesOfEntries:
    """Takes the entries of an account in their order, and compares a list of the period's discrepancies with them.

    ``listed`` are the names in the list, as ``listed_names`` has them: only what is in it or of the period is remembered.
    """

    def __init__(self, period: Period, listed: frozenset[tuple[str, str]]) -> None:
        self._period = period
        self._listed = listed
        self._known: dict[tuple[str, str], _Known] = {}

    def add(self, entry: Entry) -> None:
        """Take an entry. Raises KeyError, TypeError, ValueError or AttributeError for one that no program wrote."""
        body: Mapping[str, Any] = entry.body
        match entry.action:
            case Action.FINDING_OPENED | Action.FINDING_CHANGED:
                self._add_finding(entry.action, body)
            case Action.RESOLUTION | Action.REOPENING if "subject" in body:
                self._settle(body["subject"], body["kind"], body["state"])
            case Action.REVERT:
                # a revert settles the discrepancy of the correction that it takes back
                self._settle(
                    body["payment_intent"], Kind.MISSED_OUTCOME.value, State.RESOLVED.value
                )
            case _:
                pass

    def _settle(self, subject: str, kind: str, state: str) -> None:
        known = self._known.get((_subject(subject), kind))
        if known is not None:
            known.state = state
            known.is_settled = True

    def _add_finding(self, action: str, body: Mapping[str, Any]) -> None:
        name = _subject(body["subject"]), sys.intern(body["kind"])
        created = body.get("payment_created")
        moment = None if created is None else datetime.fromisoformat(created)
        is_of_period = moment is not None and self._period.start <= moment < self._period.end
        # the end of a finding does not say of when its payment is
        is_known_as_other = moment is not None or (name not in self._known and "local" not in body)
        if name not in self._listed and not is_of_period and is_known_as_other:
            self._known.pop(name, None)
            return
        known = self._known.setdefault(name, _Known())
        # as verify has it: an entry of an opening does not undo what a person has settled
        if action == Action.FINDING_CHANGED or not known.is_settled:
            known.state = body["state"]
        if "local" in body:
            # only the first versions wrote no fingerprint
            before = {} if known.found is None or "fingerprint" in body else json.loads(known.found)
            found = {name: body[name] for name in _FIELDS if name in body}
            known.found = json.dumps({**before, **found})
        if moment is not None:
            known.is_of_period = is_of_period

    def compare(self, lines: Iterable[str]) -> None:
        """Compare the list with the entries. Raises RowsDifferError with the first difference."""
        listed = set()
        for row in _rows(lines):
            name = _name_of(row)
            known = self._known.get(name)
            if known is None:
                raise RowsDifferError(
                    f"the ledger in the bundle has no discrepancy {name[1]} about {name[0]}"
                )
            listed.add(name)
            self._compare_row(name, row, known)
        for name, known in self._known.items():
            if known.is_of_period and name not in listed:
                raise RowsDifferError(f"the discrepancy {name[1]} about {name[0]} is missing")

    @staticmethod
    def _compare_row(name: tuple[str, str], row: Mapping[str, str], known: _Known) -> None:
        for column, value in known.values().items():
            cell = row[column]
            if isinstance(value, dict):
                is_same = json.loads(cell) == value
            else:
                is_same = cell == str(csv_cells([value], whole=True)[0][0])
            if not is_same:
                raise RowsDifferError(
                    f"{column} of the discrepancy {name[1]} about {name[0]} is {cell[:80]}, but the ledger in the bundle says {str(value)[:80]}"
                )


def listed_names(lines: Iterable[str]) -> frozenset[tuple[str, str]]:
    """The subject and the kind of each discrepancy in a list. Raises RowsDifferError if it is no table."""
    return frozenset(_name_of(row) for row in _rows(lines))


def _rows(lines: Iterable[str]) -> Iterator[Mapping[str, str]]:
    csv.field_size_limit(_MOST_CELL_CHARACTERS)
    try:
        yield from csv.DictReader(lines, strict=True)
    except csv.Error as error:
        raise RowsDifferError(f"the file is not CSV ({error})") from None


def _name_of(row: Mapping[str, str]) -> tuple[str, str]:
    """The subject and the kind, as ``subject_of`` has them."""
    kind, intent = row["kind"], row["payment_intent"]
    is_about_row = not intent or kind == Kind.PAID_BY_OTHER_INTENT
    subject = f"row:{row['payment'].removeprefix(_GUARD)}" if is_about_row else intent
    return _subject(subject), sys.intern(kind)


def _subject(text: str) -> str:
    """A subject whose keys are parted as in a cell. It is in memory once, though the list, the findings and the statement
    have it."""
    return sys.intern(text.replace(",", " ") if text.startswith("row:") else text)


def _values(body: Mapping[str, Any]) -> dict[str, object]:
    local, stripe = dict(body["local"]), dict(body["stripe"])
    stake = body["stake"]
    found: dict[str, object] = {
        "severity": body["severity"],
        "amount": stake["amount"],
        "currency": stake["currency"],
        "amount_decimal": as_major(stake["amount"], stake["currency"]),
        "local": local,
        "stripe": stripe,
        **_side("local", local_side_of(local)),
        **_side("stripe", stripe_side_of(stripe)),
    }
    # the first versions wrote none
    if "fingerprint" in body:
        found["fingerprint"] = body["fingerprint"]
    return found


def _side(name: str, side: Side) -> dict[str, object]:
    return {
        f"{name}_status": side.status,
        f"{name}_amount": side.amount,
        f"{name}_currency": side.currency,
    }
