"""Which of the tables with ids of Stripe's is the table of the payments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import (
    Relation,
    RelationKind,
    find_relation,
)
from reconciler.adapters.postgres.sampling.candidate_tables import (
    Candidate,
    NamedRelation,
    find_candidates,
)
from reconciler.adapters.postgres.sampling.row_sample import SampleTooSlowError
from reconciler.clock import Clock
from reconciler.entrypoints.init.presets import Preset
from reconciler.entrypoints.init.table_survey import Survey, survey_table

SECONDS: Final = 25
"""How long tables are looked into; the catalog of thousands of tables is read in a second or two."""
MOST_SURVEYED: Final = 6
_FITTING: Final = re.compile(
    r"pay|order|charge|transaction|checkout|purchase|donation", re.IGNORECASE
)
_STRANGE: Final = re.compile(
    r"log|event|webhook|audit|history|archive|backup|_old$|tmp", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class TableChoice:
    """A table that can be the one, surveyed without Stripe. ``hits`` are its sampled rows with an id of Stripe's."""

    survey: Survey
    hits: int

    @property
    def relation(self) -> Relation:
        """The table."""
        return self.survey.relation

    @property
    def rank(self) -> tuple[int, bool, bool, bool, int]:
        """The greater, the more likely it is the table of the payments."""
        name = self.relation.name
        return (
            -len(self.survey.missing),
            _STRANGE.search(name) is None,
            _FITTING.search(name) is not None,
            # of a table and a view of it, the table: it has indexes
            self.relation.kind in (RelationKind.TABLE, RelationKind.PARTITIONED),
            self.hits,
        )


@dataclass(frozen=True, slots=True)
class TableSearch:
    """The tables that can be the one, the most likely first; ``not_searched`` are those for which time was short."""

    choices: tuple[TableChoice, ...]
    not_searched: int = 0


def search_tables(
    database: Database, clock: Clock, relations: Sequence[NamedRelation]
) -> TableSearch:
    """Look into some rows of every table, those with a fitting name first, for half a minute at most."""
    ordered = sorted(relations, key=lambda one: _FITTING.search(one.name) is None)
    end = clock.monotonic() + SECONDS
    found, left = find_candidates(database, ordered, lambda: clock.monotonic() > end)
    found.sort(key=lambda one: (_STRANGE.search(one.relation.name) is not None, -one.hits))
    choices = [
        choice
        for candidate in found[:MOST_SURVEYED]
        if (choice := _choice(database, candidate)) is not None
    ]
    choices.sort(key=lambda choice: choice.rank, reverse=True)
    return TableSearch(tuple(choices), left)


def _choice(database: Database, candidate: Candidate) -> TableChoice | None:
    relation = find_relation(database, candidate.relation.full_name)
    if relation is None:
        return None
    try:
        survey = survey_table(database, relation, None)
    except SampleTooSlowError:
        return None
    return None if survey is None else TableChoice(survey, candidate.hits)


def proven_preset(
    relations: Sequence[NamedRelation], presets: Sequence[Preset]
) -> tuple[Preset, str] | None:
    """The one preset whose signature is in the database, and ``schema.table`` of its payments; None if there is not one.

    Of several presets for the same table, it is the one whose signature names the most columns.
    """
    proven = [
        (preset, table)
        for preset in presets
        if preset.head.signature and (table := table_of_preset(relations, preset)) is not None
    ]
    if len({table for _, table in proven}) != 1:
        return None
    proven.sort(key=lambda one: sum(map(len, one[0].head.signature.values())))
    return proven[-1]


def preset_without_view(
    relations: Sequence[NamedRelation], presets: Sequence[Preset]
) -> Preset | None:
    """The preset of an application whose tables are in the database, but not yet the view that the preset maps."""
    for preset in presets:
        below = preset.head.made_from
        is_there = below and any(_has(here, below) for _, here in _schemas(relations))
        if is_there and table_of_preset(relations, preset) is None:
            return preset
    return None


def table_of_preset(relations: Sequence[NamedRelation], preset: Preset) -> str | None:
    """The table that a preset maps, as ``schema.table``; None if it or a part of the signature is not in the database."""
    named_schema, dot, name = preset.section.table.rpartition(".")
    for schema, here in _schemas(relations):
        if dot and named_schema != schema:
            continue
        if name in here and _has(here, preset.head.signature):
            return f"{schema}.{name}"
    return None


def _schemas(
    relations: Sequence[NamedRelation],
) -> Iterator[tuple[str, dict[str, frozenset[str]]]]:
    """Each schema, with the columns of its tables."""
    for schema in dict.fromkeys(relation.schema for relation in relations):
        yield (
            schema,
            {one.name: frozenset(one.columns) for one in relations if one.schema == schema},
        )


def _has(here: Mapping[str, frozenset[str]], signature: Mapping[str, Sequence[str]]) -> bool:
    return all(here.get(table, frozenset()) >= set(columns) for table, columns in signature.items())
