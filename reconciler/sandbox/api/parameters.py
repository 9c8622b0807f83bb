"""Request parameters: Stripe's bracket notation, ranges, cursors and expansions. A wrong one raises Stripe's 400."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

from reconciler.sandbox.objects.answers import ApiRefusal
from reconciler.sandbox.state.timeline import PageQuery

Value = str | list["Value"] | dict[str, "Value"]
Params = dict[str, Value]

PAGING = ("limit", "starting_after", "ending_before", "expand")
LARGEST_PAGE = 100


def parse(encoded: str) -> Params:
    """The nested values of an encoded form or query.

    ``a[b]=1`` makes a mapping. ``a[]=1`` and ``a[0]=1`` both make a list: Stripe's documentation shows the first, the
    SDK sends the second.
    """
    root: Params = {}
    for name, value in parse_qsl(encoded, keep_blank_values=True):
        first, *rest = name.replace("]", "").split("[")
        _put(root, [first, *rest], value)

    # the keys of metadata are the shop's own and may be digits
    return {name: value if name == "metadata" else _listed(value) for name, value in root.items()}


def _put(into: Params, path: list[str], value: str) -> None:
    name, rest = path[0] or str(len(into)), path[1:]
    if not rest:
        into[name] = value
        return
    inner = into.setdefault(name, {})
    if not isinstance(inner, dict):
        raise ApiRefusal(400, f"Invalid hash: {name}", param=name)
    _put(inner, rest, value)


def _listed(value: Value) -> Value:
    if not isinstance(value, dict):
        return value
    if value and all(name.isdigit() for name in value):
        return [_listed(value[name]) for name in sorted(value, key=int)]
    return {name: _listed(inner) for name, inner in value.items()}


def raise_if_unknown(params: Params, known: Iterable[str]) -> None:
    """Raise Stripe's 400 for a parameter that the endpoint does not know."""
    for name in params:
        if name not in known:
            raise ApiRefusal(
                400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name
            )


def text(params: Params, name: str) -> str | None:
    """A plain parameter, None if absent."""
    value = params.get(name)
    if value is None or isinstance(value, str):
        return value
    raise ApiRefusal(400, f"Invalid string: {name}", param=name)


def required(params: Params, name: str) -> str:
    """A plain parameter. Raises Stripe's 400 if it is absent."""
    value = text(params, name)
    if not value:
        raise ApiRefusal(
            400, f"Missing required param: {name}.", code="parameter_missing", param=name
        )
    return value


def integer(value: Value, param: str) -> int:
    """A whole number. Raises Stripe's 400 for any other value."""
    try:
        if isinstance(value, str):
            return int(value)
    except ValueError:
        pass
    raise ApiRefusal(
        400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=param
    )


def optional_integer(params: Params, name: str) -> int | None:
    """A whole number, None if absent."""
    value = params.get(name)
    return None if value is None else integer(value, name)


def flag(params: Params, name: str) -> bool | None:
    """A boolean, None if absent."""
    value = params.get(name)
    if value is None:
        return None
    if value in ("true", "false"):
        return value == "true"
    raise ApiRefusal(400, f"Invalid boolean: {value}", param=name)


def strings(params: Params, name: str) -> list[str]:
    """A list of strings, empty if absent."""
    value = params.get(name)
    if value is None:
        return []
    if isinstance(value, list):
        return [item for item in value if isinstance(item, str)]
    raise ApiRefusal(400, "Invalid array", param=name)


def metadata(params: Params) -> dict[str, str]:
    """The metadata, empty if absent."""
    value = params.get("metadata")
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise ApiRefusal(400, "Invalid hash", param="metadata")
    return {name: item for name, item in value.items() if isinstance(item, str)}


def page_query(params: Params) -> PageQuery:
    """The limit, cursor and range of ``created`` of a list request."""
    limit = optional_integer(params, "limit")
    if limit is not None and not 1 <= limit <= LARGEST_PAGE:
        bound = (
            f"greater than or equal to {1}"
            if limit < 1
            else f"less than or equal to {LARGEST_PAGE}"
        )
        raise ApiRefusal(400, f"This value must be {bound} (it currently is '{limit}').",
                      code="parameter_invalid_integer", param="limit")  # fmt: skip
    after, before = text(params, "starting_after"), text(params, "ending_before")
    if after and before:
        raise ApiRefusal(
            400,
            "You cannot parameterize both starting_after and ending_before.",
            param="starting_after",
        )
    since, until = created_range(params.get("created"))
    return PageQuery(
        limit=limit or 10, starting_after=after, ending_before=before, since=since, until=until
    )


def created_range(value: Value | None) -> tuple[int | None, int | None]:
    """``created`` as an inclusive range of seconds. It is a second, or a mapping of gt, gte, lt, lte."""
    if value is None:
        return None, None
    if not isinstance(value, dict):
        second = integer(value, "created")
        return second, second
    bounds: dict[str, int] = {}
    for name, bound in value.items():
        if name not in ("gt", "gte", "lt", "lte"):
            raise ApiRefusal(400, f"Received unknown parameter: created[{name}]",
                          code="parameter_unknown", param=f"created[{name}]")  # fmt: skip
        bounds[name] = integer(bound, f"created[{name}]")
    lows = [bounds[name] + step for name, step in (("gt", 1), ("gte", 0)) if name in bounds]
    highs = [bounds[name] - step for name, step in (("lt", 1), ("lte", 0)) if name in bounds]
    return max(lows, default=None), min(highs, default=None)
