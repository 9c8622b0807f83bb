"""Stripe's search language for PaymentIntents. Source: docs, "Search"."""

from __future__ import annotations

import operator
import re
from typing import Final

from reconciler.sandbox.objects.answers import ApiRefusal
from reconciler.sandbox.objects.records import IntentRecord

MOST_CLAUSES: Final = 10
_TEXT: Final = r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\''
_CLAUSE: Final = re.compile(
    rf"\s*(?P<not>-)?(?P<field>\w+)(?:\[\s*(?P<key>{_TEXT})\s*\])?\s*(?P<op>:|~|>=|<=|>|<)\s*(?P<value>{_TEXT}|[\w.]+)"
)
_JOINT: Final = re.compile(r"\s+(?:(?P<word>AND|OR)\s+)?", re.IGNORECASE)
_COMPARE: Final = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_NUMBERS: Final = {"amount", "created"}
_FIELDS: Final = {*_NUMBERS, "currency", "customer", "status", "metadata"}
_SHORTEST_PART: Final = 3
_UNREADABLE: Final = (
    "We were unable to parse your search query"  # Stripe's words; banned-words: allowed
)


class SearchQuery:
    """A query: clauses that are joined by AND (or a space), or by OR, and never by both.

    Raises Stripe's 400 for anything that Stripe does not take.
    """

    def __init__(self, text: str) -> None:
        self._clauses: list[re.Match[str]] = []
        joints: set[str] = set()
        rest = text
        while rest.strip():
            clause = _CLAUSE.match(rest)
            if clause is None:
                raise _refusal(_UNREADABLE)
            _raise_if_unknown(clause)
            self._clauses.append(clause)
            rest = rest[clause.end() :]
            joint = _JOINT.match(rest)
            if joint is None:
                if rest:
                    raise _refusal("Separate two clauses by a space, AND or OR")
                break
            if rest.strip():
                joints.add((joint["word"] or "AND").upper())
            rest = rest[joint.end() :]
        if not self._clauses:
            raise _refusal("The query is empty")
        if len(joints) > 1:
            raise _refusal("A query cannot have both AND and OR")
        if len(self._clauses) > MOST_CLAUSES:
            raise _refusal(f"A query can have {MOST_CLAUSES} clauses at most")
        self._is_all = joints != {"OR"}

    def matches(self, intent: IntentRecord) -> bool:
        """Whether the query finds an intent."""
        found = (_holds(clause, intent) for clause in self._clauses)
        return all(found) if self._is_all else any(found)


def _raise_if_unknown(clause: re.Match[str]) -> None:
    field, sign, value = clause["field"], clause["op"], clause["value"]
    if field not in _FIELDS or (field == "metadata") is not (clause["key"] is not None):
        raise _refusal(
            f"Field `{field}` is an unsupported search field for resource `payment_intents`"
        )
    if sign in _COMPARE and (field not in _NUMBERS or not value.isdigit()):
        raise _refusal(f"Field `{field}` cannot be compared with `{sign}`")
    if sign == "~" and (field in _NUMBERS or len(_plain(value)) < _SHORTEST_PART):
        raise _refusal(f"Field `{field}` cannot be searched for that part")


def _holds(clause: re.Match[str], intent: IntentRecord) -> bool:
    present: object = getattr(intent, clause["field"])
    if clause["key"] is not None:
        present = intent.metadata.get(_plain(clause["key"]))
    wanted, sign = _plain(clause["value"]), clause["op"]
    if clause["value"] == "null":
        holds = present is None
    elif sign in _COMPARE and isinstance(present, int):
        holds = _COMPARE[sign](present, int(wanted))
    elif sign == "~":
        holds = present is not None and wanted.lower() in str(present).lower()
    else:
        holds = present is not None and str(present) == wanted
    return holds is (clause["not"] is None)


def _plain(text: str) -> str:
    """A text without its quotes and escapes; a number or null as it is."""
    if text[:1] not in ('"', "'"):
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _refusal(message: str) -> ApiRefusal:
    return ApiRefusal(400, f"{message}.", param="query")
