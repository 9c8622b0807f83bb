"""Figures about how payments reach the merchant's table: by webhook, by a sweep, or by a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reconciler.adapters.postgres.web.overview_figures import Activity, Delays, OverviewFigures
from reconciler.domain.audit.ledger_entry import Action
from reconciler.domain.findings.discrepancy import State
from reconciler.engine.health.status import duration_text


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its name, and what it means."""

    name: str
    value: str
    meaning: str


def learning_figures(figures: OverviewFigures) -> list[Figure]:
    """How payments reached the merchant's table, and who put right what."""
    corrected = _count(figures.activity, Action.CORRECTION)
    by_service = sum(
        one.count for one in figures.activity if one.action == "correction" and one.by_service
    )
    healed = _count(figures.activity, Action.FINDING_CHANGED, State.CLOSED)
    settled = _count(figures.activity, Action.RESOLUTION)
    reopened = _count(figures.activity, Action.REOPENING)
    reverted = _count(figures.activity, Action.REVERT)
    return [
        _agreement(figures),
        Figure(
            "Found only by Reconciler",
            _share(corrected, figures.settled),
            "Of the payments that reached an outcome at Stripe, the share whose webhook never arrived.",
        ),
        _delay(figures.delays),
        Figure("Corrected by the service", f"{by_service:,}", "No person had to do anything."),
        Figure(
            "Corrected by a person's sweep",
            f"{corrected - by_service:,}",
            "A person ran a sweep with --apply.",
        ),
        Figure(
            "Closed without an action",
            f"{healed:,}",
            "A later sweep found that both sides agree, or that another kind fits better.",
        ),
        Figure("Settled by a person", f"{settled:,}", "Resolved or ignored, with a note."),
        Figure("Opened again", f"{reopened:,}", "A person opened a settled discrepancy again."),
        Figure(
            "Taken back", f"{reverted:,}", "A person undid a correction with reconciler revert."
        ),
    ]


def _agreement(figures: OverviewFigures) -> Figure:
    name, meaning = (
        "Agreement",
        "Of the payments that the last complete window sweep examined, the share without an open discrepancy now.",
    )
    window = figures.window
    if window is None or not window.examined:
        return Figure(name, "not known", "No sweep of kind window has been complete yet.")
    agreeing = max(0, window.examined - window.with_discrepancy)
    return Figure(name, _share(agreeing, window.examined), meaning)


def _delay(delays: Delays) -> Figure:
    name = "Time from Stripe to your row"
    if delays.median is None or delays.slow is None:
        return Figure(name, "not known", "No event of a corrected payment is known.")
    value = f"{duration_text(delays.median)}; 95 % within {duration_text(delays.slow)}"
    return Figure(
        name,
        value,
        f"The median time from Stripe's last event to the correction of the row, over {delays.count:,} corrections.",
    )


def _share(part: int, whole: int) -> str:
    if not whole:
        return "not known"
    return f"{100 * part / whole:.1f} % ({part:,} of {whole:,})"


def _count(activity: Sequence[Activity], action: Action, state: State | None = None) -> int:
    return sum(
        one.count
        for one in activity
        if one.action == action.value and (state is None or one.state == state.value)
    )
