"""The independent judgement of a sweep: the script and Stripe's own memory against what stands in the database.

It imports nothing of the reconciler's comparison and decision. Its questions are plain: is every row as it must be, is
everything found that was planted and nothing else, is nothing forgotten that was put off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from reconciler.adapters.postgres.demo.demo_shop import ShopRow, StoredFinding
from reconciler.demo.expected import Expectations, PlantedFinding
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
    """What stood in the database before and after the sweep."""

    before: Mapping[str, ShopRow]
    after: Mapping[str, ShopRow]
    findings: Collection[StoredFinding]
    rechecks: frozenset[str]
    outbox: Collection[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class DemoVerdict:
    """Each list has a sentence for each fault.

    ``wrong_before`` are the correctable rows that were wrong: their status was not the one that they must end with,
    and Stripe's side of the payment leaves no doubt about it. ``wrong_writes`` are rows that the sweep changed and left
    other than they must be. ``missed`` is what it should have done and did not: rows left wrong, planted
    discrepancies not found, waits without a check, corrections that the merchant's worker is not told of.
    ``invented`` are discrepancies that nobody planted. ``untrue`` is where script and Stripe disagree, so that the
    judgement itself is worth nothing.
    """

    wrong_before: tuple[str, ...]
    changed: tuple[tuple[ShopRow, ShopRow], ...]
    """Each row that the sweep changed, as it was and as it is."""
    wrong_writes: tuple[str, ...]
    missed: tuple[str, ...]
    invented: tuple[str, ...]
    untrue: tuple[str, ...]
    planted: Counter[Kind]
    found: Counter[Kind]
    money_before: Counter[str]
    """What was wrong before, in minor units by currency."""

    @property
    def is_clean(self) -> bool:
        """The sweep did exactly what it had to."""
        return not (self.wrong_writes or self.missed or self.invented or self.untrue)


def judge(expected: Expectations, sandbox: Sandbox, state: DatabaseState) -> DemoVerdict:
    """Compare what is with what must be."""
    before, after = state.before, state.after
    wrong = [key for key, row in before.items() if row.status != expected.ends[key].status]
    changed = [key for key, row in after.items() if before.get(key) not in (None, row)]
    found = {PlantedFinding(Kind(one.kind), one.subject) for one in state.findings if _counts(one)}
    return DemoVerdict(
        wrong_before=tuple(wrong),
        changed=tuple((before[key], after[key]) for key in changed),
        wrong_writes=(*_wrong_writes(expected, state), *_rows_come_or_gone(before, after)),
        missed=(
            *_left_wrong(expected, state, wrong),
            *_named("not found", expected.findings - found),
            *(
                f"no check was left for {intent}"
                for intent in sorted(expected.waits - state.rechecks)
            ),
            *_not_told(state, changed),
        ),
        invented=tuple(_named("not planted", found - expected.findings)),
        untrue=tuple(_untrue(expected, sandbox)),
        planted=Counter(finding.kind for finding in expected.findings),
        found=Counter(finding.kind for finding in found),
        money_before=_money(before[key] for key in wrong),
    )


def true_status(sandbox: Sandbox, intent_id: str) -> str:
    """What the shop's table should say of an intent, as Stripe itself remembers it."""
    intent, charge = sandbox.intent(intent_id), sandbox.latest_charge(intent_id)
    if intent.status == "requires_payment_method":
        return "pending" if intent.last_payment_error is None else "failed"
    if intent.status != "succeeded" or charge is None:
        return _STATUS[intent.status]
    if charge.disputed:
        return "disputed"
    return "refunded" if charge.refunded else "paid"


def _counts(found: StoredFinding) -> bool:
    return found.kind != Kind.MISSED_OUTCOME and found.state == "open"


def _must_be(expected: Expectations, before: ShopRow) -> ShopRow:
    end = expected.ends[before.id]
    if before.status == end.status:
        return before
    return replace(
        before, status=end.status, payment_intent=before.payment_intent or end.payment_intent
    )


def _wrong_writes(expected: Expectations, state: DatabaseState) -> Iterable[str]:
    for key, was in state.before.items():
        row = state.after.get(key)
        right = _must_be(expected, was)
        if row is not None and row not in (was, right):
            yield f"{key} became {row.status} ({row.payment_intent}), it must be {right.status}"


def _rows_come_or_gone(
    before: Mapping[str, ShopRow], after: Mapping[str, ShopRow]
) -> Iterable[str]:
    for key in sorted(before.keys() ^ after.keys()):
        yield f"{key} {'is gone' if key in before else 'has appeared'}"


def _left_wrong(
    expected: Expectations, state: DatabaseState, wrong: Iterable[str]
) -> Iterable[str]:
    for key in wrong:
        if state.after.get(key) == state.before[key]:
            status = state.before[key].status
            yield f"{key} is still {status}, it must be {expected.ends[key].status}"


def _not_told(state: DatabaseState, changed: Iterable[str]) -> Iterable[str]:
    told = set(state.outbox)
    for key in changed:
        if (key, state.after[key].status) not in told:
            yield f"the outbox does not tell that {key} is {state.after[key].status}"


def _named(what: str, findings: Iterable[PlantedFinding]) -> Iterable[str]:
    return sorted(f"{finding.kind} of {finding.payment_intent} was {what}" for finding in findings)


def _untrue(expected: Expectations, sandbox: Sandbox) -> Iterable[str]:
    for key, intent in expected.stories.items():
        truth, end = true_status(sandbox, intent), expected.ends[key].status
        if truth != end:
            yield f"the script ends {intent} as {end}, Stripe says {truth}"


def _money(rows: Iterable[ShopRow]) -> Counter[str]:
    total: Counter[str] = Counter()
    for row in rows:
        total[row.currency] += row.amount
    return total
