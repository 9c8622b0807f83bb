"""What an account may spend at Stripe, from the configuration and Stripe's documented limits."""

from __future__ import annotations

from datetime import timedelta

from reconciler.clock import Clock
from reconciler.domain.model.time_range import TimeRange
from reconciler.domain.read_limits_and_shortage import QUOTA_DAYS, RateLimits
from reconciler.engine.limits.read_quota import FEWEST_READS, ReadQuota, documented_reads
from reconciler.engine.ports import Store
from reconciler.settings import Account, Settings, key_facts


def limits_of(settings: Settings, account: Account) -> RateLimits:
    """Stripe's documented rate limits for the key's mode, or those that the configuration sets instead."""
    # a key that does not tell its mode has that of its account
    livemode = key_facts(account.api_key.get_secret_value()).livemode
    if livemode is None:
        livemode = account.livemode
    budget = settings.budget
    return RateLimits.of(
        livemode=bool(livemode),
        share=budget.share,
        global_per_second=budget.global_per_second,
        endpoint_per_second=budget.endpoint_per_second,
        search_per_second=budget.search_per_second,
    )


def new_quota(settings: Settings) -> ReadQuota:
    """The read quota of an account that is not open yet: the least that Stripe allows, with nothing spent."""
    allowed = settings.budget.reads_per_30_days or FEWEST_READS
    return ReadQuota(allowed, settings.budget.share, settings.service.tail)


def reads_allowed(settings: Settings, store: Store, clock: Clock) -> int:
    """The reads that Stripe allows in 30 days.

    If the configuration does not say, every row of the last 30 days counts as a transaction.
    """
    allowed = settings.budget.reads_per_30_days
    if allowed is not None:
        return allowed
    last_30_days = TimeRange(since=clock.now() - timedelta(days=QUOTA_DAYS))
    return documented_reads(store.count_between(last_30_days))
