"""The types of a metadata filter: its keys, and the values that they must have."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from reconciler.settings.invalid_value import InvalidValueError


def _key(value: str) -> str:
    if not value:
        raise InvalidValueError("the text may not be empty.")
    return value


def _value(value: str) -> str:
    # Stripe keeps no empty value, and a person who writes a star means any value
    if value in ("", "*"):
        raise InvalidValueError(
            "no PaymentIntent can have this value, because values are compared letter by letter.",
            "If the key alone counts, name it in payments.metadata_keys.",
        )
    return value


MetadataKey = Annotated[str, AfterValidator(_key)]
MetadataValue = Annotated[str, AfterValidator(_value)]
