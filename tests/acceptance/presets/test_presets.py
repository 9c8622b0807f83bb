"""Each preset of an application, on tables made from that application's columns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.sampling.candidate_tables import readable_relations
from reconciler.entrypoints.init.choose_table import preset_without_view, proven_preset
from reconciler.entrypoints.init.grants_text import ROLE, grants_of_preset
from reconciler.entrypoints.init.presets import PresetMode, load_preset, load_presets
from tests.acceptance.configured_shop import REPOSITORY
from tests.acceptance.installation import Installation
from tests.acceptance.presets.application_table import CREATED, ApplicationTable
from tests.acceptance.presets.applications import APPLICATIONS, qualified, table_name
from tests.some_quick import some_quick

MakeInstallation = Callable[..., Installation]
RoleFactory = Callable[[str], tuple[str, Callable[[str], str]]]
REPORT_ONLY = [n for n in APPLICATIONS if load_preset(n).head.mode is PresetMode.REPORT_ONLY]
CORRECTING = [n for n in APPLICATIONS if n not in REPORT_ONLY]

# pydantic warns when the fingerprint of a configuration with an SQL text is made: shown here, and a failure elsewhere


def installation_of(make: MakeInstallation, name: str) -> Installation:
    """An installation with the application's tables, and the preset's mapping.

    It has a payment for each lost webhook, a payment for each webhook that was handled, and rows of other gateways.
    """
    preset, application = load_preset(name), APPLICATIONS[name]
    installation = make(table="public.not_of_the_application")
    installation.execute(application.statement(application.tables))
    if preset.head.made_from:
        with Database(installation.shop.url) as database:
            assert preset_without_view(readable_relations(database), load_presets()) == preset
        page = (REPOSITORY / preset.head.page).read_text(encoding="utf-8")
        statement = page[page.index("CREATE VIEW") :].partition(";")[0]
        installation.execute(application.statement(statement))
    # init recognises the application by its signature, and takes it for no other one
    with Database(installation.shop.url) as database:
        assert proven_preset(readable_relations(database), load_presets()) == (
            preset,
            qualified(preset),
        )
    payments = {**preset.payments_in(application.schema), "table": qualified(preset)}
    installation.sections["payments"] = payments
    installation.configure()
    for key, happened in enumerate(application.lost, 1):
        add_payment(installation, application, key, happened, application.open_status)
    handled = [*application.lost.items(), *application.agrees.items()]
    for key, (happened, status) in enumerate(handled, 21):
        add_payment(installation, application, key, happened, status)
    if application.of_others:
        installation.execute(application.statement(application.of_others))
    if application.metadata:
        # another application's payment in the same Stripe account, which no row holds
        other = installation.stripe.create_payment(990, "eur", metadata={"app": "x"}, at=at(0))
        installation.stripe.succeed(other.id, at=at(1))
    return installation


def add_payment(
    installation: Installation,
    application: ApplicationTable,
    key: int,
    happened: str,
    status: str | None,
) -> None:
    """Add a payment at Stripe, and its row unless ``status`` is None."""
    metadata = {name: text.format(key=key) for name, text in application.metadata.items()}
    made = installation.stripe.create_payment(1250, "eur", metadata=metadata, at=at(0))
    getattr(installation.stripe, happened)(made.id, at=at(1))
    if status is not None:
        installation.execute(application.add(key, made.id, status))


def at(seconds: int) -> datetime:
    """A time after every row's creation."""
    return datetime.fromisoformat(CREATED).replace(tzinfo=UTC) + timedelta(seconds=seconds)


def rows_of(installation: Installation, name: str) -> list[str]:
    """Every row of the application's table, without the time of the last change, which a revert changes too."""
    preset = load_preset(name)
    updated = preset.section.updated or ""
    text = f"SELECT (to_jsonb(t) - '{updated}')::text FROM {table_name(preset)} t ORDER BY 1"
    return [line for (line,) in installation.query(text)]


def read_sweep(installation: Installation, application: ApplicationTable) -> dict[str, object]:
    """A sweep with --apply, which has to be complete and to examine Stripe's payments alone."""
    report = installation.sweep("--apply", "--yes", "--kind", "window", "--since", "30d").json
    assert report["complete"], report
    payments = 2 * len(application.lost) + len(application.agrees)
    # the payment of another application is looked at, and not reported
    others = 1 if application.metadata else 0
    assert report["examined"] == payments + others, report
    return dict(report)


def read_dry_sweep(installation: Installation, name: str, role: RoleFactory) -> None:
    """A dry sweep by a role that may do no more than what ``init`` grants: it finds what is to be found."""
    preset, application = load_preset(name), APPLICATIONS[name]
    name_of_role, url_of = role("preset")
    grants = grants_of_preset(preset, application.schema, preset.section.table, may_write=True)
    for statement in grants.splitlines():
        if statement.startswith("GRANT"):
            installation.execute(
                statement.replace(f'TO "{ROLE}"', f"TO {ROLE}").replace(
                    f"TO {ROLE}", f"TO {name_of_role}"
                )
            )
    url = url_of(installation.shop.url)
    report = installation.sweep("--kind", "window", "--since", "30d", DATABASE_URL=url).json
    assert report["complete"], report
    assert report["discrepancies"] == {application.lost_kind: len(application.lost)}, report


@some_quick("name", REPORT_ONLY, quick=3)
def test_a_report_only_preset_finds_and_writes_nothing(
    make_installation: MakeInstallation, role: RoleFactory, name: str
) -> None:
    """Each lost webhook is found, also by the role of ``init``; nothing else is, and every row stays as it is."""
    installation, application = installation_of(make_installation, name), APPLICATIONS[name]
    before = rows_of(installation, name)
    read_dry_sweep(installation, name, role)
    report = read_sweep(installation, application)
    assert report["corrected"] == 0
    assert report["discrepancies"] == {application.lost_kind: len(application.lost)}, report
    assert rows_of(installation, name) == before


@pytest.mark.parametrize("name", CORRECTING)
def test_a_correcting_preset_corrects_once_and_a_revert_restores(
    make_installation: MakeInstallation, role: RoleFactory, name: str
) -> None:
    """A correction writes what the application's webhook writes to the row; rows of other gateways stay as they are."""
    installation, application = installation_of(make_installation, name), APPLICATIONS[name]
    preset, table = load_preset(name), table_name(load_preset(name))
    before = rows_of(installation, name)
    read_dry_sweep(installation, name, role)

    applied = read_sweep(installation, application)
    lost = len(application.lost)
    assert (applied["corrected"], applied["discrepancies"]) == (lost, {"missed_outcome": lost})
    status, key = preset.payments["status"], preset.payments["key"]
    for number, expected in enumerate(application.lost.values(), 1):
        conditions = " AND ".join(f"({text})" for text in application.written.values()) or "true"
        row = installation.query(
            f"SELECT {status}::text, {conditions} FROM {table} WHERE {key} = {number}"
        )
        assert row == [(expected, True)]
    changed = set(rows_of(installation, name)) - set(before)
    assert len(changed) == lost

    again = read_sweep(installation, application)
    assert (again["corrected"], again["discrepancies"]) == (0, {})
    installation.check_ledger()

    reverted = installation.run("revert", str(applied["sweep"]), "--json").json
    assert (reverted["reverted"], reverted["skipped"]) == (lost, [])
    assert rows_of(installation, name) == before


def test_odoos_transaction_without_a_reference_is_linked(
    make_installation: MakeInstallation,
) -> None:
    """Odoo names its transaction in the PaymentIntent's description: a paid one is joined to it and filled in."""
    installation = installation_of(make_installation, "odoo")
    made = installation.stripe.create_payment(1250, "eur", description="S000051", at=at(0))
    installation.stripe.succeed(made.id, at=at(1))
    table = table_name(load_preset("odoo"))
    installation.execute(APPLICATIONS["odoo"].add(51, "", "draft"))
    installation.execute(f"UPDATE {table} SET provider_reference = NULL WHERE id = 51")
    before = rows_of(installation, "odoo")

    report = installation.sweep("--apply", "--yes", "--kind", "window", "--since", "30d").json
    columns = "state, provider_reference, is_post_processed"
    row = installation.query(f"SELECT {columns} FROM {table} WHERE id = 51")
    assert row == [("done", made.id, False)]

    installation.run("revert", str(report["sweep"]), "--json")
    assert rows_of(installation, "odoo") == before


def test_every_preset_of_an_application_is_tested_and_listed() -> None:
    """A preset with a signature has its table here, its page, and its line in the lists of presets and of pages."""
    presets = [preset for preset in load_presets() if preset.head.signature]
    assert {preset.name for preset in presets} == set(APPLICATIONS)
    how_to = (REPOSITORY / "docs" / "how-to" / "presets.md").read_text(encoding="utf-8")
    index = (REPOSITORY / "docs" / "README.md").read_text(encoding="utf-8")
    for preset in presets:
        assert preset.head.page == f"docs/presets/{preset.name}.md"
        assert f"| `{preset.name}` | {preset.head.application} |" in how_to
        assert f"(presets/{preset.name}.md)" in index
