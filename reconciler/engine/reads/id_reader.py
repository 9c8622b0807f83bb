"""Reads the intents of Checkout Sessions and charges: one read each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from reconciler.domain.model.looked_up_id import IdPair, pair_of_charge, pair_of_session
from reconciler.domain.model.stored_id import StoredIdKind, stored_id
from reconciler.engine.reads.fetcher import Fetcher
from reconciler.engine.report import SweepReport, Writing
from reconciler.engine.sweep_context import Actor, SweepContext
from reconciler.errors import StripeRefusedError, StripeRequestError, StripeUnavailableError

QUOTA_SHORT: Final = (
    "The part of the 30-day read quota that this source may use now is too small for it. Reads become available again"
    " day by day."
)


class IdReader:
    """Finds out which intents the ids of rows belong to, for one sweep. What was read before is not read again."""

    def __init__(
        self, context: SweepContext, actor: Actor, fetcher: Fetcher, report: SweepReport
    ) -> None:
        self._context = context
        self._stores = actor.writing is not Writing.NOTHING
        self._fetcher = fetcher
        self._report = report
        self._refused: dict[StoredIdKind, str] = {}

    def pairs(self, texts: Sequence[str]) -> Mapping[str, IdPair]:
        """The pairs of these ids. What could not be read is reported, and has its earlier pair or none."""
        known = dict(self._context.store.pairs(texts))
        now = self._context.stripe.now()
        wanted = [
            text for text in dict.fromkeys(texts) if text not in known or known[text].is_due(now)
        ]
        wanted = [text for text in wanted if not self._is_refused(text)]
        affordable = wanted[: self._context.source_quota.spendable]
        if len(affordable) < len(wanted):
            count = len(wanted) - len(affordable)
            self._report.miss(f"{count:,} Checkout Sessions or charges", QUOTA_SHORT, count)

        answers = self._fetcher.each(self._read, affordable)
        found = []
        for text, answer in zip(affordable, answers, strict=True):
            if not isinstance(answer, IdPair):
                self._report_error(text, answer)
                continue
            # a pair by metadata stays as long as the session names no other intent
            earlier = known[text].payment_intent if text in known else None
            found.append(replace(answer, payment_intent=answer.payment_intent or earlier))
        self._context.store.remember_pairs(found, store=self._stores)
        return {**known, **{pair.stored_id: pair for pair in found}}

    def _is_refused(self, text: str) -> bool:
        why = self._refused.get(stored_id(text).kind)
        if why is not None:
            self._report.miss(text, why)
        return why is not None

    def _report_error(self, text: str, error: Exception) -> None:
        if isinstance(error, StripeRefusedError):
            # the key may lack this one permission, and the other rows go on
            self._refused[stored_id(text).kind] = str(error)
        self._report.miss(text, str(error))

    def _read(self, text: str) -> IdPair | Exception:
        stripe = self._context.stripe
        try:
            if stored_id(text).kind is StoredIdKind.SESSION:
                return pair_of_session(text, stripe.session(text), stripe.now())
            return pair_of_charge(text, stripe.charge_intent(text), stripe.now())
        except (StripeUnavailableError, StripeRequestError, StripeRefusedError) as error:
            return error
