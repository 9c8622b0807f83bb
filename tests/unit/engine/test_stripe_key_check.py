"""Until the key is proved right, nothing of a sweep is recorded."""

from __future__ import annotations

import pytest

from reconciler.domain.model.intent import MissingIntent
from reconciler.engine.sweep.stripe_key_check import StripeKeyCheck
from reconciler.errors import WrongKeyError
from reconciler.exit_codes import ExitCode
from tests.unit.engine.doubles import NOW, an_intent


def add_answers(key_check: StripeKeyCheck, found: int, missing: int) -> None:
    """Count so many answers, the missing intents first."""
    for number in range(missing):
        key_check.add_retrieved(MissingIntent(f"pi_missing{number}", NOW))
    for number in range(found):
        key_check.add_retrieved(an_intent(f"pi_found{number}"))


def test_a_key_whose_first_fifty_retrieves_are_mostly_missing_is_wrong() -> None:
    """If more than half of the first 50 retrieves are answered with 404, the sweep ends with exit code 78."""
    with pytest.raises(WrongKeyError, match="26 of the 50") as caught:
        add_answers(StripeKeyCheck(), found=24, missing=26)
    assert caught.value.exit_code is ExitCode.CONFIGURATION


def test_half_of_fifty_is_not_more_than_half() -> None:
    """If exactly half of them are missing, the key is proved right."""
    key_check = StripeKeyCheck()
    add_answers(key_check, found=25, missing=25)
    assert key_check.is_proved


def test_only_the_first_fifty_count() -> None:
    """Once the key is proved right, later 404s are findings and do not count against the key."""
    key_check = StripeKeyCheck()
    add_answers(key_check, found=50, missing=0)
    add_answers(key_check, found=0, missing=200)
    assert key_check.is_proved


@pytest.mark.parametrize("asked", range(10, 50))
def test_from_ten_retrieves_on_they_count_at_the_end(asked: int) -> None:
    """If there are 10 to 49 retrieves, all of them count at the end of the sweep."""
    key_check = StripeKeyCheck()
    add_answers(key_check, found=asked - (asked // 2 + 1), missing=asked // 2 + 1)
    assert not key_check.is_proved
    with pytest.raises(WrongKeyError):
        key_check.conclude()


@pytest.mark.parametrize("asked", range(1, 10))
def test_fewer_than_ten_retrieves_do_not_count(asked: int) -> None:
    """A handful of rows may well be wrong: the key is then only in doubt."""
    key_check = StripeKeyCheck()
    add_answers(key_check, found=0, missing=asked)
    key_check.conclude()
    assert key_check.is_doubtful
    assert not key_check.is_proved


def test_one_row_that_is_found_ends_the_doubt() -> None:
    """One row whose intent Stripe knows does not prove the key, but leaves no doubt about it."""
    key_check = StripeKeyCheck()
    add_answers(key_check, found=1, missing=5)
    assert not key_check.is_doubtful


def test_a_listed_intent_that_a_row_names_is_proof() -> None:
    """If a row names one intent of Stripe's own list, the key is proved right, and later answers do not change that."""
    key_check = StripeKeyCheck()
    key_check.add_listed_and_named()
    add_answers(key_check, found=0, missing=60)
    key_check.conclude()
    assert key_check.is_proved


def test_an_id_that_cannot_exist_says_nothing_about_the_key() -> None:
    """Stripe was not asked for what cannot be an id."""
    key_check = StripeKeyCheck()
    for number in range(60):
        key_check.add_retrieved(MissingIntent(f"not an id {number}", NOW, impossible=True))
    key_check.conclude()
    assert not key_check.is_doubtful
