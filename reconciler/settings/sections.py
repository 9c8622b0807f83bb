"""The sections of the configuration file: every key, its default, and its sentence in the reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta, tzinfo
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from reconciler.domain.model.payment import StatusMap, TableMapping
from reconciler.engine.report import Mode
from reconciler.settings.account_section import AccountSection
from reconciler.settings.base_section import Section
from reconciler.settings.durations import Duration, PositiveDuration, RequestDuration
from reconciler.settings.metadata_values import MetadataKey, MetadataValue
from reconciler.settings.review_section import ReviewSection
from reconciler.settings.values import (
    KEEP,
    AnchorFile,
    ApiBase,
    Column,
    ColumnOrSql,
    Command,
    Condition,
    Count,
    Currency,
    EndpointUrl,
    HeaderName,
    HostName,
    KeyFile,
    Listen,
    LocalStatus,
    ModeName,
    Network,
    Number,
    ReadOutcome,
    SetValue,
    Table,
    TimeZone,
    WriteOutcome,
    zone_of,
)


class StripeSection(Section):
    """Where Stripe is, and which mode is expected there. The file never contains the key itself."""

    api_base: ApiBase = Field(
        default="https://api.stripe.com",
        description="Stripe's URL. Set another one for a proxy or a test server.",
    )
    livemode: bool | None = Field(
        default=None,
        description="true for live mode, false for test mode. The key and every object have to match it. Unset: not checked.",
    )


class DatabaseSection(Section):
    """The database with the merchant's table and the schema ``reconciler``."""

    url: SecretStr | None = Field(
        default=None,
        description='The database\'s URL, such as "postgresql:///shop". DATABASE_URL wins over it, and is the better '
        "place for a password.",
    )


class PaymentsSection(Section):
    """The merchant's table. Names are written as the database stores them, without quotes.

    In the place of a column that is only read, { sql = "…" } gives an SQL expression over the row t.
    """

    table: Table = Field(description='The table, as "schema.table".')
    key: Column = Field(description="The column that names a row: uuid, integer or text.")
    payment_intent: ColumnOrSql = Field(
        description="The column with the PaymentIntent's id (pi_…)."
    )
    status: ColumnOrSql = Field(description="The column with the payment's status.")
    amount: ColumnOrSql = Field(description="The column with the amount, integer or numeric.")
    amount_unit: Literal["minor", "major"] = Field(
        default="minor",
        description='"minor" if 12.50 EUR is stored as 1250, "major" if it is stored as 12.50.',
    )
    currency: ColumnOrSql | None = Field(
        default=None,
        description="The column with the currency; set either this or currency_constant.",
    )
    currency_constant: Currency | None = Field(
        default=None,
        description='The one currency of the table, such as "eur", if it has no column for it.',
    )
    created: ColumnOrSql = Field(
        description="The column with the time of creation; a time without a zone is read as UTC."
    )
    created_unit: Literal["s", "ms"] | None = Field(
        default=None,
        description='If created is a number: "s" or "ms" since 1970; unset: created is a timestamp.',
    )
    updated: Column | None = Field(
        default=None,
        description="The column that a correction sets to the current time; unset: none.",
    )
    order: ColumnOrSql | None = Field(
        default=None,
        description="The column with the order, to find orders that were paid twice; unset: not searched for.",
    )
    link_metadata: MetadataKey | None = Field(
        default=None,
        description="The metadata key of a PaymentIntent that holds its order. By it, Reconciler matches the "
        "PaymentIntent to a row whose PaymentIntent is still null. Needs order.",
    )
    link_description: bool = Field(
        default=False,
        description="Whether a paid PaymentIntent is matched by its description if its metadata name no order. The whole "
        "description, trimmed, has to be the order; amount and currency have to be those of the row. Needs order.",
    )
    metadata: dict[str, MetadataValue] = Field(
        default_factory=dict,
        description="A PaymentIntent without a row belongs to this table only if its metadata has all these keys and values.",
    )
    metadata_keys: tuple[MetadataKey, ...] = Field(
        default=(),
        description="A PaymentIntent without a row belongs to this table only if its metadata has all of these keys, with "
        "any values.",
    )
    account: ColumnOrSql | None = Field(
        default=None,
        description="The column that says which account a row belongs to; required if there are several [[accounts]].",
    )
    where: Condition | None = Field(
        default=None,
        description='SQL that a row must fulfil to belong to this table\'s payments, such as "deleted_at IS NULL"; unset: '
        "every row. Reconciler never writes other rows. It reads them only to see which rows share an order or a PaymentIntent.",
    )
    read: dict[LocalStatus, ReadOutcome] = Field(
        description="The outcome that each local status means: incomplete, failed, processing, authorized, "
        "succeeded, canceled, refunded or disputed."
    )
    write: dict[WriteOutcome, LocalStatus] = Field(
        default_factory=dict,
        description='The local status to write for each outcome. An outcome without one is left to a person. "keep" (only for '
        "failed and canceled) leaves rows as they are if they mean incomplete or failed.",
    )

    set: dict[WriteOutcome, dict[Column, SetValue]] = Field(
        default_factory=dict,
        description='For each outcome, the other columns that a correction to it writes: each with a value, or { sql = "…" } '
        "over the row t.",
    )

    @property
    def links(self) -> bool:
        """Whether a correction may write a PaymentIntent to a row that has none."""
        return self.link_metadata is not None or self.link_description

    @property
    def required_metadata(self) -> Mapping[str, str | None]:
        """What the metadata of a PaymentIntent without a row must hold: for each key its value, or None for any value."""
        return {**dict.fromkeys(self.metadata_keys), **self.metadata}

    @property
    def statuses(self) -> StatusMap:
        """Both directions of the mapping, as the rules take it."""
        write = {outcome: word for outcome, word in self.write.items() if word != KEEP}
        kept = frozenset(outcome for outcome, word in self.write.items() if word == KEEP)
        return StatusMap(read=dict(self.read), write=write, kept=kept)

    @property
    def mapping(self) -> TableMapping:
        """The names and units of the table: the keys of this section that are fields of a TableMapping."""
        return TableMapping(
            **{field.name: getattr(self, field.name) for field in fields(TableMapping)}
        )


class CorrectionsSection(Section):
    """What Reconciler may change, and how fast."""

    mode: ModeName = Field(
        default=Mode.REPORT,
        description='What the service may write: "report" only findings, "update" your rows too.',
    )
    grace: Duration = Field(
        default=timedelta(minutes=2),
        description="How long a webhook may take to arrive before Reconciler acts on a difference.",
    )
    per_hour: Count = Field(
        default=500,
        ge=0,
        le=10**9,
        description="The most rows that the service corrects in an hour; --apply has no such limit.",
    )
    relink: bool = Field(
        default=False,
        description=(
            "Whether a sweep may replace the PaymentIntent of a row if another one certainly paid for its order "
            "(paid_by_other_intent)."
        ),
    )


class StatementSection(Section):
    """The statement of a period, for finance."""

    timezone: TimeZone = Field(
        default="UTC",
        description="The time zone of the books: a day of a statement begins at its midnight. Change it only between "
        "two periods, because the days before were added up in the old time zone.",
    )

    @property
    def zone(self) -> tzinfo:
        """The time zone of the books."""
        return zone_of(self.timezone)


class LedgerSection(Section):
    """Where the head of the ledger is anchored outside the database, after each sweep that added entries."""

    anchor_file: AnchorFile | None = Field(
        default=None,
        description="The absolute path of a file to which Reconciler adds each anchor, as a line with "
        "account, seq, hash and at, for verify --anchor. Unset: none.",
    )
    anchor_command: Command = Field(
        default=(),
        description="A program and its arguments. Reconciler starts the program without a shell, gives it each anchor as a line on its "
        "standard input, and kills it if it runs longer than 10 s. Unset: none.",
    )

    @property
    def is_used(self) -> bool:
        """Whether a head is written anywhere."""
        return self.anchor_file is not None or bool(self.anchor_command)


class BudgetSection(Section):
    """The part of Stripe's limits that Reconciler uses. The rest is left to the merchant's checkout."""

    share: Number = Field(
        default=0.5,
        ge=0.001,
        le=1,
        description="The part of each limit that Reconciler uses. It applies to the limits that are set here too.",
    )
    global_per_second: Number | None = Field(
        default=None,
        ge=0.001,
        le=1_000_000,
        allow_inf_nan=False,
        description="Stripe's limit of requests a second; unset: 100 in live mode, 25 in test mode.",
    )
    endpoint_per_second: Number | None = Field(
        default=None,
        ge=0.001,
        le=1_000_000,
        allow_inf_nan=False,
        description="Stripe's limit of requests a second on one endpoint; unset: 25.",
    )
    search_per_second: Number | None = Field(
        default=None,
        ge=0.001,
        le=1_000_000,
        allow_inf_nan=False,
        description="Stripe's limit of searches a second; unset: 20.",
    )
    reads_per_30_days: Count | None = Field(
        default=None,
        gt=0,
        le=10**12,
        description="Stripe's limit of reads in 30 days; unset: 500 for each transaction, and 10,000 at least.",
    )


class SweepSection(Section):
    """What a sweep covers if its options do not say."""

    horizon: PositiveDuration = Field(
        default=timedelta(days=30),
        description="The age after which open payments are no longer polled, and how far back a window sweep reads.",
    )


class ServiceSection(Section):
    """How often the service makes each kind of sweep, and where it serves its metrics."""

    tail: PositiveDuration = Field(
        default=timedelta(minutes=1),
        description="How often the service reads Stripe's new events; rarer if the read quota is small. With no events this costs one read.",
    )
    due: PositiveDuration = Field(
        default=timedelta(minutes=5),
        description="How often the open payments that are due for a poll are read.",
    )
    window: PositiveDuration = Field(
        default=timedelta(days=1),
        description="How often the service compares every payment that was created within the horizon: each row, and each PaymentIntent.",
    )
    housekeeping: PositiveDuration = Field(
        default=timedelta(hours=1),
        description="How often rows that are no longer needed are deleted from Reconciler's own tables.",
    )
    lease: PositiveDuration = Field(
        default=timedelta(seconds=30),
        description="How long a process keeps an account without renewing its lease. After a crash another process "
        "takes over within twice this time.",
    )
    stall: PositiveDuration = Field(
        default=timedelta(minutes=3),
        description="How long a sweep may run without a read or a recorded page, and other work without a step, before the service counts as stuck.",
    )
    listen: Listen = Field(
        default="127.0.0.1:9464",
        description='The address and port that serve /metrics, /healthz and /readyz; "" serves nothing.',
    )
    hosts: tuple[HostName, ...] = Field(
        default=(),
        description="Further host names that the port answers to, such as the name that Prometheus uses. It also answers to this "
        "machine's loopback and to the host of listen. A request with any other name gets 421.",
    )


class DeliverySection(Section):
    """Where the service delivers the outbox. The configuration file never contains the secret that signs it."""

    url: EndpointUrl | None = Field(
        default=None,
        description="The endpoint to which the service POSTs each outbox row, with https unless it is on this "
        "machine. Unset: nothing is delivered, and your own worker reads the outbox.",
    )
    secret_file: KeyFile | None = Field(
        default=None,
        description="The file with the signing secret (whsec_…); unset: RECONCILER_SIGNING_SECRET, else the systemd "
        "credential signing_secret. A relative path is searched for in the same places as a key_file.",
    )
    timeout: RequestDuration = Field(
        default=timedelta(seconds=10),
        description="How long one delivery may take in all; a minute at most.",
    )
    every: PositiveDuration = Field(
        default=timedelta(seconds=10),
        description="How often the service searches the outbox for rows that are due.",
    )
    give_up: PositiveDuration = Field(
        default=timedelta(days=3),
        description="How long the service retries an outbox row. After that the row stays, and reconciler status is critical.",
    )


class WebSection(Section):
    """The finance pages: where they are served, and who may see them."""

    listen: Listen = Field(
        default="127.0.0.1:9465",
        description="The address and port of the pages. Passwords cross the network in plain text, so an address other "
        "than this machine's own needs a reverse proxy with TLS in trusted_proxies.",
    )
    users_file: KeyFile | None = Field(
        default=None,
        description="The file with a line for each person: name, viewer or reviewer, and the hash of a password. A "
        "relative path is searched for in the same places as a key_file.",
    )
    user_header: HeaderName | None = Field(
        default=None,
        description='The header in which a reverse proxy names the person who has logged in there, such as "X-Forwarded-User"; '
        "unset: none is read.",
    )
    trusted_proxies: tuple[Network, ...] = Field(
        default=(),
        description="The addresses or networks of the reverse proxies whose user_header counts. A request from elsewhere that has "
        "the header is refused.",
    )


class Configuration(BaseSettings):
    """The whole configuration, validated. It reads neither file nor environment: ``load`` gives it their values."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    stripe: StripeSection = StripeSection()
    database: DatabaseSection = DatabaseSection()
    payments: PaymentsSection | None = None
    corrections: CorrectionsSection = CorrectionsSection()
    budget: BudgetSection = BudgetSection()
    sweep: SweepSection = SweepSection()
    statement: StatementSection = StatementSection()
    ledger: LedgerSection = LedgerSection()
    review: ReviewSection = ReviewSection()
    service: ServiceSection = ServiceSection()
    delivery: DeliverySection = DeliverySection()
    web: WebSection = WebSection()
    accounts: tuple[AccountSection, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic-settings'
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)
