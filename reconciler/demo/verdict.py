"""An independent verdict on a sweep: it compares the database with what was noted while the payments were made.

It imports none of Reconciler's rules. It checks that every row is as it must be, that every planted discrepancy was
found and no other, and that every payment changed too recently has a recheck.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.adapters.postgres.demo.demo_shop import ShopRow, StoredFinding
from reconciler.demo.expected_result import ExpectedResult, PlantedFinding
from reconciler.domain.findings.discrepancy import Kind
from reconciler.sandbox.state.sandbox import Sandbox

_STATUS: dict[str, str] = {
    "requires_confirmation": "pending",
    "requires_action": "pending",
    "processing": "processing",
    "requires_capture": "authorized",
    "canceled": "canceled",
}


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """The database before and after the sweep: rows by key; ``outbox`` as (row key, new status)."""

    before: Mapping[str, ShopRow]
    after: Mapping[str, ShopRow]
    findings: Collection[StoredFinding]
    rechecks: frozenset[str]
    outbox: Collection[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class DemoVerdict:
    """The differences between what must be true and what is. Each tuple of texts has a sentence for each fault.

    ``wrong_before`` has the keys of the rows that the sweep had to correct. ``wrong_writes`` are rows that the sweep
    changed to something else than they must be. ``missed`` is what it should have done and did not: rows left wrong,
    planted discrepancies not found, waiting payments without a recheck, corrections without an outbox row. ``invented``
    are discrepancies that were not planted. ``contradictions`` are payments for which the sandbox's own status is not the
    expected one: then the verdict proves nothing.
    """

    wrong_before: tuple[str, ...]
    changed: tuple[tuple[ShopRow, ShopRow], ...]
    """Each row that the sweep changed, before and after."""
    wrong_writes: tuple[str, ...]
    missed: tuple[str, ...]
    invented: tuple[str, ...]
    contradictions: tuple[str, ...]
    planted: Counter[Kind]
    found: Counter[Kind]
    money_before: Counter[str]
    """The amounts of the rows that were wrong before, in minor units by currency."""

    @property
    def is_clean(self) -> bool:
        """Whether the sweep did exactly what it had to do."""
        return not (self.wrong_writes or self.missed or self.invented or self.contradictions)


def judge(expected: ExpectedResult, sandbox: Sandbox, state: DatabaseState) -> DemoVerdict:
    """Compare the database with what must be true."""
    # only the status says whether a row was wrong: a missing intent id alone needs no correction
    before, after = state.before, state.after
    wrong = [key for key, row in before.items() if row.status != expected.rows[key].status]
    # added and deleted rows are wrong writes, not changes
    changed = [key for key, row in after.items() if before.get(key) not in (None, row)]
    found = {
        PlantedFinding(Kind(stored.kind), stored.subject)
        for stored in state.findings
        if _is_planted_kind(stored)
    }
    return DemoVerdict(
        wrong_before=tuple(wrong),
        changed=tuple((before[key], after[key]) for key in changed),
        wrong_writes=(*_wrong_writes(expected, state), *_added_or_deleted(before, after)),
        missed=(
            *_left_wrong(expected, state, wrong),
            *_sentences("not found", expected.findings - found),
            *(f"{intent} has no recheck" for intent in sorted(expected.waits - state.rechecks)),
            *_not_in_outbox(state, changed),
        ),
        invented=tuple(_sentences("not planted", found - expected.findings)),
        contradictions=tuple(_contradictions(expected, sandbox)),
        planted=Counter(finding.kind for finding in expected.findings),
        found=Counter(finding.kind for finding in found),
        money_before=_sum_by_currency(before[key] for key in wrong),
    )


def true_status(sandbox: Sandbox, intent_id: str) -> str:
    """The status that the shop's row of an intent should have, from what the sandbox knows of the intent."""
    intent, charge = sandbox.intent(intent_id), sandbox.latest_charge(intent_id)
    if intent.status == "requires_payment_method":
        return "pending" if intent.last_payment_error is None else "failed"
    if intent.status != "succeeded" or charge is None:
        return _STATUS[intent.status]
    if charge.disputed:
        return "disputed"
    return "refunded" if charge.refunded else "paid"


def _is_planted_kind(stored: StoredFinding) -> bool:
    # a missed outcome is corrected and closed: it counts as a row, not as a discrepancy left for a person
    return stored.kind != Kind.MISSED_OUTCOME and stored.state == "open"


def _must_become(expected: ExpectedResult, before: ShopRow) -> ShopRow:
    right = expected.rows[before.id]
    # a correct row must not be touched, not even to add the intent
    if before.status == right.status:
        return before
    return replace(
        before, status=right.status, payment_intent=before.payment_intent or right.payment_intent
    )


def _wrong_writes(expected: ExpectedResult, state: DatabaseState) -> Iterable[str]:
    for key, before in state.before.items():
        row = state.after.get(key)
        right = _must_become(expected, before)
        if row is not None and row not in (before, right):
            yield f"row {key} became {row.status} ({row.payment_intent}), but has to be {right.status}"


def _added_or_deleted(before: Mapping[str, ShopRow], after: Mapping[str, ShopRow]) -> Iterable[str]:
    for key in sorted(before.keys() ^ after.keys()):
        yield f"{key} {'was deleted' if key in before else 'was added'}"


def _left_wrong(
    expected: ExpectedResult, state: DatabaseState, wrong: Iterable[str]
) -> Iterable[str]:
    for key in wrong:
        if state.after.get(key) == state.before[key]:
            status = state.before[key].status
            yield f"row {key} is still {status}, but has to be {expected.rows[key].status}"


def _not_in_outbox(state: DatabaseState, changed: Iterable[str]) -> Iterable[str]:
    written = set(state.outbox)
    for key in changed:
        if (key, state.after[key].status) not in written:
            yield f"the outbox does not say that {key} is {state.after[key].status}"


def _sentences(what: str, findings: Iterable[PlantedFinding]) -> Iterable[str]:
    return sorted(f"{finding.kind} of {finding.payment_intent} was {what}" for finding in findings)


def _contradictions(expected: ExpectedResult, sandbox: Sandbox) -> Iterable[str]:
    # planted payments are left out: many of them are wrong at Stripe on purpose
    for key, intent in expected.customers.items():
        at_stripe, right = true_status(sandbox, intent), expected.rows[key].status
        if at_stripe != right:
            yield f"{intent} has to end as {right}, but the sandbox says {at_stripe}"


def _sum_by_currency(rows: Iterable[ShopRow]) -> Counter[str]:
    total: Counter[str] = Counter()
    for row in rows:
        total[row.currency] += row.amount
    return total
