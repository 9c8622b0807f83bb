"""The sections of the configuration file: every key, its default, and the sentence that the reference has for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from reconciler.domain.model.payment import StatusMap
from reconciler.engine.report import Mode
from reconciler.settings.values import (
    AccountName,
    ApiBase,
    Column,
    Count,
    Currency,
    Duration,
    EndpointUrl,
    KeyFile,
    Listen,
    LocalStatus,
    MetadataKey,
    ModeName,
    Number,
    PositiveDuration,
    ReadOutcome,
    RequestDuration,
    StripeAccount,
    Table,
    WriteOutcome,
)


class Section(BaseModel):
    """One table of the file. Frozen, and it has no key but those written here."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StripeSection(Section):
    """Where Stripe is, and which mode we expect there. The key itself never stands in a file."""

    api_base: ApiBase = Field(
        default="https://api.stripe.com",
        description="Stripe's address, for a proxy or a test server.",
    )
    livemode: bool | None = Field(
        default=None,
        description="Must match the key and every object that Stripe shows; unset: not checked.",
    )


class DatabaseSection(Section):
    """The database that has the merchant's table and our schema."""

    url: SecretStr | None = Field(
        default=None,
        description='The database, such as "postgresql:///shop". DATABASE_URL wins over it; '
        "a password is better kept there.",
    )


class PaymentsSection(Section):
    """The merchant's table. Names are written as the database stores them, without quotes."""

    table: Table = Field(description='The table, as "schema.table".')
    key: Column = Field(description="The column that names a row: uuid, integer or text.")
    payment_intent: Column = Field(description="The column with the PaymentIntent's id (pi_…).")
    status: Column = Field(description="The column with the payment's status.")
    amount: Column = Field(description="The column with the amount, integer or numeric.")
    amount_unit: Literal["minor", "major"] = Field(
        default="minor",
        description='"minor" where 12.50 EUR is stored as 1250, "major" where as 12.50.',
    )
    currency: Column | None = Field(
        default=None, description="The column with the currency; this or currency_constant."
    )
    currency_constant: Currency | None = Field(
        default=None,
        description='The one currency of the table, such as "eur", where it has no column.',
    )
    created: Column = Field(
        description="The column with the time of creation; one without a zone is read as UTC."
    )
    created_unit: Literal["s", "ms"] | None = Field(
        default=None,
        description='Where created is a number: "s" or "ms" since 1970; unset: a timestamp.',
    )
    updated: Column | None = Field(
        default=None, description="The column to set to now on a correction; unset: none."
    )
    order: Column | None = Field(
        default=None,
        description="The column with the order, to find orders paid twice; unset: not looked for.",
    )
    link_metadata: MetadataKey | None = Field(
        default=None,
        description="The intent's metadata key that holds the order, to join rows whose PaymentIntent "
        "is still null; needs order.",
    )
    metadata: dict[str, str] = Field(
        default_factory=dict,
        description="An intent without a row is ours only where its metadata has all of these.",
    )
    account: Column | None = Field(
        default=None,
        description="The column with the account's name; needed with several [[accounts]].",
    )
    read: dict[LocalStatus, ReadOutcome] = Field(
        description="What each local status means: incomplete, failed, processing, authorized, "
        "succeeded, canceled, refunded or disputed."
    )
    write: dict[WriteOutcome, LocalStatus] = Field(
        default_factory=dict,
        description="The local status to write for an outcome; one that is not here is flagged, not written.",
    )

    @property
    def statuses(self) -> StatusMap:
        """Both directions of the mapping, as the rules take it."""
        return StatusMap(read=dict(self.read), write=dict(self.write))


class CorrectionsSection(Section):
    """What may be changed, and how fast."""

    mode: ModeName = Field(
        default=Mode.REPORT,
        description='What the service may do: "report" writes findings alone, "update" rows as well.',
    )
    grace: Duration = Field(
        default=timedelta(minutes=2),
        description="How long a webhook may be on its way before we act.",
    )
    per_hour: Count = Field(
        default=500,
        ge=0,
        description="Rows that the service corrects in an hour at most; --apply is not bound.",
    )


class BudgetSection(Section):
    """How much of Stripe's limits we take. The checkout lives on the rest."""

    share: Number = Field(
        default=0.5,
        gt=0,
        le=1,
        description="The part of every limit that we use, of those set here too.",
    )
    global_per_second: Number | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Requests a second; unset: 100 live, 25 in test mode.",
    )
    endpoint_per_second: Number | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Requests a second on one endpoint; unset: 25.",
    )
    search_per_second: Number | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="Searches a second; unset: 20."
    )
    reads_per_30_days: Count | None = Field(
        default=None,
        gt=0,
        description="Reads in 30 days. Stripe allows 500 for each transaction and never less than 10,000.",
    )


class SweepSection(Section):
    """What a sweep covers by itself."""

    horizon: PositiveDuration = Field(
        default=timedelta(days=30),
        description="The age past which an open payment is no longer polled.",
    )


class ServiceSection(Section):
    """How often the service makes which pass, and where it can be watched."""

    tail: PositiveDuration = Field(
        default=timedelta(minutes=1),
        description="How often the events since the last look are read: one read each time, where there is nothing new.",
    )
    due: PositiveDuration = Field(
        default=timedelta(minutes=5),
        description="How often open payments whose time has come are asked for.",
    )
    window: PositiveDuration = Field(
        default=timedelta(days=1),
        description="How often everything within the horizon is compared in both directions.",
    )
    housekeeping: PositiveDuration = Field(
        default=timedelta(hours=1),
        description="How often what is no longer needed of our own tables is removed.",
    )
    lease: PositiveDuration = Field(
        default=timedelta(seconds=30),
        description="How long an account stays ours without renewal: after a crash another process takes over "
        "within twice this time.",
    )
    stall: PositiveDuration = Field(
        default=timedelta(minutes=3),
        description="How long a sweep may go without a page or a read, and other work without a step, before it counts as stuck.",
    )
    listen: Listen = Field(
        default="127.0.0.1:9464",
        description='Where /metrics, /healthz and /readyz are served; "" for nowhere.',
    )


class DeliverySection(Section):
    """Where the service delivers the outbox. The secret that signs it never stands in a file of this form."""

    url: EndpointUrl | None = Field(
        default=None,
        description="The endpoint that each outbox row is POSTed to, https unless it is on this machine; unset: nothing "
        "is delivered, the outbox is for a worker of yours.",
    )
    secret_file: KeyFile | None = Field(
        default=None,
        description="The file with the signing secret (whsec_…); unset: RECONCILER_SIGNING_SECRET, else the systemd "
        "credential signing_secret. A relative path is looked up as that of a key_file.",
    )
    timeout: RequestDuration = Field(
        default=timedelta(seconds=10),
        description="How long a delivery may take in all, a minute at most.",
    )
    every: PositiveDuration = Field(
        default=timedelta(seconds=10),
        description="How often the outbox is looked at for what is due.",
    )
    give_up: PositiveDuration = Field(
        default=timedelta(days=3),
        description="How long a row is tried; after that it stays in the outbox, and status is critical.",
    )


class AccountSection(Section):
    """One Stripe account of several. Without this table there is one account, named default."""

    name: AccountName = Field(description="The account's name, as payments.account holds it.")
    key_file: KeyFile | None = Field(
        default=None,
        description="The file with its key; unset: STRIPE_API_KEY. A relative path is looked up in "
        "$CREDENTIALS_DIRECTORY, then beside the configuration file.",
    )
    stripe_account: StripeAccount | None = Field(
        default=None, description="The connected account (acct_…) that a platform's key acts for."
    )
    livemode: bool | None = Field(
        default=None, description="As stripe.livemode, for this account alone."
    )


class Configuration(BaseSettings):
    """All that a file and the environment say. It reads neither by itself: ``load`` hands it what they say."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    stripe: StripeSection = StripeSection()
    database: DatabaseSection = DatabaseSection()
    payments: PaymentsSection | None = None
    corrections: CorrectionsSection = CorrectionsSection()
    budget: BudgetSection = BudgetSection()
    sweep: SweepSection = SweepSection()
    service: ServiceSection = ServiceSection()
    delivery: DeliverySection = DeliverySection()
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
