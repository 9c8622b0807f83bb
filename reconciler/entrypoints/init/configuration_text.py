"""The text of a configuration that ``init`` writes: what is sure as it is, and what is not as a comment that says why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from reconciler.domain.outcome import AT_STRIPE, Outcome
from reconciler.domain.sample.find_columns import Found
from reconciler.domain.sample.find_status import BETWEEN
from reconciler.domain.sample.sampled_table import SampledColumn, ValueKind
from reconciler.entrypoints.init.account_proposal import account_lines, account_sections
from reconciler.entrypoints.init.notes import deleted_text
from reconciler.entrypoints.init.presets import Preset
from reconciler.entrypoints.init.table_survey import Survey
from reconciler.entrypoints.init.times_proposal import status_proposal, words_proposal
from reconciler.entrypoints.init.words_of_survey import (
    Answers,
    guessed_words,
    mapped_words,
    said_by_stripe,
)
from reconciler.masking import redact, visible
from reconciler.settings.values import KEEP

_HEAD: Final = """\
# Written by: reconciler init
# A line that begins with # is uncertain, and says why. Check it with: reconciler doctor
# The database and the key come from DATABASE_URL and STRIPE_API_KEY. Every key is explained in config/reconciler.toml.
"""
_WIDTH: Final = 44
_NO_WORD_FOR_FAILED: Final = "no status means failed, so a declined attempt leaves its row as it is"


def quoted(text: str) -> str:
    """A text as TOML writes it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def text_of_survey(survey: Survey, answers: Answers, livemode: bool | None) -> str:
    """The configuration for a table that was surveyed."""
    mapped = mapped_words(survey, answers)
    guessed = guessed_words(survey, answers)
    times = None if mapped or guessed else survey.times
    if times is not None:
        # a status of which no word is known would only stand in the way of the proposal
        survey = replace(survey, status=None)
    lines = [_HEAD, *_stripe(livemode), "[payments]", *_payments(survey)]
    accounts: list[str] = []
    if survey.account is not None:
        said = answers.several_accounts
        lines += [_line(*one) for one in account_lines(survey.account, is_said=said)]
        accounts = [_line(*one) for one in account_sections(survey.account, is_said=said)]
    if times is not None:
        lines += [*status_proposal(times), "", *words_proposal(times, _writable(survey))]
    else:
        lines += ["", "[payments.read]", *_read(survey, mapped, guessed), ""]
        lines += _write(survey, mapped)
    lines += [*_corrections(), *accounts]
    return "\n".join(lines) + "\n"


def text_of_preset(preset: Preset, table: str) -> str:
    """The configuration for the table of a preset."""
    payments = {**preset.payments_in(table.rpartition(".")[0] or "public"), "table": table}
    lines = [
        _HEAD,
        f"# From the preset {preset.name}: {preset.head.application}. See {preset.head.page}",
        "",
    ]
    lines += [*_stripe(None), "[payments]"]
    inner = {name: value for name, value in payments.items() if _is_section(name, value)}
    lines += [f"{name} = {_value(value)}" for name, value in payments.items() if name not in inner]
    for name, section in inner.items():
        lines += ["", f"[payments.{name}]"]
        lines += [f"{quoted(key)} = {_value(value)}" for key, value in section.items()]
    lines += ["", *_corrections()]
    return "\n".join(lines) + "\n"


def _is_section(name: str, value: object) -> bool:
    return name in ("read", "write", "set") and isinstance(value, Mapping)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{quoted(key)} = {_value(item)}" for key, item in value.items())
        return f"{{ {inner} }}"
    return quoted(value) if isinstance(value, str) else json.dumps(value)


def _stripe(livemode: bool | None) -> Iterator[str]:
    yield "[stripe]"
    if livemode is None:
        yield _line(
            "# livemode = true",
            "no PaymentIntent was read, so the mode is not known: true for live mode, false for test mode",
        )
    else:
        yield _line(
            f"livemode = {json.dumps(livemode)}", "the mode of the PaymentIntents that were read"
        )
    yield ""


def _line(setting: str, why: str = "") -> str:
    return f"{setting:<{_WIDTH}} # {visible(redact(why))}" if why else setting


def _column(column: SampledColumn, *, text: str | None = None) -> str:
    sql_text = text or column.sql
    return quoted(column.name) if sql_text is None else f"{{ sql = {quoted(sql_text)} }}"


def _evidence(found: Found) -> str:
    if found.is_sure:
        return f"agrees with Stripe in {found.agreement} rows"
    return f"CHECK THIS: {found.why_not}"


def _payments(survey: Survey) -> Iterator[str]:
    intent, rows = survey.intent, len(survey.compared.table.rows)
    yield _line(f"table = {quoted(survey.relation.full_name)}")
    if survey.key is not None:
        yield _line(f"key = {_column(survey.key)}")
    yield _line(
        f"payment_intent = {_column(intent.column)}",
        f"{intent.found:,} of {rows:,} sampled rows hold an id of Stripe's"
        f"{'; CHECK THIS: the column holds lists, and the last id of each is taken' if intent.column.is_of_list else ''}"
        f"{'; CHECK THIS: each text of the column holds one id, which is taken out of it' if intent.column.is_of_text else ''}",
    )
    if survey.status is not None:
        setting = (
            _column(survey.status.columns[0])
            if survey.status.sql is None
            else f"{{ sql = {quoted(survey.status.sql)} }}"
        )
        yield _line(f"status = {setting}")
    if survey.amount is not None:
        number = survey.amount.column.number_sql
        yield _line(
            f"amount = {_column(survey.amount.column, text=number)}", _evidence(survey.amount)
        )
        yield _line(f"amount_unit = {quoted(survey.amount.unit or 'minor')}")
    yield from _currency(survey)
    yield from _created(survey)
    yield from _optional(survey)


def _currency(survey: Survey) -> Iterator[str]:
    if survey.currency is not None:
        yield _line(f"currency = {_column(survey.currency.column)}", _evidence(survey.currency))
    elif survey.currency_constant is not None:
        currency, rows = survey.currency_constant
        yield _line(
            f"currency_constant = {quoted(currency)}",
            f"no column has the currency, and Stripe says {currency} for all {rows:,} compared rows",
        )
    else:
        yield _line(
            '# currency_constant = "eur"',
            "no column has the currency: write the one currency that all rows have",
        )


def _created(survey: Survey) -> Iterator[str]:
    if survey.created is None:
        return
    column = survey.created.column
    is_number = column.kind is not ValueKind.TIME
    text = column.number_sql if is_number else column.time_sql
    yield _line(f"created = {_column(column, text=text)}", _evidence(survey.created))
    if survey.created.unit is not None:
        yield _line(f"created_unit = {quoted(survey.created.unit)}")


def _optional(survey: Survey) -> Iterator[str]:
    if survey.updated is not None:
        yield _line(
            f"updated = {_column(survey.updated)}",
            "a correction sets this column to the current time",
        )
    order = survey.order
    if order is not None:
        yield _line(
            f"order = {_column(order.column)}",
            f'the metadata "{order.key}" has the same value in {order.agreement} compared PaymentIntents',
        )
        yield _line(f"link_metadata = {quoted(order.key)}")
    else:
        yield _line(
            '# order = "order_id"',
            "no column has values that the metadata of PaymentIntents also has",
        )
    yield from _where(survey)


def _where(survey: Survey) -> Iterator[str]:
    """The condition that is proved, and as comments further ones, each together with it."""
    gateway = f"{survey.intent.foreign:,} sampled rows hold an id that is not Stripe's"
    proved: dict[str, str] = {}
    if survey.payments is not None:
        why = (
            f"{survey.payments.others:,} other sampled rows share a PaymentIntent with one of these"
        )
        proved[survey.payments.condition] = why
    if survey.where is not None and survey.where_is_sure:
        proved[survey.where] = gateway
    if proved:
        yield _line(f"where = {quoted(' AND '.join(proved))}", "; ".join(proved.values()))

    doubtful: dict[str, str] = {}
    if survey.where is not None and not survey.where_is_sure:
        doubtful[survey.where] = f"{gateway}; no column shows which rows are Stripe's"
    if survey.deleted is not None:
        doubtful[survey.deleted.condition] = deleted_text(survey.deleted)
    for condition, why in doubtful.items():
        instead = "; use this line instead of the one above" if proved else ""
        yield _line(f"# where = {quoted(' AND '.join([*proved, condition]))}", f"{why}{instead}")


def _read(
    survey: Survey, mapped: Mapping[str, Outcome], guessed: Mapping[str, Outcome]
) -> Iterator[str]:
    counts = survey.counts or {}
    for one in survey.words:
        if not one.word:
            continue
        outcome = mapped.get(one.word)
        rows = f"{counts.get(one.word, 0):,} {'sampled ' if survey.counts_sample else ''}rows"
        if outcome is not None:
            yield _line(
                f"{quoted(one.word)} = {quoted(outcome.value)}", f"{rows}; {said_by_stripe(one)}"
            )
        elif one.word in guessed:
            setting = f"{quoted(one.word)} = {quoted(guessed[one.word].value)}"
            yield _line(
                setting, f"CHECK THIS: guessed from the status's name alone; {rows}; {one.why_not}"
            )
        else:
            guess = one.outcome.value if one.outcome is not None else "…"
            shown = quoted(visible(redact(one.word)))
            why = one.why_not or "a configuration cannot hold this status"
            yield _line(f"# {shown} = {quoted(guess)}", f"{rows}; {why}")


def written_words(survey: Survey, mapped: Mapping[str, Outcome]) -> dict[Outcome, str]:
    """The word to write for each outcome: the most frequent one that means it."""
    counts = survey.counts or {}
    is_joined = survey.status is not None and len(survey.status.columns) > 1
    written: dict[Outcome, str] = {}
    for word in sorted(mapped, key=lambda word: (-counts.get(word, 0), word)):
        # a word of two columns that has the slash itself cannot be taken apart
        if is_joined and word.count(BETWEEN) != 1:
            continue
        if mapped[word] in AT_STRIPE and mapped[word] is not Outcome.INCOMPLETE:
            written.setdefault(mapped[word], word)
    return written


def _writable(survey: Survey) -> frozenset[str]:
    return frozenset(column.name for column in survey.relation.columns if not column.is_generated)


def _write(survey: Survey, mapped: Mapping[str, Outcome]) -> Iterator[str]:
    status = survey.status
    if status is None:
        return
    columns = status.columns
    writable = _writable(survey)
    if any(column.sql is not None or column.name not in writable for column in columns):
        yield (
            "# There is no [payments.write]: the status is read from a JSON document or is generated, so it cannot "
            "be written."
        )
        yield ""
        return
    if not survey.relation.is_updatable:
        yield from _not_written(mapped)
        return
    written = written_words(survey, mapped)
    if not written:
        yield "# There is no [payments.write], because no status was shown to mean failed, succeeded or canceled."
        yield ""
        return
    yield "[payments.write]"
    yield from (f"{outcome.value} = {quoted(word)}" for outcome, word in written.items())
    if Outcome.FAILED not in mapped.values():
        yield _line(
            f"failed = {quoted(KEEP)}",
            _NO_WORD_FOR_FAILED,
        )
    if Outcome.CANCELED not in mapped.values():
        why = "no status means canceled. Uncomment this line if the rows of canceled payments are to stay as they are"
        yield _line(f"# canceled = {quoted(KEEP)}", why)
    yield ""
    if len(columns) == 1:
        return
    for outcome, word in written.items():
        yield f"[payments.set.{outcome.value}]"
        for column, part in zip(columns, word.split(BETWEEN), strict=False):
            value = quoted(part) if part else '{ sql = "NULL" }'
            yield f"{quoted(column.name)} = {value}"
        yield ""


def _not_written(mapped: Mapping[str, Outcome]) -> Iterator[str]:
    """The section for a view whose rows cannot be written in place."""
    yield "# Reconciler cannot correct rows through this view, so a person has to act on its findings. To let Reconciler correct rows, map the table itself."
    if Outcome.FAILED not in mapped.values():
        yield "[payments.write]"
        yield _line(f"failed = {quoted(KEEP)}", _NO_WORD_FOR_FAILED)
    yield ""


def _corrections() -> Iterator[str]:
    # always "report": the service begins to correct only after a person has read a dry run and changed this line
    yield "[corrections]"
    yield _line(
        'mode = "report"', '"report": findings only; "update": the service corrects rows too'
    )
