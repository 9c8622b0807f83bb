"""Whether the column of creation has the time at which Stripe made the PaymentIntent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from statistics import median
from typing import Final

from reconciler.domain.model.payment import Payment, SqlText, TableMapping
from reconciler.domain.sample.agreement import FEW, Agreement, Pair
from reconciler.domain.sample.mapping_doubts import HALF, Doubt
from reconciler.domain.sample.sampled_table import reference

FAR: Final = timedelta(hours=1)
_QUARTER: Final = 900
"""Time zones differ by whole quarters of an hour."""
_MOST_ZONE: Final = 14 * 3600
_SPREAD: Final = 300


def created_doubts(
    payments: Sequence[Payment], pairs: Sequence[Pair], mapping: TableMapping
) -> Iterator[Doubt]:
    """Rows without a time, and a time that is far from Stripe's."""
    empty = Agreement(len(payments), sum(payment.created is None for payment in payments))
    if empty.agreeing:
        yield Doubt(
            False,
            f"{empty} sampled rows have no usable time in created: a sweep over a range of time does not examine "
            "these rows",
            "Map the column that is set when a row is made.",
        )
    offsets = [
        (pair.payment.created - pair.intent.created).total_seconds()
        for pair in pairs
        if pair.payment.created is not None
    ]
    far = [offset for offset in offsets if abs(offset) > FAR.total_seconds()]
    if len(offsets) < FEW or len(far) < HALF * len(offsets):
        return
    part = Agreement(len(offsets), len(far))
    what = (
        f"created differs from Stripe's time by more than an hour in {part} compared rows "
        f"(median: {timedelta(seconds=median(far))}): a sweep over a range of time examines the "
        "wrong range"
    )
    yield Doubt(False, what, _hint(far, pairs, mapping))


def _hint(far: Sequence[float], pairs: Sequence[Pair], mapping: TableMapping) -> str:
    unit = mapping.created_unit
    if unit is not None:
        # the wrong unit makes a time of 1970, or of a year that no row has
        times = [pair.payment.created for pair in pairs if pair.payment.created is not None]
        other = "s" if unit == "ms" else "ms"
        if all(moment.year == 1970 for moment in times) or any(
            moment.year > 3000 for moment in times
        ):
            return f'Set created_unit = "{other}".'
    middle = median(far)
    zone = round(middle / _QUARTER) * _QUARTER
    is_zone = abs(zone) <= _MOST_ZONE and all(abs(offset - zone) <= _SPREAD for offset in far)
    if is_zone and zone and unit is None and not isinstance(mapping.created, SqlText):
        sign = "-" if zone > 0 else "+"
        text = f"{reference(mapping.created)} {sign} interval '{abs(zone) // 60} minutes'"
        return f'If the column keeps local time, write it in UTC: created = {{ sql = "{_in_toml(text)}" }}'
    return "Map the column that is set when the PaymentIntent is made."


def _in_toml(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
