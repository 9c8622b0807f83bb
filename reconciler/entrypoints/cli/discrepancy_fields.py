"""The fields of a discrepancy: in JSON and CSV, in an export, and as columns of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from reconciler.adapters.postgres.discrepancies.stored_discrepancy import StoredDiscrepancy
from reconciler.domain.findings.discrepancy import State
from reconciler.domain.findings.listed_discrepancy import Discrepancy, Side
from reconciler.domain.money import Money
from reconciler.domain.rules.next_step import Subject, dashboard_url, step_for
from reconciler.entrypoints.cli.output import OutputColumn, moment_text, money_text
from reconciler.errors import UsageError
from reconciler.settings import Settings

NAMES: Final = (
    "id",
    "account",
    "kind",
    "severity",
    "state",
    "payment_intent",
    "payment",
    "amount",
    "currency",
    "reason",
    "cause",
    "closing",
    "closed_at",
    "note",
    "resolved_by",
    "first_seen",
    "last_seen",
    "fingerprint",
    "local",
    "stripe",
    "evidence",
    "order",
    "payment_created",
    "local_status",
    "local_amount",
    "local_currency",
    "stripe_status",
    "stripe_amount",
    "stripe_currency",
    "opened_at",
    "changed_at",
    "owner",
    "seen_at",
    "corrected_at",
    "corrected_by",
    "corrected_in_sweep",
)
"""The stored fields of a discrepancy, in JSON, CSV and an export. ``amount`` is in minor units. ``payment`` is the row's
key, or the keys of several rows with a space between them."""
LIST_NAMES: Final = (*NAMES, "age_days", "due_at", "overdue", "dashboard_url")
"""The fields of a list: also those that depend on the time and the configuration."""

_ONE_DAY: Final = timedelta(days=1)


def as_json(found: Discrepancy | StoredDiscrepancy) -> dict[str, object]:
    """The documented, stable shape of a stored discrepancy."""
    return dict(zip(NAMES, values_of(found), strict=True))


def values_of(found: Discrepancy | StoredDiscrepancy) -> tuple[object, ...]:
    """The values of the documented shape of a stored discrepancy, in the order of ``NAMES``."""
    local, stripe, corrected = found.local_side, found.stripe_side, found.corrected
    stake = found.stake
    return (
        found.id,
        found.account,
        str(found.kind),
        str(found.severity),
        str(found.state),
        found.payment_intent,
        " ".join(found.keys) or None,
        stake.amount,
        stake.currency,
        found.reason,
        found.cause,
        found.ending,
        found.ended_at,
        found.note,
        found.resolved_by,
        found.first_seen,
        found.last_seen,
        found.fingerprint,
        found.local,
        found.stripe,
        found.evidence,
        found.order,
        found.payment_created,
        local.status,
        local.amount,
        local.currency,
        stripe.status,
        stripe.amount,
        stripe.currency,
        found.opened_at,
        found.changed_at,
        found.owner,
        found.seen_at,
        None if corrected is None else corrected.at,
        None if corrected is None else corrected.by,
        None if corrected is None else corrected.sweep,
    )


@dataclass(frozen=True, slots=True)
class ListFields:
    """The fields and columns of a list that is made now, with these settings."""

    settings: Settings
    now: datetime

    def as_json(self, found: Discrepancy) -> dict[str, object]:
        """The documented, stable shape of a discrepancy in a list, without what to do next."""
        age = found.age(self.now)
        return {
            **as_json(found),
            "age_days": None if age is None else age // _ONE_DAY,
            "due_at": found.due_at,
            "overdue": found.is_overdue(self.now),
            "dashboard_url": self._url(found),
        }

    def next_step(self, found: Discrepancy) -> Mapping[str, object] | None:
        """What settles an open discrepancy: the words, and the command."""
        if found.state is not State.OPEN:
            return None
        named = found.account if len(self.settings.accounts) > 1 else None
        step = step_for(found.kind, found.reason, Subject(found.payment_intent, found.id, named))
        return None if step is None else {"text": step.text, "command": step.command}

    def _url(self, found: Discrepancy) -> str | None:
        """The payment's page in Stripe's dashboard."""
        accounts = {account.name: account for account in self.settings.accounts}
        account = accounts.get(found.account)
        livemode = found.evidence.get("livemode")
        return dashboard_url(
            found.payment_intent,
            livemode if isinstance(livemode, bool) else None,
            None if account is None else account.stripe_account,
        )

    def columns(self) -> dict[str, OutputColumn[Discrepancy]]:
        """Every column of a table by its name, those of ``USUAL_COLUMNS`` among them."""

        def column(
            name: str,
            text: Callable[[Discrepancy], str],
            *,
            right: bool = False,
            title: str | None = None,
        ) -> tuple[str, OutputColumn[Discrepancy]]:
            return name, OutputColumn(title or name.replace("_", " "), text, right)

        return dict(
            (
                column("id", lambda found: str(found.id), right=True),
                column("account", lambda found: found.account),
                column("state", lambda found: found.state.value),
                column("severity", lambda found: found.severity.value),
                column("kind", lambda found: found.kind.value),
                column("order", lambda found: found.order or ""),
                column("payment_intent", lambda found: found.payment_intent or ""),
                column("payment", lambda found: " ".join(found.keys)),
                column("at_stake", lambda found: money_text(found.stake), right=True),
                column("here", lambda found: _side_text(found.local_side), right=True),
                column("at_stripe", lambda found: _side_text(found.stripe_side), right=True),
                column("reason", lambda found: found.reason or found.closing or ""),
                column("cause", lambda found: found.cause or ""),
                # a payment that was declined has this time too, and was never paid
                column(
                    "paid",
                    lambda found: moment_text(found.payment_created),
                    title="payment created",
                ),
                column("age", self._age_text, right=True),
                column("due", self._due_text),
                column("owner", lambda found: found.owner or ""),
                column("settled_by", _settled_by),
                column("first_seen", lambda found: moment_text(found.first_seen)),
                column("last_seen", lambda found: moment_text(found.last_seen)),
                column("seen", lambda found: moment_text(found.seen_at)),
                column("note", lambda found: found.note or ""),
                column("link", lambda found: self._url(found) or ""),
            )
        )

    def _age_text(self, found: Discrepancy) -> str:
        age = found.age(self.now)
        return "" if age is None else f"{age // _ONE_DAY}d"

    def _due_text(self, found: Discrepancy) -> str:
        due = moment_text(found.due_at)
        return f"{due} overdue" if found.is_overdue(self.now) else due


USUAL_COLUMNS: Final = (
    "id",
    "account",
    "state",
    "severity",
    "kind",
    "order",
    "payment_intent",
    "payment",
    "at_stake",
    "here",
    "at_stripe",
    "reason",
    "cause",
    "paid",
    "age",
    "due",
    "owner",
    "settled_by",
    "last_seen",
    "link",
)
"""The columns of a table, unless a person chooses others."""


def _side_text(side: Side) -> str:
    """A side's status and its money, such as ``paid 12.50 EUR``."""
    money = ""
    if side.amount is not None and side.currency is not None:
        money = money_text(Money(side.amount, side.currency))
    return f"{side.status or ''} {money}".strip()


def _settled_by(found: Discrepancy) -> str:
    """Who corrected or settled it, and when."""
    if found.corrected is not None:
        sweep = f" (sweep {found.corrected.sweep})" if found.corrected.sweep is not None else ""
        return f"{found.corrected.by} {moment_text(found.corrected.at)}{sweep}"
    if found.resolved_by is not None:
        return f"{found.resolved_by} {moment_text(found.changed_at)}"
    return ""


def chosen_names(text: str | None, known: Sequence[str]) -> tuple[str, ...] | None:
    """The names of --columns, None if it is not given. Raises UsageError for an unknown one."""
    if text is None:
        return None
    names = tuple(dict.fromkeys(name.strip().lower() for name in text.split(",") if name.strip()))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise UsageError(
            f'--columns: "{unknown[0]}" is no column.' if unknown else "--columns is empty.",
            f"The columns are: {', '.join(known)}.",
        )
    return names
