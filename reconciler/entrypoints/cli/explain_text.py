"""What ``explain`` shows at a terminal: the local side with its history, then Stripe's side, then what to do."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.domain.findings.discrepancy import Finding
from reconciler.domain.findings.history_item import HistoryItem
from reconciler.domain.findings.history_text import by_text, history_text
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.model.found_row import FoundRow
from reconciler.domain.model.intent import Charge, Event, Intent, MissingIntent
from reconciler.domain.model.money_back import Dispute
from reconciler.domain.money import Money
from reconciler.domain.rules.decision import Correct, Flag
from reconciler.domain.rules.next_step import NextStep
from reconciler.engine.actions.explain import Explanation
from reconciler.engine.actions.find_payment import LocalSide, NamedPayment
from reconciler.entrypoints.cli.explain_json import act_of, all_rows
from reconciler.entrypoints.cli.output import (
    OutputColumn,
    moment_text,
    money_text,
    non_empty,
    write_line,
    write_pairs,
    write_table,
)


def _money_back(charge: Charge) -> str:
    if charge.disputed:
        return "disputed"
    if charge.refunded:
        return "refunded"
    return "partly refunded" if charge.has_refund else ""


_ATTEMPTS = (
    OutputColumn[Charge]("attempt", lambda charge: charge.id),
    OutputColumn[Charge]("when", lambda charge: moment_text(charge.created)),
    OutputColumn[Charge]("status", lambda charge: charge.status),
    OutputColumn[Charge]("method", lambda charge: charge.method or ""),
    OutputColumn[Charge]("failure", lambda charge: charge.failure_code or ""),
    OutputColumn[Charge]("money back", _money_back),
)
_DISPUTES = (
    OutputColumn[Dispute]("dispute", lambda one: one.id),
    OutputColumn[Dispute]("status", lambda one: one.status),
    OutputColumn[Dispute]("since", lambda one: moment_text(one.created)),
    OutputColumn[Dispute]("send evidence by", lambda one: moment_text(one.evidence_due_by)),
    OutputColumn[Dispute](
        "disputed", lambda one: money_text(Money(one.amount, one.currency)), right=True
    ),
)
_OTHER_INTENTS = (
    OutputColumn[Intent]("PaymentIntent", lambda one: one.id),
    OutputColumn[Intent]("status", lambda one: one.status),
    OutputColumn[Intent](
        "received", lambda one: money_text(Money(one.amount_received, one.currency)), right=True
    ),
    OutputColumn[Intent]("created", lambda one: moment_text(one.created)),
)
_EVENTS = (
    OutputColumn[Event]("event", lambda event: event.id),
    OutputColumn[Event]("when", lambda event: moment_text(event.created)),
    OutputColumn[Event]("type", lambda event: event.type),
    OutputColumn[Event](
        "webhooks", lambda event: "nothing pending" if event.delivered else "pending"
    ),
)
_FINDINGS = (
    OutputColumn[Finding]("finding", lambda found: found.kind.value),
    OutputColumn[Finding]("severity", lambda found: found.severity.value),
    OutputColumn[Finding]("at stake", lambda found: money_text(found.stake), right=True),
    OutputColumn[Finding]("payment", lambda found: ", ".join(found.keys)),
    OutputColumn[Finding]("reason", lambda found: found.reason.value if found.reason else ""),
    OutputColumn[Finding]("cause", lambda found: found.cause.value if found.cause else ""),
)
_HISTORY = (
    OutputColumn[HistoryItem]("when", lambda item: moment_text(item.at)),
    OutputColumn[HistoryItem]("what happened", history_text),
    OutputColumn[HistoryItem]("by", by_text),
)
_DISCREPANCIES = (
    OutputColumn[Discrepancy]("discrepancy", lambda item: str(item.id), right=True),
    OutputColumn[Discrepancy]("kind", lambda item: item.kind.value),
    OutputColumn[Discrepancy]("severity", lambda item: item.severity.value),
    OutputColumn[Discrepancy]("state", lambda item: item.state.value),
    OutputColumn[Discrepancy]("reason", lambda item: item.reason or ""),
    OutputColumn[Discrepancy]("note", lambda item: item.note or ""),
)
_ABOUT = OutputColumn[Discrepancy]("PaymentIntent", lambda item: item.payment_intent or "")
_NAMED = (
    OutputColumn[NamedPayment]("as", lambda one: " and ".join(item.value for item in one.read_as)),
    OutputColumn[NamedPayment]("account", lambda one: one.account or _column_texts(one)),
    OutputColumn[NamedPayment](
        "payment", lambda one: ", ".join(row.payment.key for row in one.rows)
    ),
    OutputColumn[NamedPayment](
        "order", lambda one: ", ".join(dict.fromkeys(row.payment.order or "" for row in one.rows))
    ),
    OutputColumn[NamedPayment](
        "status", lambda one: ", ".join(row.payment.status or "" for row in one.rows)
    ),
    OutputColumn[NamedPayment](
        "PaymentIntent", lambda one: one.payment_intent or one.looked_up or ""
    ),
)


def _column_texts(one: NamedPayment) -> str:
    texts = [row.account_text for row in one.rows if row.account_text]
    return f"not in [[accounts]]: {', '.join(texts)}" if texts else "not configured"


def write_named(payments: Sequence[NamedPayment]) -> None:
    """List the payments that a text names."""
    write_table(non_empty(_NAMED, payments), payments)


def write_explained(local: LocalSide, found: Explanation | None) -> None:
    """Write everything about one payment but what to do next."""
    _write_title(local, found)
    write_line()
    write_line("Your table")
    rows = all_rows(local, found)
    if not rows:
        write_line("  no row of any account holds this id")
    for number, row in enumerate(rows):
        if number:
            write_line()
        write_pairs(_row_pairs(row))
    if local.history:
        write_line()
        write_line("History")
        write_table(non_empty(_HISTORY, local.history), local.history, indent=2)
    discrepancies = local.all_discrepancies
    if discrepancies:
        write_line()
        others = (_ABOUT,) if local.payer_of or local.of_order else ()
        write_table(non_empty((*_DISCREPANCIES, *others), discrepancies), discrepancies)
    if found is not None:
        _write_stripe(found)
        _write_verdict(found)


def write_next_step(step: NextStep, url: str | None) -> None:
    """Write what to do next about a payment, and where it is in Stripe's dashboard if that is known."""
    write_line()
    write_line(f"What to do next: {step.text}")
    if step.command is not None:
        write_line(f"  {step.command}")
    if url is not None:
        write_line(f"In Stripe's dashboard: {url}")


def _write_title(local: LocalSide, found: Explanation | None) -> None:
    named = local.named
    intent = named.payment_intent if found is None else found.match.intent.id
    about = f"{intent}" if intent is not None else _without_intent(named)
    account = f" of account {named.account}" if named.account is not None else ""
    seen = f", as seen at {moment_text(found.now)} UTC" if found is not None else ""
    write_line(f"{about}{account}{seen}")


def _without_intent(named: NamedPayment) -> str:
    if named.looked_up is not None:
        return named.looked_up
    keys = ", ".join(row.payment.key for row in named.rows)
    return f"payment {keys}" if keys else "a payment without a PaymentIntent"


def _write_stripe(found: Explanation) -> None:
    intent = found.match.intent
    write_line()
    write_line("Stripe")
    match intent:
        case Intent():
            write_pairs(_stripe_pairs(intent, found))
        case MissingIntent():
            write_pairs(_missing_pairs(intent))
    if found.attempts:
        write_line()
        write_table(non_empty(_ATTEMPTS, found.attempts), found.attempts)
    if found.disputes:
        write_line()
        write_table(non_empty(_DISPUTES, found.disputes), found.disputes)
    if found.events:
        write_line()
        write_table(_EVENTS, found.events)
    if found.other_intents:
        write_line()
        write_line(f"Other PaymentIntents of order {found.order}")
        write_table(_OTHER_INTENTS, found.other_intents, indent=2)
    if not found.knows_order:
        write_line()
        write_line(
            f"Stripe may have more PaymentIntents of order {found.order} than Reconciler knows."
        )


def _stripe_pairs(intent: Intent, found: Explanation) -> list[tuple[str, str]]:
    action = intent.next_action
    until = f", until {moment_text(action.expires_at)} UTC" if action and action.expires_at else ""
    return [
        ("status", f"{intent.status} ({intent.outcome.value})"),
        ("amount", money_text(Money(intent.amount, intent.currency))),
        ("received", money_text(Money(intent.amount_received, intent.currency))),
        (
            "capturable",
            money_text(Money(intent.amount_capturable, intent.currency))
            if intent.amount_capturable
            else "",
        ),
        ("created", f"{moment_text(intent.created)} UTC"),
        ("canceled", f"{moment_text(intent.canceled_at)} UTC" if intent.canceled_at else ""),
        ("method", intent.method or ""),
        ("last failure", intent.failure_code or ""),
        ("next action", f"{action.type}{until}" if action else ""),
        ("deadline", f"{moment_text(found.deadline)} UTC" if found.deadline else ""),
        ("mode", "live" if intent.livemode else "test"),
        ("request", intent.request_id or ""),
    ]


def _missing_pairs(intent: MissingIntent) -> list[tuple[str, str]]:
    status = (
        "this id exists in the other mode (live or test)"
        if intent.other_mode
        else "not found (404)"
    )
    return [("status", status), ("request", intent.request_id or "")]


def _row_pairs(row: FoundRow) -> list[tuple[str, str]]:
    payment = row.payment
    amount = (
        ""
        if payment.amount is None
        else money_text(Money(payment.amount, payment.currency or "xxx"))
    )
    return [
        ("payment", payment.key),
        ("status", f"{payment.status} ({payment.outcome.value})"),
        ("amount", amount or f"{payment.stored_amount} {payment.stored_currency or ''}".strip()),
        ("created", f"{moment_text(payment.created)} UTC" if payment.created else ""),
        ("order", payment.order or ""),
        ("holds", payment.column_text or "no PaymentIntent yet"),
        ("account", _account_text(row)),
        ("examined", "no: [payments] where leaves this row out" if _is_outside(row) else ""),
    ]


def _is_outside(row: FoundRow) -> bool:
    return row.payment.excluded and row.account is not None


def _account_text(row: FoundRow) -> str:
    if row.account is not None:
        return row.account if row.account_text is not None else ""
    return f"{row.account_text or 'none'} (not in [[accounts]])"


def _write_verdict(found: Explanation) -> None:
    write_line()
    first = found.standing
    by = "" if first is None else f", because discrepancy {first.id} is open"
    write_line(f"Decision: {act_of(found.decision)}{by}")
    write_line(f"  {found.rule}")
    findings = found.decision.findings if isinstance(found.decision, Correct | Flag) else ()
    if findings:
        write_line()
        write_table(non_empty(_FINDINGS, findings), findings)
