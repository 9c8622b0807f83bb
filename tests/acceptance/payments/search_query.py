"""Stripe's search language over PaymentIntents, as far as it concerns ids, statuses, times and metadata."""

from __future__ import annotations

import operator
import re

from tests.acceptance.payments.stripe_objects import Json

MOST_CLAUSES = 10
"""Stripe refuses a query with more."""
_TEXT = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_CLAUSE = re.compile(
    rf"\s*(?P<not>-)?(?P<field>\w+)(?:\[\s*(?P<key>{_TEXT})\s*\])?\s*(?P<op>:|~|>=|<=|>|<)\s*(?P<value>{_TEXT}|[\w.]+)"
)
_JOINT = re.compile(r"\s+(?:(?P<word>AND|OR)\s+)?", re.IGNORECASE)
_COMPARE = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_FIELDS = {"amount", "created", "currency", "customer", "status", "metadata"}


class QueryError(Exception):
    """Stripe would refuse the query."""


class Query:
    """One query: clauses that are joined by AND (or a space), or by OR, and never by both."""

    def __init__(self, text: str) -> None:
        self._clauses: list[re.Match[str]] = []
        joints: set[str] = set()
        position = 0
        while True:
            clause = _CLAUSE.match(text, position)
            if clause is None or clause["field"] not in _FIELDS:
                raise QueryError(f"not a clause at {text[position : position + 20]!r}")
            self._clauses.append(clause)
            position = clause.end()
            if not text[position:].strip():
                break
            joint = _JOINT.match(text, position)
            if joint is None:
                raise QueryError(f"not a joint at {text[position : position + 20]!r}")
            joints.add((joint["word"] or "AND").upper())
            position = joint.end()
        if len(joints) > 1:
            raise QueryError("AND and OR cannot be mixed")
        if len(self._clauses) > MOST_CLAUSES:
            raise QueryError("too many clauses")
        self._all = joints != {"OR"}

    def matches(self, intent: Json) -> bool:
        """Whether the PaymentIntent is found."""
        found = [_holds(clause, intent) for clause in self._clauses]
        return all(found) if self._all else any(found)


def _holds(clause: re.Match[str], intent: Json) -> bool:
    present = intent.get(clause["field"])
    if clause["key"] is not None:
        present = (present or {}).get(_plain(clause["key"]))
    wanted = _plain(clause["value"])
    if clause["op"] in _COMPARE:
        holds = isinstance(present, int) and _COMPARE[clause["op"]](present, int(wanted))
    elif clause["value"] == "null":
        holds = present is None
    elif clause["op"] == "~":
        holds = present is not None and wanted.lower() in str(present).lower()
    else:
        holds = present is not None and str(present) == wanted
    return not holds if clause["not"] else holds


def _plain(text: str) -> str:
    if text[:1] not in ('"', "'"):
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1])
