"""Which column, or which two together, is the status: the one whose words go with Stripe's outcomes best."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.domain.sample.compared_table import ComparedTable
from reconciler.domain.sample.sampled_table import (
    SampledColumn,
    SampledTable,
    ValueKind,
    literal,
)
from reconciler.domain.sample.status_words import outcome_with_money_back, usual_meaning

MOST_WORDS: Final = 20
"""A column with more values than this is no status."""
LONGEST_WORD: Final = 60
BETWEEN: Final = "/"
"""What stands between the words of two columns."""
_NAME: Final = re.compile(r"status|state", re.IGNORECASE)
_OF_NAME: Final = 0.2
_OF_WORDS: Final = 0.3
_GAIN: Final = 0.05
"""Two columns have to say so much more than one."""
_MOST_SINGLE: Final = 6
_ROWS_A_WORD: Final = 10


@dataclass(frozen=True, slots=True)
class FoundStatus:
    """The status: one column, or two whose words are joined by a slash."""

    columns: tuple[SampledColumn, ...]

    @property
    def sql(self) -> str | None:
        """The SQL text that gives it; None if it is a column."""
        if len(self.columns) == 1:
            return self.columns[0].sql
        texts = [f"coalesce(({column.reference})::text, '')" for column in self.columns]
        return f" || {literal(BETWEEN)} || ".join(texts)

    @property
    def name(self) -> str:
        """Its name, for a person."""
        return f" {BETWEEN} ".join(column.name for column in self.columns)

    def words(self, table: SampledTable) -> list[str | None]:
        """The word of each row, as the configuration reads it."""
        values = [table.values(column) for column in self.columns]
        if len(values) == 1:
            return values[0]
        return [BETWEEN.join(value or "" for value in row) for row in zip(*values, strict=True)]


def find_status(compared: ComparedTable, used: Collection[SampledColumn]) -> FoundStatus | None:
    """The status, without the columns that are ``used`` for something else; None if no column can be one."""
    table = compared.table
    candidates = [FoundStatus((column,)) for column in table.columns if column not in used]
    candidates = [found for found in candidates if _can_be_status(table, found.columns[0])]
    if not candidates:
        return None
    scores = {found: _score(compared, found) for found in candidates}
    ranked = sorted(candidates, key=lambda found: -scores[found])
    best = ranked[0]

    # two columns that say more together than the best one alone
    few = [
        found.columns[0]
        for found in ranked
        if found.columns[0].sql is None and len(set(found.words(table))) <= _MOST_SINGLE
    ]
    alone = _purity(compared, best)
    for pair in itertools.combinations(few[:_MOST_SINGLE], 2):
        both = FoundStatus(pair)
        words = len(set(both.words(table)))
        # few rows for each word go with any outcome by chance
        is_proven = words <= MOST_WORDS and len(compared.compared) >= _ROWS_A_WORD * words
        if is_proven and _purity(compared, both) >= alone + _GAIN:
            best, alone = both, _purity(compared, both)
    return best


def _can_be_status(table: SampledTable, column: SampledColumn) -> bool:
    if column.is_unique or column.kind not in (
        ValueKind.TEXT,
        ValueKind.INTEGER,
        ValueKind.BOOLEAN,
    ):
        return False
    words = set(table.present(column))
    return 0 < len(words) <= MOST_WORDS and all(len(word) <= LONGEST_WORD for word in words)


def _score(compared: ComparedTable, found: FoundStatus) -> float:
    words = found.words(compared.table)
    present = [word for word in words if word is not None]
    known = sum(usual_meaning(word) is not None for word in present) / max(len(words), 1)
    named = _OF_NAME if _NAME.search(found.name) else 0.0
    return _purity(compared, found) + named + _OF_WORDS * known


def _purity(compared: ComparedTable, found: FoundStatus) -> float:
    """The part of the compared rows whose word goes with their outcome at Stripe more often than with any other."""
    counts: dict[str | None, Counter[str]] = {}
    words: Sequence[str | None] = found.words(compared.table)
    for word, intent in zip(words, compared.intents, strict=True):
        if intent is not None:
            counts.setdefault(word, Counter())[outcome_with_money_back(intent).value] += 1
    rows = len(compared.compared)
    return sum(max(outcomes.values()) for outcomes in counts.values()) / rows if rows else 0.0
