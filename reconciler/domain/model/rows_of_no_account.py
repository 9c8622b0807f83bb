"""Rows of the merchant's table that belong to no configured account: no sweep examines them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RowsOfNoAccount:
    """How many rows there are, and the values of the account column that most of them hold.

    ``rows`` and ``values`` count all of them. ``most`` has the values with the most rows, each with its number of rows,
    and None for NULL. Secrets in the values are masked.
    """

    rows: int = 0
    values: int = 0
    most: tuple[tuple[str | None, int], ...] = ()

    @property
    def text(self) -> str:
        """The values and their rows, such as ``"ghost" 3, NULL 2``; empty if there are no such rows."""
        named = [f"{_shown(value)} {count:,}" for value, count in self.most]
        more = self.values - len(self.most)
        if more > 0:
            named.append(f"{more:,} other values")
        return ", ".join(named)

    def to_dict(self) -> Mapping[str, object]:
        """As the report of a sweep has it."""
        return {
            "rows": self.rows,
            "values": self.values,
            "most": [{"value": value, "rows": count} for value, count in self.most],
        }

    @classmethod
    def of_dict(cls, fields: Mapping[str, object]) -> RowsOfNoAccount:
        """From what ``to_dict`` made. Raises KeyError, TypeError or ValueError for anything else."""
        rows, values, most = fields["rows"], fields["values"], fields["most"]
        if not isinstance(rows, int) or not isinstance(values, int) or not isinstance(most, list):
            raise TypeError(
                "these fields are not a count of rows: rows and values have to be numbers, and most a list"
            )
        return cls(rows, values, tuple((one["value"], one["rows"]) for one in most))


def _shown(value: str | None) -> str:
    return "NULL" if value is None else f'"{value}"'
