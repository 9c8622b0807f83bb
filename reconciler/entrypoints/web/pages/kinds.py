"""What each kind and reason means, in the words of the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from reconciler.domain.findings.discrepancy import Kind
from reconciler.domain.rules.next_step import Subject, step_for
from reconciler.entrypoints.explained_kinds import kind_texts, page_text, reason_texts
from reconciler.entrypoints.web.call import Call, View
from reconciler.entrypoints.web.tables import Table, text_column
from reconciler.entrypoints.web.templating import words


@dataclass(frozen=True, slots=True)
class ExplainedKind:
    """A kind with its meaning, its severity and money, and what to do about it."""

    name: str
    meaning: str
    weight: str
    paragraphs: Sequence[str]
    step: str


@cache
def explained_kinds() -> Mapping[str, ExplainedKind]:
    """Every kind by its name."""
    found = {}
    for name, (meaning, weight, *paragraphs) in kind_texts(page_text()).items():
        step = step_for(Kind(name), None, Subject(None)).text
        said = _sentence(meaning.partition(": ")[2])
        found[name] = ExplainedKind(name, said, weight, paragraphs, step)
    return found


@cache
def explained_reasons() -> Mapping[str, tuple[str, str]]:
    """What each reason means, and what a person can do."""
    return {
        name: (meaning.partition(": ")[2], advice.partition(": ")[2])
        for name, (meaning, advice) in reason_texts(page_text()).items()
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def kinds(call: Call) -> View:  # noqa: ARG001 - every page takes the call
    """The page."""
    reasons = Table(
        "reasons",
        "Why a finding was not corrected",
        (
            text_column("Reason", lambda one: words(one[0])),
            text_column("Meaning", lambda one: one[1]),
            text_column("What you can do", lambda one: one[2]),
        ),
        [(name, *texts) for name, texts in explained_reasons().items()],
    )
    values = {"explained": list(explained_kinds().values())}
    return View("kinds.html", "What each kind means", values, (reasons,))
