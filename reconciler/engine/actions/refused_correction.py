"""What an explanation says of a correction that the merchant's table has refused: a person has to act before a sweep."""

from __future__ import annotations

from dataclasses import replace

from reconciler.domain.findings.discrepancy import Reason, State
from reconciler.domain.findings.listed_discrepancy import Discrepancy
from reconciler.domain.rules.decision import Correct, Flag
from reconciler.domain.rules.next_step import NextStep
from reconciler.engine.actions.explain import Explanation
from reconciler.engine.actions.find_payment import LocalSide
from reconciler.engine.page.page_changes import REFUSED_AGAIN


def refused_correction(found: Explanation, local: LocalSide) -> Discrepancy | None:
    """The open discrepancy that says that the table refused what a sweep would write; None if the values are new."""
    if not isinstance(found.decision, Correct):
        return None
    now = {(one.kind, one.fingerprint) for one in found.decision.findings}
    for one in local.discrepancies:
        is_refused = one.reason in {Reason.REFUSED_BY_TABLE, Reason.NOT_KEPT_BY_TABLE}
        if one.state is State.OPEN and is_refused and (one.kind, one.fingerprint) in now:
            return one
    return None


def with_refusal(found: Explanation, one: Discrepancy, named_account: str | None) -> Explanation:
    """The explanation with the refusal instead of the promise of a correction. The order is not paid in the table yet."""
    others = (
        tuple(item for item in found.decision.findings if item.kind is not one.kind)
        if isinstance(found.decision, Correct)
        else ()
    )
    again = one.last_seen + REFUSED_AGAIN
    tried = (
        f"tries again after {again:%Y-%m-%d %H:%M:%S} UTC" if again > found.now else "tries again"
    )
    account = "" if named_account is None else f" --account {named_account}"
    return replace(
        found,
        decision=Flag((one.finding, *others)),
        standing=one,
        rule=f"{found.rule} But {_refusal_text(one)}",
        next_step=NextStep(
            "The owner of the table has to act: change the row, or the rule that refuses the "
            "write. Until a sweep has written the correction, your application does not know of "
            f"the payment. A sweep of all payments {tried}; this command tries at once.",
            f"reconciler sweep --apply --payment-intent {found.match.intent.id}{account}",
        ),
    )


def _refusal_text(one: Discrepancy) -> str:
    message = one.evidence.get("message")
    quoted = str(message).rstrip(".")
    said = f': "{quoted}"' if message else ""
    return f"{refusal_rule(one)}{said}. Discrepancy {one.id} is open."


def refusal_rule(one: Discrepancy) -> str:
    """Which rule of the table refused the write of this discrepancy, and when. The table's message may quote a row."""
    rule = one.evidence.get("constraint")
    by = f" ({rule})" if rule else ""
    verb = "did not keep" if one.reason == Reason.NOT_KEPT_BY_TABLE else "refused"
    return f"the table {verb} this write{by} at {one.last_seen:%Y-%m-%d %H:%M:%S} UTC"
