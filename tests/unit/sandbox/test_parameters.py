from __future__ import annotations

import pytest

from reconciler.sandbox import ApiRefusal
from reconciler.sandbox.api.parameters import created_range, parse


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        ("limit=3", {"limit": "3"}),
        ("expand[]=a&expand[]=b", {"expand": ["a", "b"]}),
        ("expand[1]=b&expand[0]=a", {"expand": ["a", "b"]}),
        ("expand%5B0%5D=a", {"expand": ["a"]}),
        ("created[gte]=1&created[lt]=2", {"created": {"gte": "1", "lt": "2"}}),
        ("metadata[7]=x&metadata[app]=shop", {"metadata": {"7": "x", "app": "shop"}}),
        ("metadata[7]=x", {"metadata": {"7": "x"}}),
        ("description=", {"description": ""}),
        ("a[b][c]=1", {"a": {"b": {"c": "1"}}}),
        ("", {}),
    ],
)
def test_brackets(encoded: str, expected: object) -> None:
    """Stripe's bracket notation becomes nested values, with both formats of a list."""
    assert parse(encoded) == expected


def test_a_value_is_no_mapping() -> None:
    """A parameter that is both plain and nested is refused."""
    with pytest.raises(ApiRefusal, match="Invalid hash"):
        parse("created=1&created[gte]=2")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, (None, None)),
        ("5", (5, 5)),
        ({"gt": "5"}, (6, None)),
        ({"gt": "5", "gte": "9"}, (9, None)),
        ({"lt": "5", "lte": "5"}, (None, 4)),
    ],
)
def test_created_range(value: object, expected: tuple[int | None, int | None]) -> None:
    """Bounds become an inclusive range; of two bounds the narrower one counts."""
    assert created_range(value) == expected  # type: ignore[arg-type]
