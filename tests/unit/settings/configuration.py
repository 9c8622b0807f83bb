"""A valid configuration, and helpers that load variants of it."""

from __future__ import annotations

from pathlib import Path

from reconciler.errors import ConfigurationError
from reconciler.settings import Settings, load

REPOSITORY = Path(__file__).parents[3]
EXAMPLE = REPOSITORY / "config" / "reconciler.toml"
ENVIRON = {"STRIPE_API_KEY": "rk_live_4eC39HqLyjWDarjt", "DATABASE_URL": "postgresql:///shop"}

VALID = """
[payments]
table = "public.payments"
key = "id"
payment_intent = "intent"
status = "status"
amount = "amount"
currency = "currency"
created = "created_at"
[payments.read]
pending = "incomplete"
paid = "succeeded"
[payments.write]
succeeded = "paid"
"""


def written(folder: Path, text: str = VALID) -> Path:
    """A configuration file with this text."""
    path = folder / "reconciler.toml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, text: str = VALID, **environ: str) -> Settings:
    """The settings of a text, with a key and a database in the environment."""
    return load(written(folder, text), {**ENVIRON, **environ})


def faults(folder: Path, text: str, **environ: str) -> tuple[str, ...]:
    """Every fault of a text, its hint included. Fails if there is none."""
    try:
        loaded(folder, text, **environ)
    except ConfigurationError as error:
        return tuple(str(fault) for fault in error.faults)
    raise AssertionError("the configuration was accepted")
