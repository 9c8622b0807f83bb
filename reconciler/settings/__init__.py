"""The configuration: a TOML file, the environment that wins over it, and every fault of both."""

from __future__ import annotations

from reconciler.settings.durations import parse_duration
from reconciler.settings.environment import JOURNAL_VARIABLE, current_environment
from reconciler.settings.keys import KeyFacts, KeyKind, key_facts, key_path
from reconciler.settings.loading import Account, Settings, find_file, load
from reconciler.settings.sections import (
    BudgetSection,
    Configuration,
    CorrectionsSection,
    DatabaseSection,
    DeliverySection,
    PaymentsSection,
    ServiceSection,
    StripeSection,
    SweepSection,
    WebSection,
)
from reconciler.settings.values import is_loopback

__all__ = [
    "JOURNAL_VARIABLE",
    "Account",
    "BudgetSection",
    "Configuration",
    "CorrectionsSection",
    "DatabaseSection",
    "DeliverySection",
    "KeyFacts",
    "KeyKind",
    "PaymentsSection",
    "ServiceSection",
    "Settings",
    "StripeSection",
    "SweepSection",
    "WebSection",
    "current_environment",
    "find_file",
    "is_loopback",
    "key_facts",
    "key_path",
    "load",
    "parse_duration",
]
