"""Tables of many shapes, as merchants have them, from doctor and dry run to apply, verify and revert."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from psycopg import sql

from tests.acceptance.installation import Installation
from tests.acceptance.schemas.table_shapes import CREATED, SHAPES, TableShape


def installation_for(
    make_installation: Callable[..., Installation], shape: TableShape
) -> Installation:
    """An installation with a table of this shape."""
    statuses = {} if shape.statuses is None else {"statuses": shape.statuses}
    installation = make_installation(
        table=shape.table,
        columns=shape.columns,
        before=shape.before,
        **statuses,
        **shape.mapping,
    )
    installation.set_clock_to_now()
    return installation


def add_payment_of_shape(
    installation: Installation, shape: TableShape, number: int, becomes: str | None
) -> str:
    """Add a pending payment to a table of this shape; returns its key as the table shows it."""
    made = installation.stripe.create_payment(1250 + number, "eur", at=CREATED)
    if becomes is not None:
        getattr(installation.stripe, becomes)(made.id, at=CREATED + timedelta(seconds=1))
    values: dict[str, object] = {
        "key": shape.key(number),
        "payment_intent": made.id,
        "status": shape.words[0],
        "amount": shape.amount(1250 + number),
        "created": shape.created,
    }
    if "currency" in installation.shop.names:
        values["currency"] = shape.stored_currency
    installation.shop.insert(**values)
    return str(shape.key(number))


def statuses_in_order(installation: Installation) -> list[str | None]:
    """The statuses without padding, in the order of the keys."""
    rows = sorted(installation.shop.rows().items())
    return [row["status"] and row["status"].strip() for _, row in rows]


# what differs from another shape in a type alone; the integration tests correct a row of each shape in every run
LONG = {
    "uuid keys",
    "enum statuses",
    "another schema",
    "minor units as numeric",
    "epoch seconds",
    "one currency",
    "varchar keys",
    "varchar statuses",
    "statuses as numbers",
    "major units without scale",
    "epoch milliseconds",
    "dates",
    "upper-case currencies",
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.long] if name in LONG else []) for name in SHAPES],
)
def test_a_table_of_any_shape_is_reconciled(
    make_installation: Callable[..., Installation], name: str
) -> None:
    """The doctor finds no fault, a dry run changes nothing, --apply corrects, verify succeeds, and revert restores."""
    shape = SHAPES[name]
    installation = installation_for(make_installation, shape)
    pending, paid, canceled = shape.words
    keys = [
        add_payment_of_shape(installation, shape, n, becomes)
        for n, becomes in enumerate(("succeed", "cancel", None), 1)
    ]
    doctor = installation.run("doctor")
    assert doctor.code == 0, doctor.out

    before = installation.dump()
    dry = installation.sweep().json
    assert (dry["complete"], dry["would_correct"], dry["examined"]) == (True, 2, 3)
    assert dry["at_stake"] == [{"kind": "missed_outcome", "currency": "eur", "amount": 2503}]
    assert installation.dump() == before

    applied = installation.sweep("--apply")
    assert (applied.code, applied.json["corrected"]) == (0, 2)
    assert statuses_in_order(installation) == [paid, canceled, pending]

    outbox = installation.query_dicts(
        "SELECT payment_key, from_status, to_status FROM reconciler.outbox ORDER BY 1"
    )
    assert [row["payment_key"].strip() for row in outbox] == keys[:2]
    assert [row["to_status"].strip() for row in outbox] == [paid, canceled]

    installation.check_ledger()
    again = installation.sweep("--apply").json
    assert (again["complete"], again["corrected"], again["discrepancies"]) == (True, 0, {})

    restored = installation.run("revert", str(applied.json["sweep"]), "--json")
    assert (restored.code, restored.json["reverted"]) == (0, 2)
    assert statuses_in_order(installation) == [pending] * 3

    installation.check_ledger()


def test_a_correction_sets_the_updated_column(
    make_installation: Callable[..., Installation],
) -> None:
    """The column of the last change is set to the present, in its own unit and time zone."""
    for number, (name, unit) in enumerate(
        (("epoch seconds", 1), ("epoch milliseconds", 1000), ("timestamps without a zone", 0))
    ):
        shape = SHAPES[name]
        table = f"public.payments{number}"
        installation = installation_for(
            make_installation,
            TableShape(shape.columns, table, mapping=shape.mapping, created=shape.created),
        )
        add_payment_of_shape(installation, shape, 1, "succeed")
        assert installation.run("migrate", "--rebind", "default").code == 0
        installation.sweep("--apply")
        column = sql.Identifier(installation.shop.names["updated"])
        stamp = (
            sql.SQL("extract(epoch FROM {} AT TIME ZONE 'UTC')").format(column)
            if unit == 0
            else sql.SQL("{} / {}.0").format(column, unit)
        )
        query = sql.SQL("SELECT abs(extract(epoch FROM now()) - {}) < 60 AS near FROM {}").format(
            stamp, installation.shop.table
        )
        assert installation.query_dicts(query.as_string()) == [{"near": True}], name


def test_a_range_means_the_same_for_every_column_type(
    make_installation: Callable[..., Installation],
) -> None:
    """--since and --until divide rows at the same second for every type of the column."""
    boundary = CREATED.strftime("%Y-%m-%dT%H:%M:%S")
    for number, name in enumerate(
        ("plain", "epoch seconds", "epoch milliseconds", "timestamps without a zone")
    ):
        shape = SHAPES[name]
        table = f"public.payments{number}"
        installation = installation_for(
            make_installation,
            TableShape(shape.columns, table, mapping=shape.mapping, created=shape.created),
        )
        add_payment_of_shape(installation, shape, 1, "succeed")
        for arguments, found in ((("--since", boundary), 1), (("--until", boundary), 0)):
            report = installation.sweep("--kind", "due", *arguments).json
            assert report["would_correct"] == found, (name, arguments)


def test_a_row_without_an_intent_is_found_by_its_order(
    make_installation: Callable[..., Installation],
) -> None:
    """The lost webhook had the id: the row is found by its order, corrected, given the id, and reverted with the id."""
    installation = make_installation()
    installation.configure(payments={"link_metadata": "order_id"})
    made = installation.stripe.create_payment(1250, "eur", at=CREATED, metadata={"order_id": "A-1"})
    installation.stripe.succeed(made.id, at=CREATED)
    installation.add_payment(9, "paid")
    for number, order in ((1, "A-1"), (2, "A-2")):
        installation.shop.insert(
            key=number, status="pending", order=order, created=CREATED.isoformat()
        )
    dry = installation.sweep().json
    assert dry["would_correct"] == 1

    report = installation.sweep("--apply").json
    assert (report["corrected"], report["discrepancies"]) == (1, {"missed_outcome": 1})

    row = installation.shop.rows()["1"]
    assert (row["status"], row["payment_intent"]) == ("paid", made.id)
    assert installation.shop.rows()["2"]["status"] == "pending"
    assert installation.run("revert", str(report["sweep"])).code == 0

    row = installation.shop.rows()["1"]
    assert (row["status"], row["payment_intent"]) == ("pending", None)

    installation.check_ledger()


def test_an_order_with_two_rows_or_intents_is_ambiguous(
    make_installation: Callable[..., Installation],
) -> None:
    """Two rows of one order, or two paid intents that name it, are flagged as ambiguous; nothing is written."""
    installation = make_installation()
    installation.configure(payments={"link_metadata": "order_id"})
    installation.add_payment(9, "paid")
    for order, rows, intents in (("A", (1, 2), 1), ("B", (3,), 2)):
        for number in rows:
            installation.shop.insert(
                key=number, status="pending", order=order, created=CREATED.isoformat()
            )
        for _ in range(intents):
            made = installation.stripe.create_payment(
                1250, "eur", at=CREATED, metadata={"order_id": order}
            )
            installation.stripe.succeed(made.id, at=CREATED)
    report = installation.sweep("--apply").json
    assert report["corrected"] == 0
    assert report["discrepancies"]["ambiguous_row"] == 3
    assert set(installation.statuses().values()) == {"pending", "paid"}
    assert [row["payment_intent"] for row in installation.shop.rows().values()].count(None) == 3


def test_two_open_rows_with_one_intent_are_ambiguous(installation: Installation) -> None:
    """It cannot be known which of the rows was paid: one critical discrepancy names both, and neither is written."""
    intent = installation.add_payment(1)
    installation.shop.insert(
        key=2, payment_intent=intent, status="pending", created=CREATED.isoformat()
    )
    for kind in ("due", "window"):
        report = installation.sweep("--kind", kind, "--apply").json
        assert (report["corrected"], report["discrepancies"]) == (0, {"ambiguous_row": 1})
    (found,) = installation.run("discrepancies", "--json").json
    assert found["severity"] == "critical"

    (keys,) = installation.query_dicts("SELECT keys FROM reconciler.discrepancies")
    assert keys == {"keys": ["1", "2"]}
    assert set(installation.statuses().values()) == {"pending"}


def test_a_paid_and_a_pending_row_with_one_intent_are_ambiguous(installation: Installation) -> None:
    """It cannot be known whether the pending row is a duplicate: nothing is written."""
    intent = installation.add_payment(1, "paid")
    installation.shop.insert(
        key=2, payment_intent=intent, status="pending", created=CREATED.isoformat()
    )
    report = installation.sweep("--apply").json
    assert (report["corrected"], report["discrepancies"]) == (0, {"ambiguous_row": 1})
    assert installation.statuses() == {"1": "paid", "2": "pending"}


def test_currencies_have_their_own_minor_units(
    make_installation: Callable[..., Installation],
) -> None:
    """Amounts in currencies with no decimals or three are compared in their own minor units."""
    installation = make_installation(columns={"amount": ("total", "numeric")}, amount_unit="major")
    for number, (currency, minor, stored, agrees) in enumerate(
        (
            ("jpy", 1250, "1250", True),
            ("jpy", 1250, "12.50", False),
            ("kwd", 12500, "12.5", True),
            ("kwd", 12500, "125.00", False),
            ("eur", 1250, "12.5", True),
        )
    ):
        made = installation.stripe.create_payment(minor, currency, at=CREATED)
        installation.stripe.succeed(made.id, at=CREATED)
        installation.shop.insert(
            key=number,
            payment_intent=made.id,
            status="pending",
            amount=stored,
            currency=currency,
            created=CREATED.isoformat(),
            order=str(agrees),
        )
    installation.sweep("--apply")
    for row in installation.shop.rows().values():
        assert row["status"] == ("paid" if row["order"] == "True" else "pending"), row
