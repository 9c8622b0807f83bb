"""Before the key has proved right, nothing of a sweep is recorded."""

from __future__ import annotations

import pytest

from reconciler.domain.model.intent import MissingIntent
from reconciler.engine.sweep.stripe_key_check import StripeKeyCheck
from reconciler.errors import ExitCode, WrongKeyError
from tests.unit.engine.doubles import NOW, an_intent


def ask(proof: StripeKeyCheck, found: int, missing: int) -> None:
    for number in range(missing):
        proof.retrieved(MissingIntent(f"pi_missing{number}", NOW))
    for number in range(found):
        proof.retrieved(an_intent(f"pi_found{number}"))


def test_a_key_whose_first_fifty_retrieves_are_mostly_missing_is_wrong() -> None:
    """More than half of the first 50 retrieves answering 404 ends the sweep with exit 78."""
    with pytest.raises(WrongKeyError, match="26 of the 50") as caught:
        ask(StripeKeyCheck(), found=24, missing=26)
    assert caught.value.exit_code is ExitCode.CONFIGURATION


def test_half_of_fifty_is_not_more_than_half() -> None:
    """Exactly half missing proves the key right."""
    proof = StripeKeyCheck()
    ask(proof, found=25, missing=25)
    assert proof.is_given


def test_only_the_first_fifty_are_judged() -> None:
    """Once proved, a run of 404 later in the sweep does not overturn it: those are findings."""
    proof = StripeKeyCheck()
    ask(proof, found=50, missing=0)
    ask(proof, found=0, missing=200)
    assert proof.is_given


@pytest.mark.parametrize("asked", range(10, 50))
def test_from_ten_on_all_are_judged_at_the_end(asked: int) -> None:
    """Where there are fewer than 50 retrieves, all are judged, from 10 on."""
    proof = StripeKeyCheck()
    ask(proof, found=asked - (asked // 2 + 1), missing=asked // 2 + 1)
    assert not proof.is_given
    with pytest.raises(WrongKeyError):
        proof.conclude()


@pytest.mark.parametrize("asked", range(1, 10))
def test_fewer_than_ten_are_never_judged(asked: int) -> None:
    """A handful of rows may well be wrong: no verdict on the key, only doubt."""
    proof = StripeKeyCheck()
    ask(proof, found=0, missing=asked)
    proof.conclude()
    assert proof.is_doubtful
    assert not proof.is_given


def test_one_row_that_is_found_takes_the_doubt_away() -> None:
    """A row's intent that Stripe knows is no proof, and leaves no doubt either."""
    proof = StripeKeyCheck()
    ask(proof, found=1, missing=5)
    assert not proof.is_doubtful


def test_a_listed_intent_that_a_row_names_is_proof() -> None:
    """One intent of Stripe's own list that a row names proves the key, whatever 404 come after it."""
    proof = StripeKeyCheck()
    proof.listed_and_named()
    ask(proof, found=0, missing=60)
    proof.conclude()
    assert proof.is_given


def test_an_id_that_cannot_be_one_says_nothing_about_the_key() -> None:
    """Rows that hold something else than an id were not asked for."""
    proof = StripeKeyCheck()
    for number in range(60):
        proof.retrieved(MissingIntent(f"not an id {number}", NOW, impossible=True))
    proof.conclude()
    assert not proof.is_doubtful
