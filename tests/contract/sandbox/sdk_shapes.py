"""Holds JSON to the field names and types of the official SDK's own annotations."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Iterator
from typing import Any, ClassVar, ForwardRef, Literal, TypeVar, Union

import stripe
from stripe._stripe_object import StripeObject, UntypedStripeObject
from stripe.checkout import Session

TYPES: dict[str, type] = {
    "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "dispute": stripe.Dispute,
    "balance_transaction": stripe.BalanceTransaction,
    "checkout.session": Session,
    "event": stripe.Event,
    "webhook_endpoint": stripe.WebhookEndpoint,
    "account": stripe.Account,
    "payment_method": stripe.PaymentMethod,
}
"""The SDK's class of each object that the sandbox serves."""


_OF_SHELLS = {"object", "total_count", "url"}
"""Fields of lists and of search results that the SDK's annotations do not have."""


def problems(value: Any, annotation: Any, path: str = "") -> Iterator[str]:
    """What of a value is not as annotated, each with its path."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is Any or isinstance(annotation, TypeVar):
        return
    if origin is Union:
        yield from _of_union(value, args, path)
    elif origin is Literal:
        if value not in args:
            yield f"{path}: {value!r} is none of {args}"
    elif origin is list or (origin is not None and issubclass(origin, UntypedStripeObject)):
        yield from _of_items(value, args[0], path, list if origin is list else dict)
    elif isinstance(annotation, ForwardRef):
        named = _named(annotation.__forward_arg__)
        if named is None:
            yield f"{path}: {annotation.__forward_arg__} is not served"
            return
        yield from _of_object(value, named, path)
    elif issubclass(origin or annotation, StripeObject):
        yield from _of_object(value, origin or annotation, path)
    elif not _is_plain(value, annotation):
        yield f"{path}: {value!r} is no {annotation.__name__}"


def _of_items(value: Any, annotation: Any, path: str, holder: type) -> Iterator[str]:
    """What is wrong in a list, or in an object of any keys."""
    if not isinstance(value, holder):
        yield f"{path}: no {holder.__name__}"
        return
    for name, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from problems(item, annotation, f"{path}[{name}]")


def problems_of_answer(body: Any) -> list[str]:
    """What of a whole answer is not as the SDK expects: an object, a list or the results of a search."""
    kind = body.get("object")
    if kind not in {"list", "search_result"}:
        return [*problems(body, TYPES[kind])]
    shell = stripe.ListObject if kind == "list" else stripe.SearchResultObject
    found = [*_of_object(body, shell, kind)]
    for number, item in enumerate(body["data"]):
        found += problems(item, TYPES[item["object"]], f"data[{number}]")
    return found


def _of_union(value: Any, alternatives: tuple[Any, ...], path: str) -> Iterator[str]:
    if value is None and type(None) in alternatives:
        return
    found = [[*problems(value, one, path)] for one in alternatives if one is not type(None)]
    if all(found):
        # the alternative that fits best says most
        yield from max(found, key=lambda some: max(len(one.partition(":")[0]) for one in some))


def _of_object(value: Any, cls: type, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {value!r} is no {cls.__name__}"
        return
    fields = _fields_of(cls)
    is_shell = cls in (stripe.ListObject, stripe.SearchResultObject)
    for name in value.keys() - fields.keys() - (_OF_SHELLS if is_shell else set()):
        yield f"{path}.{name}: not in the SDK's {cls.__name__}"
    for name, annotation in fields.items():
        # the last page of a search has no next one, which the SDK's annotation does not say
        if name == "next_page" and value.get(name) is None:
            continue
        if name in value:
            yield from problems(value[name], annotation, f"{path}.{name}")
        elif type(None) not in typing.get_args(annotation):
            yield f"{path}.{name}: missing"


def _fields_of(cls: type) -> dict[str, Any]:
    """The annotated fields of one of the SDK's classes, with those of its bases."""
    return {
        name: annotation
        for base in reversed(cls.__mro__)
        if issubclass(base, StripeObject) and base is not StripeObject
        for name, annotation in inspect.get_annotations(base).items()
        if typing.get_origin(annotation) is not ClassVar and not name.startswith("_")
    }


def _named(name: str) -> type | None:
    """The SDK's class of a name in its annotations; None for those that the sandbox never serves."""
    # the SDK imports some under a longer name, because an object's field has theirs
    found = getattr(stripe, name, None) or getattr(stripe, name.removesuffix("Resource"), None)
    return found if isinstance(found, type) else None


def _is_plain(value: Any, annotation: type) -> bool:
    if annotation is float:
        return type(value) in (int, float)
    return type(value) is annotation
