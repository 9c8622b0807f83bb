"""Shapes of tables as merchants have them, with the values that suit their columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from reconciler.domain.model.payment import StatusMap
from reconciler.domain.outcome import Outcome
from tests.acceptance.installation import NOW

AGE = timedelta(days=2)
CREATED = NOW - AGE
UUID = "0b0f7e5c-1111-4222-8333-00000000000{}"
STATUS_TYPE = "CREATE TYPE \"PaymentState\" AS ENUM ('Pending', 'Paid', 'Off')"
ENUM = StatusMap(
    read={"Pending": Outcome.INCOMPLETE, "Paid": Outcome.SUCCEEDED, "Off": Outcome.CANCELED},
    write={Outcome.SUCCEEDED: "Paid", Outcome.CANCELED: "Off"},
)
NUMBERS = StatusMap(
    read={"0": Outcome.INCOMPLETE, "1": Outcome.SUCCEEDED, "2": Outcome.CANCELED},
    write={Outcome.SUCCEEDED: "1", Outcome.CANCELED: "2"},
)


@dataclass(frozen=True)
class TableShape:
    """A table, and how its values are written. ``words`` are its statuses for pending, paid and canceled."""

    columns: dict[str, tuple[str, str] | None] = field(default_factory=dict)
    table: str = "public.payments"
    before: tuple[str, ...] = ()
    statuses: StatusMap | None = None
    words: tuple[str, str, str] = ("pending", "paid", "canceled")
    mapping: dict[str, Any] = field(default_factory=dict)
    key: Callable[[int], object] = lambda number: number
    amount: Callable[[int], object] = lambda minor: minor
    created: object = CREATED.isoformat()
    stored_currency: str = "eur"


SHAPES = {
    "plain": TableShape(),
    "uuid keys": TableShape({"key": ("id", "uuid PRIMARY KEY")}, key=UUID.format),
    "text keys": TableShape({"key": ("id", "text PRIMARY KEY")}, key=lambda n: f"ord'{n}/ü,{{}}"),
    "varchar keys": TableShape({"key": ("id", "varchar(12) PRIMARY KEY")}, key=lambda n: f"A-{n}"),
    "padded everywhere": TableShape(
        {
            "key": ("id", "char(20) PRIMARY KEY"),
            "payment_intent": ("pi", "char(60)"),
            "status": ("status", "char(20)"),
            "currency": ("currency", "char(5)"),
            "order": ("order_id", "char(20)"),
        },
        key=lambda n: f"k{n}",
    ),
    "varchar statuses": TableShape({"status": ("status", "varchar(20)")}),
    "enum statuses": TableShape(
        {"status": ("status", '"PaymentState"')},
        before=(STATUS_TYPE,),
        statuses=ENUM,
        words=("Pending", "Paid", "Off"),
    ),
    "statuses as numbers": TableShape(
        {"status": ("status", "smallint")}, statuses=NUMBERS, words=("0", "1", "2")
    ),
    "mixed case and reserved words": TableShape(
        {
            "key": ("select", "bigint PRIMARY KEY"),
            "payment_intent": ("paymentIntent", "text"),
            "status": ("order", "text"),
            "amount": ("Amount (cents)", "bigint"),
            "currency": ("user", "text"),
            "created": ("createdAt", "timestamptz"),
            "updated": ("table", "timestamptz"),
            "order": ("Ordre n° ';--", "text"),
        },
        table="Order.user",
        before=('CREATE SCHEMA "Order"',),
    ),
    "another schema": TableShape(table="shop.payments", before=("CREATE SCHEMA shop",)),
    "major units": TableShape(
        {"amount": ("total", "numeric(12,2)")},
        mapping={"amount_unit": "major"},
        amount=lambda minor: f"{minor // 100}.{minor % 100:02}",
    ),
    "major units without scale": TableShape(
        {"amount": ("total", "numeric")},
        mapping={"amount_unit": "major"},
        amount=lambda minor: f"{minor // 100}.{minor % 100:02}000",
    ),
    "minor units as numeric": TableShape({"amount": ("amount", "numeric(20,4)")}),
    "epoch seconds": TableShape(
        {"created": ("created", "bigint"), "updated": ("updated", "bigint")},
        mapping={"created_unit": "s"},
        created=int(CREATED.timestamp()),
    ),
    "epoch milliseconds": TableShape(
        {"created": ("created", "bigint"), "updated": ("updated", "bigint")},
        mapping={"created_unit": "ms"},
        created=int(CREATED.timestamp() * 1000),
    ),
    "timestamps without a zone": TableShape(
        {"created": ("created_at", "timestamp"), "updated": ("updated_at", "timestamp")},
        created=CREATED.strftime("%Y-%m-%d %H:%M:%S"),
    ),
    "dates": TableShape({"created": ("day", "date")}, created=CREATED.strftime("%Y-%m-%d")),
    "upper-case currencies": TableShape(stored_currency="EUR"),
    "one currency": TableShape({"currency": None}, mapping={"currency_constant": "EUR"}),
    "no more than needed": TableShape({"updated": None, "order": None}),
}
