"""``status`` as a Nagios plugin shows it: one line with performance data, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from reconciler.domain.findings.discrepancy import Severity
from reconciler.engine.health.remarks import Remark
from reconciler.engine.health.status import AccountStatus, Expectations, StatusLevel
from reconciler.masking import redact


def _performance(one: AccountStatus, expected: Expectations) -> Mapping[str, str]:
    """The figures that a monitor plots, as VALUE or VALUE;WARNING;CRITICAL. A limit is given as the critical threshold."""
    figures = {
        "held_back": f"{one.held_back}",
        "reads": f"{one.reads};;{expected.reads}",
        "critical": f"{one.open_count(Severity.CRITICAL)}",
        "warning": f"{one.open_count(Severity.WARNING)}",
        "open_payments": f"{sum(one.open_payments.values())}",
        "outbox_waiting": f"{one.outbox.waiting}",
        "outbox_oldest_seconds": f"{one.outbox.oldest_age or 0:.0f}s",
        "outbox_given_up": f"{one.outbox.given_up}",
    }
    if one.tail_lag is not None:
        figures["tail_lag"] = f"{one.tail_lag:.0f}s"
    for source in expected.every:
        age = one.age(source)
        if age is not None:
            figures[f"{source}_age"] = f"{age:.0f}s"
    if one.rate_usage is not None:
        figures["reads_a_second"] = (
            f"{one.rate_usage.overall.busiest};;{one.rate_usage.overall.limit:g}"
        )
    return figures


def write_nagios(
    name: str,
    statuses: Sequence[AccountStatus],
    remarks_of: Mapping[str, tuple[Remark, ...]],
    expected: Mapping[str, Expectations],
) -> int:
    """Write one line with performance data, and return the exit code of a Nagios plugin."""
    # the worst remark decides the exit code, and is shown first
    every = [(one, remark) for one in statuses for remark in remarks_of[one.account]]
    level = max((remark.level for _, remark in every), default=StatusLevel.OK)
    several = len(statuses) > 1
    texts = [
        (f"{one.account}: " if several else "") + remark.what
        for one, remark in sorted(every, key=lambda item: -item[1].level)
    ]
    data = " ".join(
        f"'{one.account}_{figure}'={value}"
        for one in statuses
        for figure, value in _performance(one, expected[one.account]).items()
    )
    # a vertical bar begins the performance data, so the text may have none
    text = redact("; ".join(texts) or "nothing needs a person").replace("|", "/")
    sys.stdout.write(f"{name} {level.name} - {text} | {data}\n")
    return int(level)
