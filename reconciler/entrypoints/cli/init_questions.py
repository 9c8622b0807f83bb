"""The questions of ``init``, asked on a terminal: which table, what the unknown words mean, may it write.

Only if a column may name Stripe accounts and nothing proves it, a fourth one asks whether it does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from reconciler.domain.outcome import Outcome
from reconciler.domain.sample.status_words import WordMeaning
from reconciler.entrypoints.init.account_proposal import values_text
from reconciler.entrypoints.init.choose_table import TableChoice
from reconciler.entrypoints.init.table_survey import Survey
from reconciler.entrypoints.init.words_of_survey import can_be_written
from reconciler.entrypoints.shown_text import clean

TRIES: Final = 3
GUESS: Final = "guess"
_MEANINGS: Final = [outcome for outcome in Outcome if outcome is not Outcome.UNKNOWN]


def _ask(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def ask_table(choices: Sequence[TableChoice]) -> TableChoice:
    """Which table holds the payments; the first if the answer is empty or is no number of the list."""
    for number, choice in enumerate(choices, start=1):
        hits = f"{choice.hits:,} of the newest rows hold a Stripe id"
        sys.stderr.write(f"  {number}  {clean(choice.relation.full_name)}: {hits}\n")
    answer = _ask("Which table holds the payments? [1] ")
    chosen = int(answer) if answer.isdecimal() else 1
    return choices[chosen - 1] if 1 <= chosen <= len(choices) else choices[0]


def ask_words(unknown: Sequence[WordMeaning]) -> dict[str, Outcome]:
    """What the words mean that are not sure. A word that the answer leaves out stays unknown."""
    words = {one.word: one for one in unknown if can_be_written(one.word)}
    if not words:
        return {}
    for one in words.values():
        guess = f"{one.outcome.value}?" if one.outcome is not None else ""
        sys.stderr.write(f"  {clean(one.word)}  {guess}  {clean(one.why_not)}\n")
    sys.stderr.write(
        f"An outcome is one of: {', '.join(outcome.value for outcome in _MEANINGS)}.\n"
    )
    for _ in range(TRIES):
        answer = _ask(
            "What do these statuses mean? Write STATUS=OUTCOME, with commas between several. "
            "Write guess to accept the outcomes above that have a question mark. Press Enter to map none of them: "
        )
        if answer == GUESS:
            return {one.word: one.outcome for one in words.values() if one.outcome is not None}
        parsed = _parsed(answer, words)
        if parsed is not None:
            return parsed
        sys.stderr.write("Your answer has a status or an outcome that is not listed above.\n")
    return {}


def _parsed(answer: str, words: dict[str, WordMeaning]) -> dict[str, Outcome] | None:
    found: dict[str, Outcome] = {}
    for part in filter(None, (part.strip() for part in answer.split(","))):
        word, _, outcome = part.rpartition("=")
        if word.strip() not in words or outcome.strip() not in [one.value for one in _MEANINGS]:
            return None
        found[word.strip()] = Outcome(outcome.strip())
    return found


def ask_accounts(survey: Survey) -> bool:
    """Whether each account that a column names is a Stripe account with payments of its own. No answer is a no."""
    found = survey.account
    if found is None:
        return False
    sys.stderr.write(f"  {clean(found.column.name)}: {clean(values_text(found))}\n")
    answer = _ask(
        "Does each of these have a Stripe account of its own for its payments? If yes, each gets "
        "a section [[accounts]], and you need a key for each. [y/N] "
    )
    return answer.lower() in ("y", "yes")


def ask_may_write() -> bool:
    """Whether the role may correct rows. The answer is no unless it is a yes; no answer makes the service correct."""
    answer = _ask(
        "May Reconciler's role correct rows of this table? If yes, the GRANTs that init writes allow it. Even then the service"
        ' only reports, until you set corrections.mode to "update". [y/N] '
    )
    return answer.lower() in ("y", "yes")
