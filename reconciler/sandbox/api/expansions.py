"""The parameter ``expand``: which fields can be expanded, and how the expanded object is found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.sandbox.api.api_call import ApiCall
from reconciler.sandbox.api.parameters import strings
from reconciler.sandbox.objects.answers import ApiRefusal
from reconciler.sandbox.objects.charge_to_json import (
    CUSTOMER,
    Json,
    balance_transaction_json,
    refund_json,
)
from reconciler.sandbox.objects.to_json import payment_method_json, record_json

Path = tuple[str, ...]
MOST_LEVELS: Final = 4

PERMISSIONS: Final = {
    "payment_intent": "payment_intent_read",
    "charge": "charge_read",
    "refund": "charge_read",
    "dispute": "dispute_read",
    "checkout.session": "checkout_session_read",
    "balance_transaction": "balance_read",
    "customer": "customer_read",
    "payment_method": "payment_method_read",
}
"""The Read permission that a restricted key needs for an object."""


@dataclass(frozen=True, slots=True)
class Expandable:
    """A field that can be expanded: the type of its object, and how the holder's field becomes that object."""

    kind: str
    load: Callable[[ApiCall, Json, str], Json | None]


def _intent(call: ApiCall, _: Json, ident: str) -> Json | None:
    found = call.records.intents.get(ident)
    return None if found is None else record_json(found)


def _charge(call: ApiCall, _: Json, ident: str) -> Json | None:
    found = call.records.charges.get(ident)
    return None if found is None else record_json(found)


def _balance(call: ApiCall, holder: Json, _: str) -> Json | None:
    found = call.records.charges.get(holder["id"]) or call.records.refunds.get(holder["id"])
    return None if found is None else balance_transaction_json(found)


def _refunds(call: ApiCall, holder: Json, _: str) -> Json:
    newest_first = reversed(call.records.refunds.of("charge", holder["id"]))
    return {
        "object": "list",
        "data": [refund_json(refund) for refund in newest_first],
        "has_more": False,
        "url": f"/v1/charges/{holder['id']}/refunds",
    }


def _customer(_: ApiCall, holder: Json, ident: str) -> Json:
    return {
        "id": ident,
        "object": "customer",
        "created": holder["created"],
        "email": CUSTOMER["email"],
        "livemode": holder.get("livemode", False),
        "metadata": {},
        "name": CUSTOMER["name"],
    }


def _payment_method(_: ApiCall, holder: Json, ident: str) -> Json:
    return payment_method_json(
        ident,
        holder["payment_method_types"][0],
        created=holder["created"],
        customer=holder["customer"],
        livemode=holder["livemode"],
    )


_INTENT: Final = Expandable("payment_intent", _intent)
_CHARGE: Final = Expandable("charge", _charge)
_BALANCE: Final = Expandable("balance_transaction", _balance)
_CUSTOMER: Final = Expandable("customer", _customer)

EXPANDABLE: Final[dict[str, dict[str, Expandable]]] = {
    "payment_intent": {
        "latest_charge": _CHARGE,
        "customer": _CUSTOMER,
        "payment_method": Expandable("payment_method", _payment_method),
    },
    "charge": {
        "balance_transaction": _BALANCE,
        "customer": _CUSTOMER,
        "payment_intent": _INTENT,
        "refunds": Expandable("refund", _refunds),
    },
    "refund": {"balance_transaction": _BALANCE, "charge": _CHARGE, "payment_intent": _INTENT},
    "dispute": {"charge": _CHARGE, "payment_intent": _INTENT},
    "checkout.session": {"customer": _CUSTOMER, "payment_intent": _INTENT},
}
"""The fields that can be expanded, by the type of the object that has them."""


def expansions(
    call: ApiCall, kind: str, *, listing: bool, requested: Sequence[str] | None = None
) -> list[Path]:
    """The fields to expand, each as its way from the object. A restricted key needs Read on what is expanded.

    ``requested`` replaces the parameter.
    """
    paths: list[Path] = []
    for text in strings(call.params, "expand") if requested is None else requested:
        parts = tuple(text.split("."))
        if len(parts) > MOST_LEVELS:
            raise ApiRefusal(400, f"You cannot expand more than {MOST_LEVELS} levels of a property.", param="expand")  # fmt: skip
        if listing and parts[0] != "data":
            advice = f" You may want to try expanding 'data.{text}' instead."
            known = parts[0] in EXPANDABLE.get(kind, {})
            raise _refusal(text, advice if known else "")
        path = parts[1:] if listing else parts
        _raise_if_not_expandable(call, kind, path, text)
        paths.append(path)
    return paths


def _raise_if_not_expandable(call: ApiCall, kind: str, path: Path, text: str) -> None:
    if not path:
        raise _refusal(text)
    for name in path:
        field = EXPANDABLE.get(kind, {}).get(name)
        if field is None:
            raise _refusal(text)
        kind = field.kind
        call.raise_if_forbidden(PERMISSIONS[kind])


def _refusal(text: str, advice: str = "") -> ApiRefusal:
    return ApiRefusal(400, f"This property cannot be expanded ({text}).{advice}", param="expand")


def expand(call: ApiCall, kind: str, body: Json, paths: Sequence[Path]) -> Json:
    """The object with these fields expanded."""
    deeper: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        deeper[path[0]] += [path[1:]] if len(path) > 1 else []
    for name, rest in deeper.items():
        field = EXPANDABLE[kind][name]
        value = body.get(name)
        if value is None and name != "refunds":
            continue
        loaded = field.load(call, body, value or "")
        body[name] = loaded
        if loaded is None:
            continue
        for item in loaded["data"] if loaded["object"] == "list" else [loaded]:
            expand(call, field.kind, item, rest)
    return body
