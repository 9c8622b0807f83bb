"""What ``init`` does and shows: it finds the table, asks, writes the files, and makes the first dry sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.merchant.catalog import find_relation
from reconciler.adapters.postgres.sampling.candidate_tables import (
    NamedRelation,
    readable_relations,
)
from reconciler.adapters.postgres.sampling.row_sample import SampleTooSlowError
from reconciler.adapters.postgres.schema.schema_state import schema_access
from reconciler.adapters.stripe_gateway.gateway import StripeGateway
from reconciler.domain.sample.find_account import AccountUse
from reconciler.engine.report import SweepKind, SweepRequest, Writing
from reconciler.entrypoints.cli.arguments import OutputFormat, time_range
from reconciler.entrypoints.cli.init_findings import show_survey
from reconciler.entrypoints.cli.init_next_steps import next_steps
from reconciler.entrypoints.cli.init_questions import (
    ask_accounts,
    ask_may_write,
    ask_table,
    ask_words,
)
from reconciler.entrypoints.cli.output import warn, write_line
from reconciler.entrypoints.cli.sweep import sweep_all
from reconciler.entrypoints.cli.sweep_command import SweepCommand
from reconciler.entrypoints.cli.sweep_exit_code import exit_code_of
from reconciler.entrypoints.cli.terminal_requester import can_ask
from reconciler.entrypoints.doctor.stripe import gateway_on_reserved_share
from reconciler.entrypoints.init.choose_table import (
    preset_without_view,
    proven_preset,
    search_tables,
    table_of_preset,
)
from reconciler.entrypoints.init.configuration_text import text_of_preset, text_of_survey
from reconciler.entrypoints.init.grants_text import (
    grants_of_preset,
    grants_text,
    other_tables,
    written_columns,
)
from reconciler.entrypoints.init.notes import notes_of
from reconciler.entrypoints.init.presets import Preset, PresetMode, load_preset, load_presets
from reconciler.entrypoints.init.stripe_side import StripeSide
from reconciler.entrypoints.init.table_survey import Survey, survey_table
from reconciler.entrypoints.init.words_of_survey import (
    Answers,
    guessed_words,
    mapped_words,
    unmapped_words,
)
from reconciler.entrypoints.invocation import PROGRAM, Invocation
from reconciler.entrypoints.shown_text import clean
from reconciler.errors import DatabaseRefusedError, UsageError
from reconciler.exit_codes import ExitCode
from reconciler.settings import Settings, load
from reconciler.settings.keys import default_key

GRANTS: Final = "reconciler-grants.sql"
WEEK: Final = "7d"
MOST_COMPARED: Final = 3
"""Tables that are compared with Stripe until one has every part."""


@dataclass(frozen=True, slots=True)
class _Files:
    """What is written: the configuration and the GRANTs.

    ``missing`` are required keys that were not found. ``unmapped`` says which statuses have no meaning yet, and ``notes`` what
    else waits for a person.
    """

    configuration: str
    grants: str
    missing: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class _NoTableError(DatabaseRefusedError):
    """No table holds ids of Stripe's, or the one that was named does not."""

    exit_code = ExitCode.NO


def write_first_configuration(
    call: Invocation,
    output: Path,
    *,
    table: str | None,
    preset: str | None,
    yes: bool,
    force: bool,
) -> int:
    """Write the configuration and the GRANTs, and make a dry sweep. Returns the exit code."""
    # "", "." and "/" name no file, and with_name would raise for them
    if not output.name or output.is_dir():
        raise UsageError(
            f"--output {output}: this is a folder.",
            f"Name a file in this folder, such as {output / 'reconciler.toml'}.",
        )
    grants_file = output.with_name(GRANTS)
    if not output.parent.is_dir():
        raise UsageError(
            f"There is no folder {output.parent}.", "Create the folder, or name another file."
        )
    for path in (output, grants_file):
        if path.exists() and not force:
            raise UsageError(
                f"{path} exists.", "Overwrite it with --force, or name another file with --output."
            )
    has_key = _has_key(call.environ)
    settings = load(
        None,
        call.environ,
        need_stripe=has_key,
        need_table=False,
        need_delivery=False,
        use_file=False,
    )
    asks = can_ask() and not yes
    with Database(settings.database_url.get_secret_value()) as database:
        has_schema = schema_access(database).may_write
        files = _files(call, settings, database, table, preset, asks=asks, has_key=has_key)
    _write_file(output, files.configuration)
    _write_file(grants_file, files.grants)
    write_line()
    write_line(f"Written: {output} and {grants_file}.")
    for text in files.unmapped:
        write_line(f"{text}. Write in {output} what this status means, and uncomment the line.")
    for text in files.notes:
        write_line(text)
    if files.missing:
        names = ", ".join(f"payments.{name}" for name in files.missing)
        warn(f"{PROGRAM}: init found no value for {names}.")
        warn(f"hint: Write what is missing into {output}. Then run: {PROGRAM} doctor")
        return int(ExitCode.NO)
    if not has_key:
        Invocation(call.environ, output, call.clock).settings(need_stripe=False)
        write_line("There is no Stripe key. init compared nothing with Stripe, and made no sweep.")
        write_line(f"Next: set STRIPE_API_KEY, and run: {PROGRAM} init --force")
        return int(ExitCode.DONE)
    code = _first_sweep(call, output)
    for line in next_steps(output, grants_file, has_schema=has_schema):
        write_line(line)
    return code


def _write_file(path: Path, text: str) -> None:
    """Write a file. Raises UsageError if the system refuses it."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written ({error.strerror}).",
            "Correct the permissions of its folder, or name another file with --output.",
        ) from None


def _has_key(environ: Mapping[str, str]) -> bool:
    found = default_key(environ)
    return found.key is not None or found.fault is not None


def _files(
    call: Invocation,
    settings: Settings,
    database: Database,
    table: str | None,
    preset: str | None,
    *,
    asks: bool,
    has_key: bool,
) -> _Files:
    relations = readable_relations(database)
    chosen = _preset(relations, preset, table)
    if chosen is not None:
        return _files_of_preset(*chosen, asks=asks)
    lacking = None if table else preset_without_view(relations, load_presets())
    if lacking is not None:
        warn(
            f"{PROGRAM}: this database has the tables of {lacking.head.application}, but not the view over them."
        )
        warn(f"hint: Create it with the statements in {lacking.head.page}. Then run this again.")
    names = [table] if table else _found_tables(call, database, relations, asks=asks)
    survey, livemode = _survey(call, settings, database, names[0], has_key=has_key)
    for other in names[1:MOST_COMPARED]:
        # another table or view may have what this one lacks, such as a view that joins the status
        if not survey.missing:
            break
        with suppress(_NoTableError):
            compared, mode = _survey(call, settings, database, other, has_key=has_key)
            if len(compared.missing) < len(survey.missing):
                survey, livemode = compared, mode
    show_survey(survey)
    unknown = [one for one in survey.words if one.word not in mapped_words(survey, Answers())]
    words = ask_words(unknown) if asks and unknown else {}
    several = asks and _is_unsure_of_accounts(survey) and ask_accounts(survey)
    answers = Answers(words, ask_may_write() if asks else False, several)
    relation = survey.relation
    any_words = mapped_words(survey, answers) or guessed_words(survey, answers)
    if not any_words and survey.times is not None:
        survey = replace(survey, status=None)
    return _Files(
        text_of_survey(survey, answers, livemode),
        grants_text(
            relation.schema,
            relation.name,
            written_columns(survey),
            may_write=answers.may_write,
            others=dict.fromkeys(other_tables(survey), ()),
        ),
        (*survey.missing, *([] if any_words else ["read"])),
        unmapped_words(survey, answers),
        tuple(notes_of(survey)),
    )


def _is_unsure_of_accounts(survey: Survey) -> bool:
    account = survey.account
    return account is not None and account.is_worth_a_word and account.use is AccountUse.UNSURE


def _preset(
    relations: Sequence[NamedRelation], name: str | None, table: str | None
) -> tuple[Preset, str] | None:
    """The preset that was named or that the database proves, and its table. Raises _NoTableError."""
    if name is None:
        return None if table is not None else proven_preset(relations, load_presets())
    preset = load_preset(name)
    found = table or table_of_preset(relations, preset)
    if found is None:
        raise _NoTableError(
            f"The database has no table {preset.section.table} with the columns of the preset {name}.",
            f"Create it with the statements in {preset.head.page}."
            if preset.head.made_from
            else "Name the table with --table, or leave --preset out.",
        )
    return preset, found


def _files_of_preset(preset: Preset, table: str, *, asks: bool) -> _Files:
    write_line(
        f"The payments are in {clean(table)}, as the preset {preset.name} says ({preset.head.application})."
    )
    can_write = preset.head.mode is PresetMode.CORRECT
    may_write = asks and can_write and ask_may_write()
    schema, _, name = table.rpartition(".")
    return _Files(
        text_of_preset(preset, table),
        grants_of_preset(preset, schema or "public", name, may_write=may_write),
    )


def _found_tables(
    call: Invocation, database: Database, relations: Sequence[NamedRelation], *, asks: bool
) -> list[str]:
    """The tables that may hold the payments, as ``schema.table``, the likeliest first; the chosen one alone if a person chose.

    Raises _NoTableError if there is none.
    """
    begun = call.clock.monotonic()
    found = search_tables(database, call.clock, relations)
    seconds = call.clock.monotonic() - begun
    write_line(
        f"Searched {len(relations) - found.not_searched:,} tables and views in {seconds:.1f} s."
    )
    if found.not_searched:
        warn(
            f"{PROGRAM}: {found.not_searched:,} tables were not searched, because the time was up. Name your table with --table."
        )
    if not found.choices:
        raise _NoTableError(
            f"This role may read {len(relations):,} tables and views. None of them holds the id of a PaymentIntent.",
            "Let the role read your table, or name your table with --table.",
        )
    if asks and len(found.choices) > 1:
        return [ask_table(found.choices).relation.full_name]
    others = [clean(choice.relation.full_name) for choice in found.choices[1:]]
    if others:
        write_line(
            f"Other tables hold Stripe's ids too: {', '.join(others)}. Choose one with --table."
        )
    return [choice.relation.full_name for choice in found.choices]


def _survey(
    call: Invocation, settings: Settings, database: Database, table: str, *, has_key: bool
) -> tuple[Survey, bool | None]:
    """The survey of the table beside Stripe, and the mode of what was read there. Raises _NoTableError."""
    relation = find_relation(database, table)
    if relation is None:
        raise _NoTableError(
            f"There is no table {clean(table)}.",
            "Write it as schema.table, as the database stores it.",
        )
    with ExitStack() as stack:
        stripe = None
        if has_key:
            own = settings.accounts[0]

            def acting_for(connected: str) -> AbstractContextManager[StripeGateway]:
                # an account of its own, with its own limits: under the same name it would wait for this process's own reads
                account = replace(own, name=connected, stripe_account=connected)
                return gateway_on_reserved_share(settings, account, call.clock, all_metadata=True)

            gateway = gateway_on_reserved_share(settings, own, call.clock, all_metadata=True)
            stripe = StripeSide(stack.enter_context(gateway), acting_for)
            stripe.list_newest()
        try:
            survey = survey_table(database, relation, stripe)
        except SampleTooSlowError:
            raise _NoTableError(
                f"The database needed more than 5 seconds to read some hundred rows of {clean(table)}.",
                "Create an index on the time of creation, or write the configuration by hand.",
            ) from None
    if survey is None:
        raise _NoTableError(
            f"This role can read no column of {clean(table)} that holds the id of a PaymentIntent.",
            "Name another table with --table. If the id is a part of a text, write payment_intent as an SQL text by hand.",
        )
    return survey, None if stripe is None else stripe.livemode


def _first_sweep(call: Invocation, output: Path) -> int:
    """A dry sweep of the last week with the configuration that was written. Returns the exit code."""
    named = Invocation(call.environ, output, call.clock)
    settings = named.settings()
    write_line()
    since, until = time_range(WEEK, None)
    request = SweepRequest(
        kind=SweepKind.WINDOW,
        writing=Writing.NOTHING,
        asked_by=call.asked_by,
        since=since,
        until=until,
    )
    command = SweepCommand(output, SweepKind.WINDOW, WEEK, is_set_up=False)
    requests = dict.fromkeys(settings.accounts, request)
    reports = sweep_all(named, settings, requests, command, OutputFormat.TABLE)
    return int(exit_code_of(reports, asked=False))
