"""The section ``[review]``: until when findings are due, who reviews, and when a period may be signed."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

from reconciler.domain.findings.discrepancy import Severity
from reconciler.domain.money import Money
from reconciler.domain.review.due_date import DueRules
from reconciler.settings.base_section import Section
from reconciler.settings.durations import PositiveDuration
from reconciler.settings.invalid_value import InvalidValueError, suggestion
from reconciler.settings.values import Count, Currency

IDENTITY_PREFIXES: Final = ("os:", "web:")
"""How a person is known: a user of the operating system, or of the web pages."""
_IDENTITY: Final = re.compile(r"(?:os|web):\S(?:.{0,198}\S)?")


def _severity(value: object) -> object:
    if value not in tuple(Severity):
        raise InvalidValueError(
            "this is not a severity.",
            suggestion(str(value), tuple(item.value for item in Severity)),
        )
    return value


def _identity(value: str) -> str:
    if not _IDENTITY.fullmatch(value) or not value.isprintable():
        raise InvalidValueError(
            "this is not a person's user name.",
            'Write "os:NAME" for a user of this machine, or "web:NAME" for one of the web pages.',
        )
    return value


def _person(value: str) -> str:
    if not value.strip() or not value.isprintable() or len(value) > 200:
        raise InvalidValueError(
            "this is not a person's name: it is empty, too long or not printable."
        )
    return value


SeverityName = Annotated[Severity, BeforeValidator(_severity)]
Identity = Annotated[str, AfterValidator(_identity)]
PersonName = Annotated[str, AfterValidator(_person)]
Amount = Annotated[Count, Field(ge=0, le=2**63 - 1)]


class DueAboveSection(Section):
    """How soon a finding of much money is due."""

    currency: Currency = Field(description="The currency that the rule is about.")
    amount: Amount = Field(
        description="The least money at stake, in minor units, such as 100000 for 1,000.00 EUR."
    )
    within: PositiveDuration = Field(
        description=(
            "How long after its opening a person has to have settled a finding with so much money."
        )
    )


class ReviewSection(Section):
    """The review of findings by people, and the closing of a period."""

    due: dict[SeverityName, PositiveDuration] = Field(
        default={Severity.CRITICAL: timedelta(days=1), Severity.WARNING: timedelta(days=7)},
        description=(
            "By severity: how long after its opening a person has to have settled a finding. A "
            "severity without a time has no due date."
        ),
    )
    due_above: tuple[DueAboveSection, ...] = Field(
        default=(),
        description=(
            "Shorter times for findings with much money: tables of currency, amount and within. If "
            "several apply to a finding, the shortest time counts."
        ),
    )
    four_eyes_above: dict[Currency, Amount] = Field(
        default={},
        description=(
            "By currency, in minor units: if a period has more money than this, the person who prepared the period "
            "may not sign it. A currency that is not listed has 0."
        ),
    )
    materiality: dict[Currency, Amount] = Field(
        default={},
        description=(
            "By currency, in minor units: if more money than this is unexplained, the period cannot be signed. A "
            "currency that is not listed has 0."
        ),
    )
    people: dict[PersonName, tuple[Identity, ...]] = Field(
        default={},
        description='Who may prepare and sign, and under which user names: ana = ["os:ana", "web:ana@example.com"] is one person.',
    )

    @property
    def due_rules(self) -> DueRules:
        """The rules of due dates."""
        return DueRules(
            dict(self.due),
            tuple((Money(rule.amount, rule.currency), rule.within) for rule in self.due_above),
        )
