"""What a reviewer decides: a note, an owner, the end of a discrepancy or its opening again; for one or for many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from urllib.parse import urlsplit

from reconciler.adapters.postgres.web.discrepancy_search import DiscrepancySearch, Order
from reconciler.domain.audit.ledger_entry import AskedBy
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.money import Money
from reconciler.engine.actions.assign import assign
from reconciler.engine.actions.note import add_note, checked_text
from reconciler.engine.actions.reopen import reopen
from reconciler.engine.actions.resolve import resolve
from reconciler.entrypoints.web.call import View, WrongAddressError
from reconciler.entrypoints.web.identity import Reader
from reconciler.entrypoints.web.pages.discrepancies import columns
from reconciler.entrypoints.web.tables import Table
from reconciler.errors import UsageError
from reconciler.wiring.web_records import WebRecords

MOST_AT_ONCE: Final = 500
_PAGES_BEHIND: Final = {"/discrepancies", "/payment"}
"""The pages to which a person returns after a decision."""


class Decision(StrEnum):
    """What a reviewer can do."""

    NOTE = "note"
    ASSIGN = "assign"
    RESOLVE = "resolve"
    IGNORE = "ignore"
    REOPEN = "reopen"
    ACCEPT = "accept"
    """Write Stripe's outcome to the row: stored as a request, because the pages may write no row."""

    @property
    def text(self) -> str:
        """What it does, for the preview."""
        return _TEXTS[self]


_TEXTS: Final = {
    Decision.NOTE: "Add a note",
    Decision.ASSIGN: "Assign",
    Decision.RESOLVE: "Resolve: it was dealt with",
    Decision.IGNORE: "Ignore: it does not matter",
    Decision.REOPEN: "Open again",
    Decision.ACCEPT: "Accept Stripe's side: write its outcome to the row",
}
DONE: Final = {
    "note": "The note is stored.",
    "assign": "The owner is stored.",
    "resolve": "Resolved. The discrepancy opens again if a side changes.",
    "ignore": "Ignored. The discrepancy opens again if a side changes.",
    "reopen": "Open again.",
    "accept": "Your acceptance is stored. The service will write the row soon. This page then shows the result.",
    "prepare": "Prepared. Another person has to sign the period.",
    "sign": "Signed. The ledger keeps the figures and the name of the signer.",
}
"""What a page says after a decision."""


class NotAllowedError(UsageError):
    """A viewer wants to decide, or a POST does not come from these pages."""


class OldPageError(NotAllowedError):
    """The token of a page is not right. ``written`` is what the person wrote in its form."""

    def __init__(self, written: str) -> None:
        super().__init__(
            "This page is too old, or another person opened it. Nothing was stored.",
            "Go back, load the page again, and repeat the step.",
        )
        self.written = written


class ChangedSinceShownError(UsageError):
    """What a reviewer decides about is not any more as the page showed it."""


@dataclass(frozen=True, slots=True)
class Given:
    """What was sent: the decision, the numbers, the texts, and the page to return to.

    The last three are of an acceptance: the discrepancy as the page showed it, the row that is meant, and whether another
    amount is accepted.
    """

    decision: Decision
    ids: tuple[int, ...]
    note: str
    owner: str
    back: str
    is_confirmed: bool
    fingerprint: str = ""
    row: str | None = None
    amount_differs: bool = False
    is_to_reader: bool = False
    """Whether the reviewer who sends it becomes the owner."""


def read_given(values: Mapping[str, Sequence[str]]) -> Given:
    """What was sent. Raises WrongAddressError if it is incomplete or wrong."""

    def one(name: str) -> str:
        found = values.get(name, ())
        return found[0].strip() if found else ""

    try:
        decision = Decision(one("decision"))
    except ValueError:
        raise WrongAddressError(
            "No decision was sent.", 'Choose one in "With the chosen ones".'
        ) from None
    ids = []
    for text in values.get("id", ()):
        if not text.isascii() or not text.isdecimal() or len(text) > 18:
            raise WrongAddressError(
                "One of the chosen numbers is not the number of a discrepancy.",
                "Go back, and choose in the list again.",
            )
        ids.append(int(text))
    if not ids:
        raise WrongAddressError(
            "No discrepancy was chosen.", "Go back, and choose at least one in the list."
        )
    if decision is Decision.ACCEPT and (len(ids) != 1 or one("confirmed") != "yes"):
        raise WrongAddressError(
            "You can accept Stripe's side only for one discrepancy at a time.",
            "Accept Stripe's side on the page of the payment.",
        )
    if len(ids) > MOST_AT_ONCE:
        raise WrongAddressError(
            f"More than {MOST_AT_ONCE} discrepancies were chosen.", "Choose fewer."
        )
    return Given(
        decision,
        tuple(dict.fromkeys(ids)),
        one("note"),
        one("owner"),
        safe_back(one("back")),
        is_confirmed=one("confirmed") == "yes",
        fingerprint=one("fingerprint"),
        row=one("row") or None,
        amount_differs=one("amount_differs") == "yes",
        is_to_reader=one("to_me") == "yes",
    )


def safe_back(address: str) -> str:
    """The page to return to; the list if the address is not one of these pages."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc or parts.path not in _PAGES_BEHIND or "\\" in address:
        return "/discrepancies"
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def preview(records: WebRecords, given: Given) -> View:
    """What the decision would be about, for a person to confirm."""
    found = chosen_discrepancies(records, given.ids)
    totals: dict[str, int] = {}
    for one in found:
        totals[one.stake.currency] = totals.get(one.stake.currency, 0) + one.stake.amount
    table = Table("chosen", "Chosen discrepancies", columns(several_accounts=False), found)
    values = {
        "given": given,
        "count": len(found),
        "totals": [Money(amount, currency) for currency, amount in sorted(totals.items())],
        "needs_note": given.decision in {Decision.NOTE, Decision.RESOLVE, Decision.IGNORE},
        "needs_owner": given.decision is Decision.ASSIGN,
    }
    return View("preview.html", given.decision.text, values, (table,))


def chosen_discrepancies(records: WebRecords, ids: tuple[int, ...]) -> tuple[Discrepancy, ...]:
    """The discrepancies with these numbers. Raises WrongAddressError if one does not exist."""
    wanted = DiscrepancySearch(ids=ids, order=Order.OLDEST)
    found = records.discrepancies(wanted, None, len(ids))
    if len(found) != len(ids):
        raise WrongAddressError(
            "One of the chosen discrepancies does not exist. Nothing was stored.",
            "Go back, and choose in the list again.",
        )
    return found


def decide(records: WebRecords, given: Given, reader: Reader) -> None:
    """Store the decision. A note is stored for one discrepancy after another, any other decision for all or none.

    Raises UsageError if a text is missing or wrong, or a discrepancy is in another state.
    """
    by = AskedBy(reader.actor)
    store = records.review
    match given.decision:
        case Decision.NOTE:
            # before the first note is stored, so that it is not stored twice when a person sends it again
            chosen_discrepancies(records, given.ids)
            for number in given.ids:
                add_note(store, number, given.note, by)
        case Decision.ASSIGN:
            owner = reader.name if given.is_to_reader else given.owner
            assign(store, given.ids, owner or None, by)
        case Decision.RESOLVE:
            resolve(store, given.ids, given.note, by)
        case Decision.IGNORE:
            resolve(store, given.ids, given.note, by, ignore=True)
        case Decision.REOPEN:
            reopen(store, given.ids, by)
        case Decision.ACCEPT:
            _ask_acceptance(records, given, reader)


def _ask_acceptance(records: WebRecords, given: Given, reader: Reader) -> None:
    """Store the request. Raises WrongAddressError if it cannot be carried out, or is not about what the page showed."""
    note = checked_text(given.note, "the note")
    (found,) = chosen_discrepancies(records, given.ids)
    if found.payment_intent is None or not found.keys:
        raise WrongAddressError(
            f"Discrepancy {found.id} does not name both a row and a PaymentIntent, so Stripe's side cannot be accepted.",
            "Correct the row by hand, and resolve the discrepancy with a note.",
        )
    if given.row is not None and given.row not in found.keys:
        raise WrongAddressError(
            f'"Row" does not name a row of discrepancy {found.id}.',
            f"The rows of the discrepancy are: {', '.join(found.keys)}.",
        )
    if given.row is None and len(found.keys) > 1:
        raise WrongAddressError(
            f"Discrepancy {found.id} names {len(found.keys)} rows.",
            f'Choose one in "Row": {", ".join(found.keys)}.',
        )
    is_stored = found.fingerprint == given.fingerprint and records.ask_acceptance(
        found, given.row, note, reader.actor, amount_differs=given.amount_differs
    )
    if not is_stored:
        raise ChangedSinceShownError(
            f"Discrepancy {found.id} has changed since this page was shown, or another person has accepted it already."
            " Nothing was stored.",
            "Load the page again, and decide by what the page says now.",
        )
