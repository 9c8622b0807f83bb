"""Fills the templates. Every text that is not a template's own is masked, made visible and escaped."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reconciler.domain.money import Money
from reconciler.entrypoints.shown_text import cell_text, moment_text, money_text
from reconciler.entrypoints.web.tables import address

_STRIPE: Final = re.compile(r"\bstripe\b")
TEMPLATES: Final = Path(__file__).with_name("templates")


@cache
def environment() -> Environment:
    """The environment of the templates. A process has one, because it compiles each template that it shows."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    made.globals["money"] = Money
    made.filters["words"] = words
    made.filters["moment"] = moment_text
    made.filters["string_of"] = money_text
    made.globals["address"] = address
    return made


def words(name: str) -> str:
    """A name of the program as words: missed_outcome is "Missed outcome", and Stripe is a name."""
    text = _STRIPE.sub("Stripe", name.replace("_", " "))
    return text[:1].upper() + text[1:]


def inner_words(name: str) -> str:
    """A name of the program as words inside a sentence: missing_at_stripe is "missing at Stripe"."""
    text = words(name)
    return text if text.startswith("Stripe") else text[:1].lower() + text[1:]


def _shown(value: Any) -> Any:
    """What an expression of a template becomes. Only Markup, which the program itself made, stays as it is."""
    match value:
        case Markup():
            return value
        case None:
            return ""
        case Money():
            return money_text(value)
        case datetime():
            return moment_text(value)
        case str():
            return cell_text(value, keep="\n")
        case _:
            return value
