"""What people write behind options: understood, or refused with the form that is wanted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.entrypoints.cli.arguments import (
    OutputFormat,
    chosen_format,
    intent_id,
    moment,
    time_range,
)
from reconciler.errors import ExitCode, UsageError


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("2026-11-02", datetime(2026, 11, 2, tzinfo=UTC)),
        ("2026-11-02T08:30", datetime(2026, 11, 2, 8, 30, tzinfo=UTC)),
        ("2026-11-02 08:30:15", datetime(2026, 11, 2, 8, 30, 15, tzinfo=UTC)),
        ("2026-11-02T08:30Z", datetime(2026, 11, 2, 8, 30, tzinfo=UTC)),
        ("2026-11-02T08:30+01:00", datetime(2026, 11, 2, 7, 30, tzinfo=UTC)),
        (" 2026-11-02 ", datetime(2026, 11, 2, tzinfo=UTC)),
        ("30d", timedelta(days=30)),
        ("6h", timedelta(hours=6)),
        ("15m", timedelta(minutes=15)),
        ("90s", timedelta(seconds=90)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_moments(text: str, wanted: datetime | timedelta) -> None:
    """A date is its midnight in UTC, a time without a zone is UTC, and a span stays a span."""
    found = moment(text, "--since")
    assert found == wanted
    if isinstance(found, datetime):
        assert found.tzinfo is UTC


def test_no_moment() -> None:
    """What was not given is not invented."""
    assert moment(None, "--since") is None


@pytest.mark.parametrize(
    "text", ["", "yesterday", "0d", "30", "2026-13-01", "-6h", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_moment(text: str) -> None:
    """Anything else is a usage error that names the option and the forms there are."""
    with pytest.raises(UsageError, match=r"--until .*30d") as caught:
        moment(text, "--until")
    assert caught.value.exit_code is ExitCode.USAGE


@given(st.text(max_size=30))
def test_moments_never_break(text: str) -> None:
    """Whatever is written, it is a moment or a usage error."""
    try:
        found = moment(text, "--since")
    except UsageError:
        return
    assert isinstance(found, datetime | timedelta)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("2026-11-02", "2026-11-02"),
        ("2026-11-03", "2026-11-02"),
        ("1d", "2d"),
        ("6h", "6h"),
        ("2026-11-02T08:00+01:00", "2026-11-02T07:00"),
    ],
)
def test_empty_ranges(since: str, until: str) -> None:
    """A range that holds nothing is refused before anything is asked of Stripe."""
    with pytest.raises(UsageError, match="is not before"):
        time_range(since, until)


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-11-01", "2026-11-02"), ("2d", "1d"), ("30d", "2026-11-02"), (None, "1d"), ("1d", None)],
)
def test_ranges(since: str | None, until: str | None) -> None:
    """A range with something in it is taken; a span against a date is left to Stripe's clock."""
    assert time_range(since, until) == (moment(since, "--since"), moment(until, "--until"))


def test_intent_id() -> None:
    """An id is taken as it is, without the spaces around it."""
    assert intent_id(" pi_3MtwBwLkdIwHu7ix28a3tqPa ") == "pi_3MtwBwLkdIwHu7ix28a3tqPa"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ch_3MtwBw", "is a charge's id"),
        ("cs_test_a1", "is a Checkout Session's id"),
        ("evt_1", "is an event's id"),
        ("seti_1", "is a SetupIntent's id"),
        ("re_1", "is a refund's id"),
        ("12345", "is no id"),
        ("", "is no id"),
        ("pi_", "is no id"),
        ("pi_1/../events", "is no id"),
        ("pi_ü", "is no id"),
        ("pi_" + "x" * 300, "is no id"),
    ],
)
def test_what_is_no_intent(text: str, words: str) -> None:
    """Another object's id is called by its name, and nothing strange reaches an address."""
    with pytest.raises(UsageError, match=words):
        intent_id(text)


@pytest.mark.parametrize(
    "text", ["pi_3Mt_secret_YrKJUKribc", "sk_live_51HxQb2e", "rk_test_51HxQb2e", "whsec_51HxQb2e"]
)
def test_secrets_are_not_repeated(text: str) -> None:
    """A client_secret or a key given for an id is refused without being shown again."""
    with pytest.raises(UsageError) as caught:
        intent_id(text)
    assert text not in str(caught.value)
    assert "51HxQb2e" not in str(caught.value)
    assert "YrKJUKribc" not in str(caught.value)


@pytest.mark.parametrize("form", [None, *OutputFormat])
@pytest.mark.parametrize("json", [True, False])
def test_formats(form: OutputFormat | None, json: bool) -> None:
    """--json is --format json; a table where nothing is asked; a contradiction is refused."""
    if json and form in (OutputFormat.TABLE, OutputFormat.CSV):
        with pytest.raises(UsageError, match="contradict"):
            chosen_format(form, json)
        return
    assert chosen_format(form, json) is (OutputFormat.JSON if json else form or OutputFormat.TABLE)
