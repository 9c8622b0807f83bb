"""Which words of a status a configuration maps: those that are sure, those that a person explained, and marked guesses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.domain.outcome import Outcome
from reconciler.domain.sample.agreement import ENOUGH
from reconciler.domain.sample.status_words import WordMeaning, usual_meaning
from reconciler.entrypoints.init.table_survey import Survey
from reconciler.masking import redact, visible
from reconciler.settings.values import KEEP


@dataclass(frozen=True, slots=True)
class Answers:
    """What a person said. ``meanings`` are words that they explained. ``may_write``: the role is granted UPDATE.

    ``several_accounts``: the payments of each value of the account column are in a Stripe account of their own.
    """

    meanings: Mapping[str, Outcome] = field(default_factory=dict)
    may_write: bool = False
    several_accounts: bool = False


def mapped_words(survey: Survey, answers: Answers) -> dict[str, Outcome]:
    """The words that may be mapped: those that are sure, and those that a person explained."""
    found = {
        one.word: one.outcome
        for one in survey.words
        if one.is_sure and one.outcome is not None and can_be_written(one.word)
    }
    return {**found, **answers.meanings}


def guessed_words(survey: Survey, answers: Answers) -> dict[str, Outcome]:
    """Well-known words that stand in for sure ones if there is none: without any the configuration could not be loaded.

    They are marked, and never written to a row. A word that Stripe's side speaks against is not among them.
    """
    if mapped_words(survey, answers):
        return {}
    guesses = {one.word: usual_meaning(one.word) for one in survey.words if one.compared < ENOUGH}
    return {
        word: guess for word, guess in guesses.items() if guess is not None and can_be_written(word)
    }


def unmapped_words(survey: Survey, answers: Answers) -> tuple[str, ...]:
    """Which statuses stand in the configuration as a comment only, each with the number of its rows."""
    if survey.status is None:
        return ()
    known = {**mapped_words(survey, answers), **guessed_words(survey, answers)}
    rows = "sampled rows" if survey.counts_sample else "rows"
    counts = survey.counts or {}
    return tuple(
        f'{counts.get(one.word, 0):,} {rows} have the status "{visible(redact(one.word))}", which is not mapped'
        for one in survey.words
        if one.word and one.word not in known
    )


def can_be_written(word: str) -> bool:
    """Whether a configuration can hold the word: no secret, nothing unseen, and not the word for keeping."""
    return bool(word) and word != KEEP and redact(word) == word and visible(word) == word


def said_by_stripe(one: WordMeaning) -> str:
    """What Stripe's side of a word's rows says, for a person."""
    if not one.compared:
        return "not compared with Stripe"
    counts = ", ".join(
        f"{outcome.value} {count:,}"
        for outcome, count in sorted(one.stripe.items(), key=lambda item: (-item[1], item[0]))
    )
    return f"Stripe says: {counts}"
