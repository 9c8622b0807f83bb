"""One payment: both sides beside each other, what was decided and why, what to do next, and the whole story."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.adapters.postgres.web.payment_records import PaymentRecords, StoredAcceptance
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.money import Money
from reconciler.domain.rules.next_step import Subject, dashboard_url, step_for
from reconciler.entrypoints.shown_text import money_text
from reconciler.entrypoints.web.call import Call, NotFoundError, View
from reconciler.entrypoints.web.decisions import safe_back
from reconciler.entrypoints.web.pages.kinds import explained_kinds, explained_reasons
from reconciler.entrypoints.web.pages.ledger import actor_of, entry_text
from reconciler.entrypoints.web.tables import Column, Table, address, moment_column, text_column
from reconciler.entrypoints.web.templating import words

_SIDES: Final = (
    ("status", "Status"),
    ("outcome", "Outcome"),
    ("amount", "Amount"),
    ("currency", "Currency"),
    ("payment_intent", "PaymentIntent"),
)
_OF_STRIPE: Final = (
    ("amount_received", "Received"),
    ("amount_capturable", "Can be captured"),
    ("amount_refunded", "Refunded"),
    ("refunded", "Fully refunded"),
    ("disputed", "Disputed"),
    ("charge", "Charge"),
)
_FAILED: Final = "payment_intent.payment_failed"
_SAME_ATTEMPT: Final = timedelta(seconds=5)
"""So much later the event of a failed attempt may be than its charge."""
_OTHER_INTENT: Final = {"Paid by": "paying_intent", "Also paid by": "also_paid_by"}
_COMPARED: Final = {"outcome", "amount", "currency"}


@dataclass(frozen=True, slots=True)
class Compared:
    """One value of both sides. ``differs`` is whether they disagree."""

    name: str
    local: str
    stripe: str
    differs: bool


@dataclass(frozen=True, slots=True)
class OtherIntent:
    """The other PaymentIntent that a finding is about. ``href`` is its page, None if nothing is recorded about it."""

    what: str
    intent: str
    href: str | None


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened to a payment."""

    at: datetime
    who: str
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A discrepancy of the payment as the page shows it."""

    discrepancy: Discrepancy
    meaning: str
    reason: str
    step: str
    command: str | None
    sides: Sequence[Compared]
    other: OtherIntent | None
    acceptances: Sequence[StoredAcceptance]
    can_accept: bool
    """Whether Stripe's side can be accepted: it is open, names a row, and no request for it waits."""


def payment(call: Call) -> View:
    """The page. Raises NotFoundError if nothing is stored about the payment."""
    accounts = call.records.accounts()
    account = call.account(accounts)
    name = call.text("name")
    if account is None or name is None:
        raise NotFoundError(
            "The address of this page names no payment.",
            "Search for the payment in the list of discrepancies.",
        )
    records = call.records.payment(account, name)
    if not records.discrepancies and not records.entries:
        raise NotFoundError(
            f'Nothing is recorded about "{name[:80]}" in account {account}.',
            "A payment without a discrepancy leaves no record. To ask both sides, run: reconciler explain",
        )
    call.records.record_view(account, _names(name, records), call.reader.actor)
    several = len(call.settings.accounts or accounts) > 1
    findings = [
        _finding(one, account if several else None, records.acceptances, _other_intent(call, one))
        for one in records.discrepancies
    ]
    story = sorted(_story(records), key=lambda one: one.at)
    values = {
        "account": account,
        "accounts": accounts,
        "name": name,
        "findings": findings,
        "url": _url(call, records),
        "orders": [],
        "back": _list_of(call),
    }
    table = Table("story", "Everything that happened, oldest first", _STORY, story)
    return View("payment.html", f"Payment {name}", values, (table,))


def _list_of(call: Call) -> str:
    """The list with the filters from which a reader came; the list without filters if the address names none."""
    back = safe_back(call.query.get("back", ""))
    return back if back.startswith("/discrepancies") else "/discrepancies"


_STORY: Final[tuple[Column[Moment], ...]] = (
    moment_column("Time", lambda one: one.at),
    text_column("Who", lambda one: one.who),
    text_column("What", lambda one: one.what, note=lambda one: one.detail),
)


def _names(name: str, records: PaymentRecords) -> list[str]:
    """The intent and the rows of a payment, as a view of it is stored."""
    intents = [one.payment_intent for one in records.discrepancies if one.payment_intent]
    rows = [f"row:{key}" for one in records.discrepancies for key in one.keys]
    return list(dict.fromkeys([*intents, *rows])) or [name]


def _other_intent(call: Call, one: Discrepancy) -> OtherIntent | None:
    """The PaymentIntent that paid instead, or as well; None for a finding about one alone, or about rows without one."""
    for what, name in _OTHER_INTENT.items():
        intent = one.evidence.get(name)
        if isinstance(intent, str) and intent:
            found = call.records.payment(one.account, intent)
            is_known = bool(found.discrepancies or found.entries)
            href = address("/payment", account=one.account, name=intent) if is_known else None
            return OtherIntent(what, intent, href)
    return None


def _finding(
    one: Discrepancy,
    account: str | None,
    acceptances: Sequence[StoredAcceptance],
    other: OtherIntent | None,
) -> Finding:
    explained = explained_kinds()[one.kind.value]
    reasons = explained_reasons()
    step = step_for(one.kind, one.reason, Subject(one.payment_intent, one.id, account))
    is_open = one.state is State.OPEN
    own = [asked for asked in acceptances if asked.discrepancy == one.id]
    return Finding(
        one,
        explained.meaning,
        reasons.get(one.reason or "", ("", ""))[0],
        step.text if is_open else "",
        step.command if is_open else None,
        list(_compared(one)),
        other,
        own,
        is_open
        and one.payment_intent is not None
        and bool(one.keys)
        and not any(asked.state == "asked" for asked in own),
    )


def _compared(one: Discrepancy) -> Iterator[Compared]:
    """Each value of both sides. Several rows stand one after another."""
    rows = one.local.get("rows")
    here = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    here = here or ([one.local] if one.local else [])
    for number, row in enumerate(here, start=1):
        yield from _compared_row(one, row, f"Row {number}: " if len(here) > 1 else "")
    if not here:
        yield Compared("Row", "no row", "", differs=True)
        for field, name in _SIDES:
            yield Compared(name, "", _shown(one.stripe, field), differs=False)
    for field, name in _OF_STRIPE:
        there = _shown(one.stripe, field)
        if there and there != "no":
            yield Compared(name, "", there, differs=False)


def _compared_row(one: Discrepancy, row: Mapping[str, object], title: str) -> Iterator[Compared]:
    yield Compared(f"{title}Row", _shown(row, "key"), "", differs=False)
    for field, name in _SIDES:
        here = _shown(row, field)
        there = _intent_of(one) if field == "payment_intent" else _shown(one.stripe, field)
        if here or there:
            # a side that does not say it is no contradiction
            values = row.get(field), one.stripe.get(field)
            differs = field in _COMPARED and None not in values and values[0] != values[1]
            yield Compared(f"{title}{name}", here, there, differs)


def _intent_of(one: Discrepancy) -> str:
    """The PaymentIntent that Stripe's values are about: the one that paid, if it is not the row's own."""
    paying = one.stripe.get("paying_intent")
    return paying if isinstance(paying, str) else one.payment_intent or ""


def _shown(values: Mapping[str, object], field: str) -> str:
    value = values.get(field)
    if field.startswith("amount") and isinstance(value, int):
        currency = values.get("currency")
        if value == 0 and field != "amount":
            return ""
        return money_text(Money(value, currency)) if isinstance(currency, str) else f"{value:,}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if field == "currency" and isinstance(value, str):
        return value.upper()
    return "" if value is None else str(value)


def _url(call: Call, records: PaymentRecords) -> str | None:
    for one in records.discrepancies:
        livemode = one.evidence.get("livemode")
        accounts = {account.name: account.stripe_account for account in call.settings.accounts}
        url = dashboard_url(
            one.payment_intent,
            livemode if isinstance(livemode, bool) else None,
            accounts.get(one.account),
        )
        if url is not None:
            return url
    return None


def _story(records: PaymentRecords) -> Iterator[Moment]:
    yield from _of_evidence(records)
    for event in records.events:
        pending = "" if event.delivered else "a webhook of this event was not delivered yet"
        if event.type == _FAILED:
            why = f"declined: {event.failure_code}" if event.failure_code else "declined"
            detail = f"{why}, {pending}" if pending else why
            yield Moment(event.created, "Customer", "Attempt failed", detail)
        else:
            yield Moment(event.created, "Stripe", f"Event {event.type}", pending)
    for entry in records.entries:
        if entry.action != "note":
            yield Moment(
                entry.at,
                actor_of(entry.body) or "Reconciler",
                entry_text(entry.action, entry.body),
                f"ledger entry {entry.seq}",
            )
    for note in records.notes:
        file = f" (file {note.attachment})" if note.attachment else ""
        yield Moment(note.at, note.author, "Note", note.text + file)
    yield from _of_acceptances(records)
    for message in records.messages:
        change = f"{message.before or 'no status'} → {message.after or 'no status'}"
        yield Moment(
            message.created_at,
            "Reconciler",
            f"Message to your code: {change}",
            f"outbox {message.id}",
        )
        if message.delivered_at is not None:
            yield Moment(message.delivered_at, "Your code", f"Message {message.id} delivered")


def _of_acceptances(records: PaymentRecords) -> Iterator[Moment]:
    """What reviewers accepted, and why it was not done. What was done is an entry of the ledger."""
    for one in records.acceptances:
        number = f"request {one.id}"
        yield Moment(one.asked_at, one.asked_by, f"Accepts Stripe's side: {one.note}", number)
        if one.state == "refused":
            yield Moment(one.changed_at, "Reconciler", f"Refused: {one.answer}", number)
        elif one.state == "expired":
            why = (
                one.answer
                or "the service had not begun to write. Accept Stripe's side again when the service runs"
            )
            yield Moment(one.expires_at, "Reconciler", f"Not done in time: {why}", number)


def _of_evidence(records: PaymentRecords) -> Iterator[Moment]:
    """When the intent was made and canceled, and its attempts, as the findings saw them; each attempt once."""
    for one in records.discrepancies[:1]:
        created = _moment(one.evidence.get("created"))
        if created is not None:
            method = one.evidence.get("method")
            yield Moment(created, "Customer", "Payment began", str(method) if method else "")
        canceled = _moment(one.evidence.get("canceled_at"))
        if canceled is not None:
            yield Moment(canceled, "Stripe", "Payment canceled")
    charges = (one.evidence.get("charge") for one in records.discrepancies)
    attempts = {str(one.get("id")): one for one in charges if isinstance(one, Mapping)}
    for number, charge in attempts.items():
        at, failure = _moment(charge.get("created")), charge.get("failure_code")
        if at is None or (failure and _has_event(records, at)):
            continue
        detail = f"declined: {failure}" if failure else number
        yield Moment(
            at, "Customer", f"Attempt {words(str(charge.get('status') or '')).lower()}", detail
        )


def _has_event(records: PaymentRecords, at: datetime) -> bool:
    """Whether the story has the failed attempt of this time already, from its event."""
    return any(
        event.type == _FAILED and abs(event.created - at) <= _SAME_ATTEMPT
        for event in records.events
    )


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
