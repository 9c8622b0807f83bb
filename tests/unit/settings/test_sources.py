"""Settings come from a file, the environment and systemd's credentials; the specific source wins."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.domain.outcome import Outcome
from reconciler.engine.report import Mode
from reconciler.errors import ConfigurationError, UsageError
from reconciler.settings import load
from tests.unit.settings.configuration import ENVIRON, VALID, faults, loaded, written


def test_the_defaults_are_the_documented_ones(tmp_path: Path) -> None:
    """A file with [payments] only has the documented defaults for everything else."""
    settings = loaded(tmp_path)
    assert settings.source == tmp_path / "reconciler.toml"
    assert settings.stripe.api_base == "https://api.stripe.com"
    assert settings.stripe.livemode is None
    assert settings.corrections.mode is Mode.REPORT
    assert settings.corrections.grace == timedelta(minutes=2)
    assert settings.corrections.per_hour == 500
    assert settings.budget.share == 0.5
    assert settings.budget.reads_per_30_days is None
    assert settings.sweep.horizon == timedelta(days=30)
    assert settings.table.amount_unit == "minor"
    assert settings.table.statuses.read == {
        "pending": Outcome.INCOMPLETE,
        "paid": Outcome.SUCCEEDED,
    }
    assert settings.table.statuses.write == {Outcome.SUCCEEDED: "paid"}
    (account,) = settings.accounts
    assert account.name == "default"
    assert account.api_key.get_secret_value() == ENVIRON["STRIPE_API_KEY"]
    assert settings.database_url.get_secret_value() == ENVIRON["DATABASE_URL"]


def test_the_order_in_which_files_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--config wins over RECONCILER_CONFIG, that over ./reconciler.toml; without any file the environment is enough."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reconciler.settings.loading.CANDIDATES", (Path("reconciler.toml"),))
    here = written(tmp_path)
    for name in ("named", "variable"):
        (tmp_path / name).mkdir()
        written(tmp_path / name)
    named, variable = tmp_path / "named/reconciler.toml", tmp_path / "variable/reconciler.toml"
    environ = {**ENVIRON, "RECONCILER_CONFIG": str(variable)}
    assert load(named, environ).source == named
    assert load(None, environ).source == variable
    assert load(None, ENVIRON).source == Path("reconciler.toml")
    here.unlink()
    assert load(None, ENVIRON, need_table=False).source is None


@pytest.mark.parametrize("by_variable", [True, False])
def test_a_named_file_must_be_there(tmp_path: Path, by_variable: bool) -> None:
    """A named file that does not exist is a fault, not a silent default."""
    missing = tmp_path / "no.toml"
    environ = {**ENVIRON, "RECONCILER_CONFIG": str(missing)} if by_variable else ENVIRON
    with pytest.raises(ConfigurationError, match=r"no\.toml") as caught:
        load(None if by_variable else missing, environ)
    assert caught.value.faults[0].what.startswith(
        "RECONCILER_CONFIG" if by_variable else "--config"
    )


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """RECONCILER_<SECTION>__<KEY> overrides every key; an entry of a table is added to those of the file."""
    settings = loaded(
        tmp_path,
        VALID + "[corrections]\ngrace = '9m'\n",
        RECONCILER_CORRECTIONS__GRACE="0",
        RECONCILER_CORRECTIONS__MODE="update",
        RECONCILER_BUDGET__SHARE="0.25",
        RECONCILER_STRIPE__LIVEMODE="true",
        RECONCILER_PAYMENTS__TABLE="shop.payments",
        RECONCILER_PAYMENTS__READ__LATE="processing",
        RECONCILER_PAYMENTS__METADATA='{"app": "shop"}',
    )
    assert settings.corrections.grace == timedelta(0)
    assert settings.corrections.mode is Mode.UPDATE
    assert settings.budget.share == 0.25
    assert settings.stripe.livemode is True
    assert settings.table.table == "shop.payments"
    assert settings.table.read == {
        "pending": Outcome.INCOMPLETE,
        "paid": Outcome.SUCCEEDED,
        "late": Outcome.PROCESSING,
    }
    assert settings.table.metadata == {"app": "shop"}


def test_the_environment_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container without a file can be configured by its environment alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("reconciler.settings.loading.CANDIDATES", (Path("reconciler.toml"),))
    columns = {
        "TABLE": "payments",
        "KEY": "id",
        "PAYMENT_INTENT": "pi",
        "STATUS": "status",
        "AMOUNT": "amount",
        "CURRENCY_CONSTANT": "EUR",
        "CREATED": "created",
        "READ": '{"open": "incomplete", "paid": "succeeded"}',
        "WRITE": '{"succeeded": "paid"}',
    }
    environ = {f"RECONCILER_PAYMENTS__{key}": value for key, value in columns.items()}
    settings = load(None, {**ENVIRON, **environ})
    assert settings.table.currency_constant == "eur"
    assert settings.table.read["open"] is Outcome.INCOMPLETE


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("RECONCILER_SWEEP_HORIZON", "3d", "RECONCILER_SWEEP__HORIZON"),
        ("RECONCILER_SWEPT__HORIZON", "3d", 'Did you mean "sweep"?'),
        ("RECONCILER_SWEEP__HORIZONT", "3d", 'Did you mean "horizon"?'),
        ("RECONCILER_PAYMENTS__METADATA", "app=shop", "must be JSON"),
        ("RECONCILER_ACCOUNTS", "[", "must be JSON"),
        ("RECONCILER_PAYMENTS__METADATA", '{"app": "\\ud800"}', "must be JSON"),
        ("RECONCILER_PAYMENTS__METADATA", '{"\\ud800": "shop"}', "must be JSON"),
        ("RECONCILER_SWEEP", '"30d"', "a section with keys"),
        ("RECONCILER_SWEEP__HORIZON", "soon", "(set by RECONCILER_SWEEP__HORIZON)"),
    ],
)
def test_a_variable_that_is_wrong_is_a_fault(
    tmp_path: Path, variable: str, value: str, hint: str
) -> None:
    """A variable that sets nothing is a fault; a variable with a wrong value is named in the fault."""
    (fault,) = faults(tmp_path, VALID, **{variable: value})
    assert hint in fault


def test_variables_of_other_programs_are_ignored(tmp_path: Path) -> None:
    """A variable that only begins like one of Reconciler's is ignored."""
    assert loaded(tmp_path, VALID, RECONCILER_TEST_POSTGRES="/usr/lib", RECONCILERS="3").accounts


def test_the_database_url_with_the_most_specific_source_wins(tmp_path: Path) -> None:
    """RECONCILER_DATABASE__URL wins over DATABASE_URL, that over the file, and that over a credential."""
    text = VALID + '[database]\nurl = "postgresql:///file"\n'
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "database_url").write_text("postgresql:///credential\n")
    base = {"STRIPE_API_KEY": "rk_test_1", "CREDENTIALS_DIRECTORY": str(credentials)}
    both = {
        **base,
        "DATABASE_URL": "postgresql:///short",
        "RECONCILER_DATABASE__URL": "postgresql:///long",
    }

    def url(text: str, environ: dict[str, str]) -> str:
        return load(written(tmp_path, text), environ).database_url.get_secret_value()

    assert url(text, both) == "postgresql:///long"
    assert url(text, {**base, "DATABASE_URL": "postgresql:///short"}) == "postgresql:///short"
    assert url(text, base) == "postgresql:///file"
    assert url(VALID, base) == "postgresql:///credential"


def test_what_is_not_needed_may_be_missing(tmp_path: Path) -> None:
    """Settings load without a key and a table if a command needs neither; using them later says what is missing."""
    path = written(tmp_path, "")
    settings = load(path, {}, need_stripe=False, need_table=False, need_database=False)
    with pytest.raises(ConfigurationError, match=r"payments\.table is missing"):
        _ = settings.table
    with pytest.raises(ConfigurationError, match=r"database\.url is missing"):
        _ = settings.database_url
    with pytest.raises(ConfigurationError, match="no Stripe key"):
        _ = settings.account(None).api_key


def test_everything_that_is_missing_is_reported_at_once(tmp_path: Path) -> None:
    """An empty configuration is three faults: the table, the database and the key."""
    with pytest.raises(ConfigurationError) as caught:
        load(written(tmp_path, ""), {})
    table, database, key = caught.value.faults
    assert "config/reconciler.toml" in table.hint
    assert "DATABASE_URL" in database.hint
    assert "STRIPE_API_KEY" in key.hint


def test_choosing_an_account(tmp_path: Path) -> None:
    """With several accounts one has to be named; a wrong name is answered with the right ones."""
    text = VALID.replace("[payments.read]", 'account = "shop"\n[payments.read]') + (
        '[[accounts]]\nname = "eu"\nstripe_account = "acct_1"\n'
        '[[accounts]]\nname = "us"\nstripe_account = "acct_2"\n'
    )
    settings = loaded(tmp_path, text)
    assert settings.account("us").stripe_account == "acct_2"
    with pytest.raises(UsageError, match="eu, us"):
        settings.account(None)
    with pytest.raises(UsageError, match="eu, us"):
        settings.account("asia")


def test_settings_are_frozen(tmp_path: Path) -> None:
    """A running program cannot change its configuration."""
    settings = loaded(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.sweep.horizon = timedelta(days=1)
    with pytest.raises(AttributeError):
        settings.source = None  # type: ignore[misc]
