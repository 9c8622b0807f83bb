"""Which of several findings about a payment a person settles first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol, TypeVar

from reconciler.domain.findings.discrepancy import Kind, Severity

_SEVERITIES: Final = tuple(Severity)


class _HasKind(Protocol):
    @property
    def kind(self) -> Kind: ...
    @property
    def severity(self) -> Severity: ...


Found = TypeVar("Found", bound=_HasKind)


def rank(kind: Kind, severity: Severity) -> tuple[bool, int]:
    """The larger one is settled first: what a payment is about comes before what may stand beside it."""
    return not kind.is_side, _SEVERITIES.index(severity)


def first_to_settle(found: Iterable[Found]) -> tuple[Found, ...]:
    """The findings that may come first: the missing row of a second payment of an order never does.

    Its order has a row, and none is to be looked for: that the order was paid twice comes first.
    """
    every = tuple(found)
    if not any(one.kind is Kind.DUPLICATE_PAYMENT for one in every):
        return every
    return tuple(one for one in every if one.kind is not Kind.MISSING_LOCALLY)


def number_to_settle(kind: Kind, numbers: Mapping[Kind, int]) -> int | None:
    """The number that a person names to settle a finding of this kind; ``numbers`` are those of the open discrepancies."""
    own = numbers.get(kind)
    if own is None and kind is Kind.DUPLICATE_PAYMENT:
        # a person who has settled the double payment still has to settle the missing row of its second one
        return numbers.get(Kind.MISSING_LOCALLY)
    return own
