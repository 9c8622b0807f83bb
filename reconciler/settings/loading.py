"""Loads the settings from a file and the environment, and reports every fault at once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr, ValidationError
from pydantic_settings import TomlConfigSettingsSource

from reconciler.domain.model.payment import AccountRows
from reconciler.errors import ConfigurationError, ConfigurationFault, UsageError
from reconciler.settings.account_section import AccountSection
from reconciler.settings.environment import (
    CANDIDATES,
    CONFIG_VARIABLE,
    DATABASE_VARIABLE,
    EnvironmentSource,
    credential,
    is_file,
    merge,
)
from reconciler.settings.faults import configuration_faults
from reconciler.settings.keys import (
    NO_KEY,
    FoundKey,
    default_key,
    key_path,
    mode_fault,
    read_key_file,
)
from reconciler.settings.review_section import ReviewSection
from reconciler.settings.rules import joint_faults, shown_name
from reconciler.settings.sections import (
    BudgetSection,
    Configuration,
    CorrectionsSection,
    DatabaseSection,
    DeliverySection,
    LedgerSection,
    PaymentsSection,
    ServiceSection,
    StatementSection,
    StripeSection,
    SweepSection,
    WebSection,
)
from reconciler.settings.signing import signing_secret

DEFAULT_ACCOUNT: Final = "default"
DATABASE_CREDENTIAL: Final = "database_url"
NO_TABLE: Final = ConfigurationFault(
    "payments.table is missing: Reconciler does not know where your payments are.",
    "Copy [payments] from config/reconciler.toml, and name your table and its columns in it.",
)
NO_DATABASE: Final = ConfigurationFault(
    "database.url is missing.",
    f'Set {DATABASE_VARIABLE}, such as "postgresql:///shop", or url under [database].',
)


@dataclass(frozen=True, slots=True)
class Account:
    """One Stripe account to work on. ``key`` is None if the settings were loaded without keys.

    ``key_file`` is the file that the key was read from, None if it comes from the environment.
    ``value`` and ``holds_null`` say which rows are its own, as ``AccountRows`` has it.
    """

    name: str
    key: SecretStr | None
    stripe_account: str | None
    livemode: bool | None
    key_file: Path | None = None
    value: str | None = None
    holds_null: bool = False

    @property
    def rows(self) -> AccountRows:
        """Which rows of the merchant's table belong to the account."""
        return AccountRows(self.name, self.value, self.holds_null)

    @property
    def api_key(self) -> SecretStr:
        """The key. Raises ConfigurationError if there is none."""
        if self.key is None:
            raise ConfigurationError((NO_KEY,))
        return self.key


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration. ``source`` is its file, None if everything comes from the environment."""

    source: Path | None
    stripe: StripeSection
    database: DatabaseSection
    payments: PaymentsSection | None
    corrections: CorrectionsSection
    budget: BudgetSection
    sweep: SweepSection
    accounts: tuple[Account, ...]
    statement: StatementSection = field(default_factory=StatementSection)
    ledger: LedgerSection = field(default_factory=LedgerSection)
    review: ReviewSection = field(default_factory=ReviewSection)
    service: ServiceSection = field(default_factory=ServiceSection)
    delivery: DeliverySection = field(default_factory=DeliverySection)
    web: WebSection = field(default_factory=WebSection)
    signing_secret: SecretStr | None = None

    @property
    def table(self) -> PaymentsSection:
        """The mapping of the merchant's table. Raises ConfigurationError if there is none."""
        if self.payments is None:
            raise ConfigurationError((NO_TABLE,))
        return self.payments

    @property
    def database_url(self) -> SecretStr:
        """The database's URL. Raises ConfigurationError if there is none."""
        if self.database.url is None:
            raise ConfigurationError((NO_DATABASE,))
        return self.database.url

    def account(self, name: str | None) -> Account:
        """The account of that name, or the only one. Raises UsageError if none fits, or if several do."""
        names = ", ".join(account.name for account in self.accounts)
        if name is None:
            if len(self.accounts) == 1:
                return self.accounts[0]
            raise UsageError("There are several accounts.", f"Name one with --account: {names}.")
        for account in self.accounts:
            if account.name == name:
                return account
        raise UsageError(f'There is no account "{name}".', f"The accounts are: {names}.")


def load(
    path: Path | None,
    environ: Mapping[str, str],
    *,
    need_stripe: bool = True,
    need_table: bool = True,
    need_database: bool = True,
    need_delivery: bool = True,
    use_file: bool = True,
) -> Settings:
    """The settings of a file and an environment. The environment wins over the file. Without ``use_file`` no file is read.

    ``path`` is the file that --config names; without one it is searched for. A part that is not needed may be missing,
    but if it is there, it must be right. Only keys and the signing secret are not read at all if they are not needed.
    Raises ConfigurationError with every fault.
    """
    source = find_file(path, environ) if use_file else None
    faults: list[ConfigurationFault] = []
    raw, overrides = written(source, environ, faults)

    # each step adds its faults and goes on, so that a person sees all of them at once
    configuration = None
    try:
        configuration = Configuration(**raw)
    except ValidationError as error:
        faults += configuration_faults(error, overrides)
    faults += joint_faults(raw)
    faults += _missing(raw, need_table=need_table, need_database=need_database)
    keys = _keys(raw, environ, source, faults) if need_stripe else ()
    secret = signing_secret(raw, environ, source, faults) if need_delivery else None
    if faults or configuration is None:
        raise ConfigurationError(tuple(dict.fromkeys(faults)))

    return Settings(
        source=source,
        stripe=configuration.stripe,
        database=configuration.database,
        payments=configuration.payments,
        corrections=configuration.corrections,
        budget=configuration.budget,
        sweep=configuration.sweep,
        statement=configuration.statement,
        ledger=configuration.ledger,
        review=configuration.review,
        accounts=_accounts(configuration, keys),
        service=configuration.service,
        delivery=configuration.delivery,
        web=configuration.web,
        signing_secret=secret,
    )


def find_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The configuration file to read, None if there is none. Raises ConfigurationError if a named file does not exist."""
    named = environ.get(CONFIG_VARIABLE)
    # --config wins over the variable
    if path is None and named:
        path, origin = Path(named), CONFIG_VARIABLE
    else:
        origin = "--config"
    if path is None:
        return next((found for found in CANDIDATES if is_file(found)), None)
    if not is_file(path):
        fault = ConfigurationFault(
            f"{origin}: there is no file {path}.",
            "Correct the path, or start from config/reconciler.toml.",
        )
        raise ConfigurationError((fault,))
    return path


def written(
    source: Path | None, environ: Mapping[str, str], faults: list[ConfigurationFault]
) -> tuple[dict[str, Any], Mapping[tuple[str, ...], str]]:
    """The values of file and environment as they were written, and the variable that set each key."""
    environment = EnvironmentSource(Configuration, environ)
    overrides = environment.overrides
    faults += overrides.faults
    raw = merge(_file(source), environment())

    # RECONCILER_DATABASE__URL wins over DATABASE_URL, that over the file, and that over systemd's credential
    database = raw.get("database", {})
    if isinstance(database, dict):
        specific = database.get("url") if ("database", "url") in overrides.variables else None
        named = specific or environ.get(DATABASE_VARIABLE) or database.get("url")
        url = named or _url_credential(environ, faults)
        if url:
            raw["database"] = {**database, "url": url}
            faults += _url_faults(url)
    return raw, overrides.variables


def _file(source: Path | None) -> dict[str, Any]:
    if source is None:
        return {}
    try:
        return TomlConfigSettingsSource(Configuration, source).toml_data
    except tomllib.TOMLDecodeError as error:
        fault = ConfigurationFault(f"{source} is not TOML: {error}.", "Correct that line.")
    except UnicodeDecodeError:
        fault = ConfigurationFault(
            f"{source} is not TOML: it is not UTF-8 text.", "Save it as UTF-8."
        )
    except (ValueError, RecursionError):
        fault = ConfigurationFault(
            f"{source} cannot be used: a number has thousands of digits, or tables or lists are nested hundreds deep.",
            "Delete that line.",
        )
    except OSError as error:
        fault = ConfigurationFault(
            f"{source} cannot be read ({error.strerror}).", "Correct its permissions."
        )
    raise ConfigurationError((fault,))


def _url_credential(environ: Mapping[str, str], faults: list[ConfigurationFault]) -> str | None:
    path = credential(environ, DATABASE_CREDENTIAL)
    if path is None:
        return None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        faults.append(
            ConfigurationFault(
                f"credential {DATABASE_CREDENTIAL}: {path} cannot be read as text.",
                "Write the database's URL into it as one line.",
            )
        )
        return None


def _url_faults(url: object) -> list[ConfigurationFault]:
    if not isinstance(url, str) or url.startswith(("postgresql://", "postgres://")) or "=" in url:
        return []
    hint = 'Write it as "postgresql://user@host/database".'
    return [ConfigurationFault("database.url: this is not a PostgreSQL URL.", hint)]


def _missing(
    raw: Mapping[str, Any], *, need_table: bool, need_database: bool
) -> list[ConfigurationFault]:
    # a command of an auditor needs neither
    faults = []
    if need_table and not raw.get("payments"):
        faults.append(NO_TABLE)
    database = raw.get("database")
    if need_database and not (isinstance(database, Mapping) and database.get("url")):
        faults.append(NO_DATABASE)
    return faults


def _keys(
    raw: Mapping[str, Any],
    environ: Mapping[str, str],
    source: Path | None,
    faults: list[ConfigurationFault],
) -> tuple[FoundKey | None, ...]:
    """The key of each account, in the order of the file. Faults of other keys do not hide a key's own faults."""
    written = raw.get("accounts")
    sections = written if isinstance(written, list | tuple) and written else [{}]
    stripe = raw.get("stripe")
    default = _flag(stripe.get("livemode")) if isinstance(stripe, Mapping) else None
    keys = []
    for section in sections:
        if not isinstance(section, Mapping):
            continue
        named = section.get("key_file")
        if isinstance(named, str) and named:
            origin = f"key_file of the account {shown_name(section)}"
            found = read_key_file(key_path(Path(named), environ, source), origin)
        else:
            found = default_key(environ)

        # the account's own livemode wins over [stripe]'s, so that test and live accounts can be mixed
        own = _flag(section.get("livemode"))
        keys.append(_usable(found, default if own is None else own, faults))
    return tuple(keys)


def _flag(value: object) -> bool | None:
    """A boolean as a file or a variable writes it, None for any other value."""
    words = {"true": True, "false": False}
    if isinstance(value, str):
        return words.get(value.lower())
    return value if isinstance(value, bool) else None


def _usable(
    found: FoundKey, livemode: bool | None, faults: list[ConfigurationFault]
) -> FoundKey | None:
    if found.fault is not None:
        faults.append(found.fault)
        return None
    if found.key is None:
        faults.append(NO_KEY)
        return None
    fault = mode_fault(found.key, livemode, found.origin)
    if fault is not None:
        faults.append(fault)
        return None
    return found


def _accounts(
    configuration: Configuration, keys: tuple[FoundKey | None, ...]
) -> tuple[Account, ...]:
    sections = configuration.accounts or (AccountSection(name=DEFAULT_ACCOUNT),)
    default = configuration.stripe.livemode
    accounts = []
    for number, section in enumerate(sections):
        found = keys[number] if keys else None
        accounts.append(
            Account(
                name=section.name,
                key=None if found is None or found.key is None else SecretStr(found.key),
                stripe_account=section.stripe_account,
                livemode=default if section.livemode is None else section.livemode,
                key_file=None if found is None else found.file,
                value=section.value,
                holds_null=section.holds_null,
            )
        )
    return tuple(accounts)
