"""The values of options are understood, or refused with a hint that shows what to write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.entrypoints.cli.app import run
from reconciler.entrypoints.cli.arguments import (
    OutputFormat,
    chosen_format,
    parse_intent_id,
    parse_moment,
    time_range,
)
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode


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
def test_a_time_is_understood(text: str, wanted: datetime | timedelta) -> None:
    """A date is its midnight in UTC, a time without a zone is UTC, and a duration stays a duration."""
    found = parse_moment(text, "--since")
    assert found == wanted
    if isinstance(found, datetime):
        assert found.tzinfo is UTC


def test_no_time_stays_none() -> None:
    """An option that was not given has no default time."""
    assert parse_moment(None, "--since") is None


@pytest.mark.parametrize(
    "text", ["", "yesterday", "0d", "30", "2026-13-01", "-6h", "0001-01-01T00:00+14:00"]
)
def test_any_other_text_is_not_a_time(text: str) -> None:
    """Any other text is a usage error that names the option and shows the accepted notations."""
    with pytest.raises(UsageError, match=r"--until .*30d") as caught:
        parse_moment(text, "--until")
    assert caught.value.exit_code is ExitCode.USAGE


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_a_usage_error(text: str) -> None:
    """No text is an error of another type."""
    try:
        found = parse_moment(text, "--since")
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
def test_an_empty_range_is_refused(since: str, until: str) -> None:
    """A range that contains no time is a usage error, before Stripe is asked."""
    with pytest.raises(UsageError, match="is not before"):
        time_range(since, until)


@pytest.mark.parametrize(
    ("since", "until"),
    [("2026-11-01", "2026-11-02"), ("2d", "1d"), ("30d", "2026-11-02"), (None, "1d"), ("1d", None)],
)
def test_a_range_is_understood(since: str | None, until: str | None) -> None:
    """A range that may contain a time is accepted; a duration against a date is compared later, by Stripe's clock."""
    assert time_range(since, until) == (
        parse_moment(since, "--since"),
        parse_moment(until, "--until"),
    )


def test_an_intent_id_is_understood() -> None:
    """An id is kept as it is, without spaces around it."""
    assert parse_intent_id(" pi_3MtwBwLkdIwHu7ix28a3tqPa ") == "pi_3MtwBwLkdIwHu7ix28a3tqPa"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ch_3MtwBw", "is a charge's id"),
        ("cs_test_a1", "is a Checkout Session's id"),
        ("evt_1", "is an event's id"),
        ("seti_1", "is a SetupIntent's id"),
        ("re_1", "is a refund's id"),
        ("12345", "is not a PaymentIntent's id"),
        ("", "is not a PaymentIntent's id"),
        ("pi_", "is not a PaymentIntent's id"),
        ("pi_1/../events", "is not a PaymentIntent's id"),
        ("pi_ü", "is not a PaymentIntent's id"),
        ("pi_" + "x" * 300, "is not a PaymentIntent's id"),
    ],
)
def test_any_other_text_is_not_an_intent_id(text: str, words: str) -> None:
    """Another object's id is named for what it is, and no other text gets into a URL."""
    with pytest.raises(UsageError, match=words):
        parse_intent_id(text)


@pytest.mark.parametrize(
    "text", ["pi_3Mt_secret_YrKJUKribc", "sk_live_51HxQb2e", "rk_test_51HxQb2e", "whsec_51HxQb2e"]
)
def test_secrets_are_not_repeated(text: str) -> None:
    """A client_secret or a key instead of an id is refused, and the message does not show it."""
    with pytest.raises(UsageError) as caught:
        parse_intent_id(text)
    assert text not in str(caught.value)
    assert "51HxQb2e" not in str(caught.value)
    assert "YrKJUKribc" not in str(caught.value)


@pytest.mark.parametrize("chosen", [None, *OutputFormat])
@pytest.mark.parametrize("json", [True, False])
def test_the_output_format(chosen: OutputFormat | None, json: bool) -> None:
    """--json means --format json; the default is a table; options that contradict each other are refused."""
    if json and chosen in (OutputFormat.TABLE, OutputFormat.CSV):
        with pytest.raises(UsageError, match="contradict"):
            chosen_format(chosen, json)
        return
    assert chosen_format(chosen, json) is (
        OutputFormat.JSON if json else chosen or OutputFormat.TABLE
    )


@pytest.mark.parametrize("folder", ["", ".", "/", ".."])
def test_a_folder_is_no_file_for_a_configuration(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`init` says so before it reads anything, and shows a file that it could write."""
    assert run(["init", "--output", folder], {}) == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "this is a folder" in said
    assert "reconciler.toml" in said
