"""Situations whose findings are kept word for word in ``worked_findings.json``.

``python -m tests.unit.domain.worked_findings`` writes that file anew. Read each changed line before you commit it: what stands
under ``local`` and ``stripe`` belongs to a fingerprint, and another word there opens every settled discrepancy again.
"""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.findings.discrepancy import Finding, State
from reconciler.domain.findings.lifecycle import DiscrepancyUpdate, finding_entry
from reconciler.domain.model.match import Match
from reconciler.domain.model.match_facts import MatchFacts, OrderFacts
from reconciler.domain.model.money_back import ChargeBalance, Refund, RefundFacts
from reconciler.domain.outcome import Outcome
from reconciler.domain.rules.decision import decide
from reconciler.domain.statement.payment_difference import with_difference
from tests.unit.domain.samples import (
    AMOUNT,
    CREATED,
    NOW,
    charge,
    dispute,
    intent_of,
    match_of,
    missing,
    payment,
    rules,
    sibling,
)
from tests.unit.domain.test_discrepancy_kinds import KINDS, found_in

FILE: Final = Path(__file__).with_name("worked_findings.json")
SUCCEEDED, AUTHORIZED, CANCELED = Outcome.SUCCEEDED, Outcome.AUTHORIZED, Outcome.CANCELED
LATER = CREATED + timedelta(hours=1)
HELD = charge(
    method="amazon_pay",
    capture_before=None,
    amount_captured=0,
    created=NOW - timedelta(days=6, hours=12),
)
CAPTURED_LESS = charge(amount=AMOUNT + 800, amount_captured=AMOUNT, amount_refunded=AMOUNT)
"""Stripe's older shape counts the released 800 as refunded."""
_UNCLEAR = intent_of(SUCCEEDED, amount=AMOUNT + 800, charge=CAPTURED_LESS)
_READ = MatchFacts(
    refunds=RefundFacts(
        (Refund("re_1", 50, "succeeded"),), ChargeBalance(AMOUNT, "usd"), balance_was_read=True
    ),
    disputes=(),
)
_PART_BACK = MatchFacts(
    refunds=RefundFacts(
        (Refund("re_1", AMOUNT - 800, "succeeded"),),
        ChargeBalance(AMOUNT + 800, "eur"),
        balance_was_read=True,
    ),
    disputes=(),
)
_HELD_MORE = charge(amount=AMOUNT + 200, amount_captured=AMOUNT, amount_refunded=200)
"""200 were refunded or released; only the balance shows which."""
_BY_BALANCE = MatchFacts(
    refunds=RefundFacts(
        (Refund("re_1", 200, "succeeded"),), ChargeBalance(AMOUNT, "eur"), balance_was_read=True
    ),
    disputes=(),
)
_DISPUTED = intent_of(SUCCEEDED, charge=charge(disputed=True))
_PAYING = intent_of(SUCCEEDED, id="pi_2", created=LATER)
_BY_ORDER = OrderFacts(intents=(_PAYING,), is_complete=True)

FURTHER: Final[dict[str, Match]] = {
    "paid by another intent": match_of(
        intent_of(CANCELED), payment(Outcome.INCOMPLETE, order="o1"), order="o1", facts=MatchFacts(order=_BY_ORDER)
    ),
    "paid without a row, beside a row that the mapping leaves out": match_of(
        intent_of(SUCCEEDED), facts=MatchFacts(excluded_rows=(payment(Outcome.INCOMPLETE),))
    ),
    "held without a known end at Stripe": match_of(
        intent_of(AUTHORIZED, charge=HELD, method="amazon_pay"), payment(AUTHORIZED)
    ),
    "paid twice, this one first": match_of(
        intent_of(SUCCEEDED), payment(SUCCEEDED), order="o1",
        siblings=(sibling("pi_9", created=LATER),),
    ),
    "not at Stripe, but in the other mode": match_of(missing(other_mode=True), payment(SUCCEEDED), payment(Outcome.FAILED, key="p2")),
    "not at Stripe, without amount and currency": match_of(missing(), payment(SUCCEEDED, amount=None, currency=None)),
    "refunded here, and nothing went back": match_of(intent_of(SUCCEEDED), payment(Outcome.REFUNDED)),
    "refunded here, without a charge": match_of(intent_of(SUCCEEDED, charge=None), payment(Outcome.REFUNDED)),
    "disputed here, and never at Stripe": match_of(intent_of(SUCCEEDED), payment(Outcome.DISPUTED)),
    "disputed here, without a charge": match_of(intent_of(SUCCEEDED, charge=None), payment(Outcome.DISPUTED)),
    "disputed on both sides, and not listed": match_of(
        intent_of(SUCCEEDED, charge=charge(disputed=True)), payment(Outcome.DISPUTED), facts=MatchFacts(disputes=())
    ),
    "a lost dispute of a paid row": match_of(
        intent_of(SUCCEEDED, charge=charge(disputed=True)), payment(SUCCEEDED),
        facts=MatchFacts(disputes=(dispute("lost", evidence_due_by=NOW),)),
    ),
    "held on both sides, in another currency": match_of(intent_of(AUTHORIZED), payment(AUTHORIZED, currency="usd")),
    "held on both sides, one cent captured": match_of(
        intent_of(AUTHORIZED, amount_received=1), payment(AUTHORIZED)
    ),
    "canceled in the table, paid and wholly refunded": match_of(
        intent_of(SUCCEEDED, charge=charge(refunded=True, amount_refunded=AMOUNT)), payment(CANCELED)
    ),
    "canceled on both sides, and paid back": match_of(
        intent_of(CANCELED, amount_received=AMOUNT, charge=charge(refunded=True, amount_refunded=AMOUNT)), payment(CANCELED)
    ),
    "held for its order by another intent": match_of(
        intent_of(CANCELED), payment(Outcome.INCOMPLETE, order="o1"), order="o1",
        facts=MatchFacts(order=OrderFacts(intents=(intent_of(AUTHORIZED, id="pi_2", created=LATER),), is_complete=True)),
    ),
    "paid, and a part released or refunded": match_of(_UNCLEAR, payment(SUCCEEDED), facts=_READ),
    "open, and a part released or refunded": match_of(_UNCLEAR, payment(Outcome.INCOMPLETE), facts=_READ),
    "refunded here, and a part released or refunded there": match_of(_UNCLEAR, payment(Outcome.REFUNDED), facts=_READ),
    "paid, and all but a part of it refunded": match_of(_UNCLEAR, payment(SUCCEEDED), facts=_PART_BACK),
    "open, and all but a part of it refunded": match_of(_UNCLEAR, payment(Outcome.INCOMPLETE), facts=_PART_BACK),
    "open, and a part refunded as the balance shows": match_of(
        intent_of(SUCCEEDED, amount=AMOUNT + 200, charge=_HELD_MORE), payment(Outcome.INCOMPLETE), facts=_BY_BALANCE
    ),
    "canceled on both sides, and a part paid back": match_of(
        intent_of(CANCELED, amount_received=AMOUNT, charge=charge(amount_refunded=1000)), payment(CANCELED)
    ),
    "open, disputed at Stripe, and not listed": match_of(_DISPUTED, payment(Outcome.INCOMPLETE), facts=MatchFacts(disputes=())),
    "paid, disputed at Stripe, and not listed": match_of(_DISPUTED, payment(SUCCEEDED), facts=MatchFacts(disputes=())),
    "canceled on both sides, one cent kept": match_of(
        intent_of(CANCELED, amount_received=1, charge=None), payment(CANCELED)
    ),
    "paid, of one cent that went back": match_of(
        intent_of(SUCCEEDED, amount_received=1, charge=charge(amount=1, amount_captured=1, amount_refunded=1, refunded=True)),
        payment(SUCCEEDED, amount=1),
    ),
    "paid, and nothing was captured": match_of(
        intent_of(SUCCEEDED, charge=charge(amount_captured=0)), payment(SUCCEEDED)
    ),
}  # fmt: skip


MATCHES: Final = {**{name: match for name, (match, *_) in KINDS.items()}, **FURTHER}


def worked(name: str) -> Any:
    """What the findings of a situation say in the ledger and show to a person, as JSON."""
    match = MATCHES[name]
    found = found_in(decide(match, rules(link_metadata="order_id"), NOW))
    entries = [_entry(one) for one in with_difference(match, found)]
    return json.loads(json.dumps(entries, default=str))


def _entry(found: Finding) -> dict[str, Any]:
    update = DiscrepancyUpdate(None, found.subject, found.kind, State.OPEN, found, True)
    return dict(finding_entry(update, 1, AskedBy("ana@shop")).body)


def as_text(made: dict[str, Any]) -> str:
    """One line for each finding, so that a change of one is a change of one line."""
    parts = []
    for name, entries in sorted(made.items()):
        lines = ",\n".join(f"    {json.dumps(entry, sort_keys=True)}" for entry in entries)
        parts.append(
            f"  {json.dumps(name)}: [\n{lines}\n  ]" if entries else f"  {json.dumps(name)}: []"
        )
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(as_text({name: worked(name) for name in MATCHES}), encoding="utf-8")
