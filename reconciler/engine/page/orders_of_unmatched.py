"""What else names the orders of unpaid intents without a row, for a sweep of named intents: it lists nothing itself."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.domain.model.intent import Intent
from reconciler.domain.model.match import Match, Rules
from reconciler.domain.model.page import Loaded
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.outcome import PAID_OR_HELD
from reconciler.domain.rules.matching import match_by_order, named_order
from reconciler.engine.ports import Store
from reconciler.engine.reads.order_intents import OrderIntents
from reconciler.engine.report import SweepReport
from reconciler.errors import StripeUnavailableError


class OrdersOfUnmatched:
    """Finds out whether an unpaid intent is the last one of its order, so that it is the row's."""

    def __init__(self, store: Store, report: SweepReport, order_intents: OrderIntents) -> None:
        self._store = store
        self._report = report
        self._order_intents = order_intents

    def match(
        self,
        account: str,
        intents: Sequence[Intent],
        loaded: Loaded,
        rules: Rules,
        listed: TimeRange | None,
    ) -> tuple[Match, ...]:
        """One match for each of these intents, as ``match_by_order`` makes it.

        An order that cannot be found out is reported as not examined, and its unpaid intents get no row.
        """
        whole, others = self._found_out(intents, loaded, rules)
        matches = match_by_order(account, [*intents, *others], loaded, rules, listed, whole)
        own = {intent.id for intent in intents}
        return tuple(match for match in matches if match.intent.id in own)

    def _found_out(
        self, intents: Sequence[Intent], loaded: Loaded, rules: Rules
    ) -> tuple[frozenset[str], list[Intent]]:
        """The orders of which every intent is known, and those of their intents that were not examined.

        Only orders that a row waits for and that none of the intents has paid are found out.
        """
        waited_for = {row.order for row in loaded.claimable}
        names = {intent.id: named_order(intent, rules) for intent in intents}
        paid = {names[intent.id] for intent in intents if intent.outcome in PAID_OR_HELD}
        wanted = {
            order
            for order in names.values()
            if order is not None and order in waited_for and order not in paid
        }
        if not wanted:
            return frozenset(), []

        try:
            known = self._order_intents.of_orders((), wanted)
        except StripeUnavailableError as error:
            for order in sorted(wanted):
                self._report.miss(
                    f"order {order}", f"The PaymentIntents of the order could not be read: {error}"
                )
            return frozenset(), []
        whole = known.complete - known.unread.keys()
        for order in sorted(wanted - whole):
            why = known.unread.get(
                order, "Stripe's search does not show every PaymentIntent of the order."
            )
            self._report.miss(f"order {order}", why)

        # an intent that another row holds is that row's
        found = [one for order in sorted(whole) for one in known.by_order.get(order, ())]
        others = [one for one in found if one.id not in names]
        held = {row.payment_intent for row in self._store.holders([one.id for one in others])}
        return whole, [one for one in others if one.id not in held]
