"""An account is bound to its table, each row belongs to one account or to none, and a row can leave the mapping."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import TABLE, PaymentShop
from tests.acceptance.payments.stripe_objects import HOUR, payment_intent
from tests.some_quick import some_quick

SECOND_TABLE = "CREATE SCHEMA second;" + TABLE.replace("public.", "second.")


def two_tables(open_shop: OpenShop, stripe: ExactStripe) -> PaymentShop:
    """Two tables in one database, each with a pending row that was paid; the first is bound."""
    shop = open_shop(after=SECOND_TABLE)
    stripe.serve(payment_intent("pi_1"), payment_intent("pi_2"))
    shop.row(1, "pi_1")
    shop.execute(
        "INSERT INTO second.payments (id, intent, status, amount, currency, created_at)"
        " VALUES (2, 'pi_2', 'pending', 1250, 'eur', now() - interval '1 day')"
    )
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "paid"}
    return shop


def second_status(shop: PaymentShop) -> str:
    """The status of the second table's row."""
    ((status,),) = shop.ask("SELECT status FROM second.payments")
    return str(status)


@pytest.mark.parametrize("writing", ["--apply", "--record"])
def test_a_second_table_under_one_account_is_refused(
    open_shop: OpenShop, stripe: ExactStripe, writing: str
) -> None:
    """Exit 78, and both tables are named; nothing is read into the first table's records, and nothing is written."""
    shop = two_tables(open_shop, stripe)
    stored = shop.ask("SELECT count(*) FROM reconciler.ledger")
    shop.configure(payments={"table": "second.payments"})
    answer = shop.run("sweep", writing)
    assert answer.code == 78
    for table in ("public.payments", "second.payments"):
        assert table in answer.out + answer.err
    assert second_status(shop) == "pending"
    assert shop.ask("SELECT count(*) FROM reconciler.ledger") == stored


def test_another_key_or_intent_column_is_another_binding(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The same table read by another key, or by another column for the PaymentIntent, is refused as well."""
    shop = open_shop(columns="number bigint UNIQUE DEFAULT 7, other text DEFAULT 'pi_1'")
    stripe.serve(payment_intent("pi_1"))
    shop.row(1, "pi_1")
    shop.sweep("--kind", "due")
    for change in ({"key": "number"}, {"payment_intent": "other"}):
        shop.sections["payments"].update({"key": "id", "payment_intent": "intent"})
        shop.configure(payments=change)
        assert shop.run("sweep", "--apply").code == 78


def test_rows_without_an_intent_are_of_the_table(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A first sweep that ended early leaves findings about rows without a PaymentIntent, and no binding: the next goes on."""
    shop = open_shop(order="order_id", link_metadata="order_id")
    stripe.serve(payment_intent("pi_1", order="o-1"), payment_intent("pi_2", order="o-1"))
    shop.row(1, None, order="o-1")
    shop.sweep()
    assert shop.open()
    shop.execute("DELETE FROM reconciler.table_bindings")
    shop.sweep()


def test_migrate_binds(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """migrate with a configuration binds the account before anything was swept."""
    shop = open_shop(after=SECOND_TABLE)
    assert shop.run("migrate").code == 0
    shop.configure(payments={"table": "second.payments"})
    assert shop.run("sweep", "--apply").code == 78


def test_rebind_after_a_rename(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """After a rename a person binds the account anew; sweeps of the old binding are not taken back or made again."""
    shop = two_tables(open_shop, stripe)
    sweep = str(shop.ask("SELECT max(id) FROM reconciler.sweeps")[0][0])
    shop.configure(payments={"table": "second.payments"})
    answer = shop.run("migrate", "--rebind", "default")
    assert answer.code == 0, answer.err
    before = shop.rows()
    assert shop.run("revert", sweep).code != 0
    assert shop.rows() == before
    shop.run("sweep", "--apply", "--again", sweep)
    shop.sweep("--kind", "due")
    assert second_status(shop) == "paid"
    shop.configure(payments={"table": "public.payments"})
    assert shop.run("sweep", "--apply").code == 78


# --- accounts ---


def test_an_account_may_have_any_name(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A name may be an acct_ id or a sentence; ``value`` is what the column holds, and one account takes the NULLs."""
    shop = open_shop(account="account")
    shop.configure_accounts(
        {"name": "acct_1NabcDEF", "value": "eu"},
        {"name": "The shop in Zürich (main)", "holds_null": True},
        {"name": "x" * 64},
    )
    for key, account in ((1, "eu"), (2, None), (3, "x" * 64)):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", account=account)
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "paid", 2: "paid", 3: "paid"}
    written = shop.ask("SELECT account, payment_key FROM reconciler.outbox ORDER BY payment_key")
    assert written == [
        ("acct_1NabcDEF", "1"),
        ("The shop in Zürich (main)", "2"),
        ("x" * 64, "3"),
    ]


def test_two_accounts_cannot_take_the_nulls(open_shop: OpenShop) -> None:
    """holds_null stands at one account at most, value is another at each, and a name has 64 characters at most."""
    shop = open_shop(account="account")
    wrong: dict[str, list[dict[str, Any]]] = {
        "holds_null": [{"name": "a", "holds_null": True}, {"name": "b", "holds_null": True}],
        "64": [{"name": "x" * 65}, {"name": "b"}],
        "value": [{"name": "a", "value": "same"}, {"name": "b", "value": "same"}],
    }
    for named, accounts in wrong.items():
        shop.configure_accounts(*accounts)
        answer = shop.run("sweep")
        assert answer.code == 78
        assert named in answer.err
        assert "no such key" not in answer.err


def test_rows_of_no_account_are_counted(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A sweep that is complete says how many rows belong to no configured account, and under which value."""
    shop = open_shop(account="account")
    shop.configure_accounts({"name": "shop"}, {"name": "other"})
    accounts = ["shop", "ghost", "ghost", "ghost", None, None]
    for key, account in enumerate(accounts, 1):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", account=account)
    report = shop.sweep("--kind", "due", "--account", "shop")
    assert shop.statuses()[1] == "paid"
    assert set(shop.statuses()[key] for key in range(2, 7)) == {"pending"}  # noqa: C401 - reads better
    notes = " ".join(report["notes"])
    for text in (notes, shop.run("status").out, shop.run("doctor").out):
        assert "ghost" in text
        assert "3" in text
        assert "NULL" in text or "null" in text


# --- a row leaves the mapping ---


@some_quick("leaves", ["where", "deleted", "account"], quick=1)
def test_a_row_that_left_is_out_of_scope(
    open_shop: OpenShop, stripe: ExactStripe, leaves: str
) -> None:
    """The discrepancy of a row that is not in the mapping any more is closed as out_of_scope."""
    options: dict[str, dict[str, Any]] = {
        "where": {"columns": "hidden boolean DEFAULT false", "where": "NOT hidden"},
        "deleted": {},
        "account": {"account": "account"},
    }
    change = {
        "where": "UPDATE payments SET hidden = true WHERE id = 1",
        "deleted": "DELETE FROM payments WHERE id = 1",
        "account": "UPDATE payments SET account = 'elsewhere' WHERE id = 1",
    }
    shop = open_shop(**options[leaves])
    only = ("--kind", "window")
    if leaves == "account":
        shop.configure_accounts({"name": "shop"}, {"name": "other"})
        only = (*only, "--account", "shop")
    stripe.serve(payment_intent("pi_1", "canceled"), payment_intent("pi_2"))
    for key in (1, 2):
        shop.row(key, f"pi_{key}", "paid", account="shop")
    shop.sweep(*only)
    assert shop.open_kinds() == ["contradicted"]
    shop.execute(change[leaves])
    stripe.offset = HOUR
    shop.sweep(*only)
    assert shop.open() == []
    (closed,) = shop.discrepancies()
    assert (closed["state"], closed["closing"]) == ("closed", "out_of_scope")


def rows_with_money_that_left(open_shop: OpenShop, stripe: ExactStripe) -> PaymentShop:
    """Two rows with an open finding over money, and one without, are not in the mapping any more, and were swept."""
    shop = open_shop(columns="hidden boolean DEFAULT false", where="NOT hidden")
    stripe.serve(payment_intent("pi_1", amount=1300))
    stripe.serve(payment_intent("pi_2", "requires_capture", amount=1300, age=20 * HOUR))
    stripe.serve(payment_intent("pi_3"))
    for key in (1, 2, 3):
        shop.row(key, f"pi_{key}")
    shop.sweep("--kind", "window")
    assert shop.open_kinds() == ["amount_mismatch", "amount_mismatch"]
    shop.execute("UPDATE payments SET hidden = true")
    stripe.offset = HOUR
    before = shop.rows()
    shop.sweep("--kind", "window")
    assert shop.rows() == before
    return shop


def test_money_of_a_row_that_left_is_not_lost(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """If Stripe took or holds money for it, row_excluded takes the place of what was open."""
    shop = rows_with_money_that_left(open_shop, stripe)
    found = {one["payment_intent"]: (one["kind"], one["reason"]) for one in shop.open()}
    assert found == {
        "pi_1": ("missing_locally", "row_excluded"),
        "pi_2": ("missing_locally", "row_excluded"),
    }


def test_what_was_open_over_money_is_closed_as_out_of_scope(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """The finding that row_excluded replaces is closed because its row left, and not because another took its place."""
    shop = rows_with_money_that_left(open_shop, stripe)
    assert {one["closing"] for one in shop.discrepancies("closed")} == {"out_of_scope"}


# --- installations of an older version, and what a person sees ---


def unbound(shop: PaymentShop) -> None:
    """As after an upgrade: the ledger has entries, and the account is not bound to a table."""
    shop.execute("DELETE FROM reconciler.table_bindings")


def test_an_older_installation_is_bound_if_its_rows_are_there(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """An account with a ledger is bound to the table that has the rows of its ledger; some may be deleted since."""
    shop = two_tables(open_shop, stripe)
    unbound(shop)
    shop.configure(payments={"table": "second.payments"})
    answer = shop.run("sweep", "--apply")
    assert answer.code == 78
    assert "of 1 rows that the ledger names, the table has 0" in answer.err
    assert "migrate --rebind default" in answer.err
    assert shop.run("migrate").code == 78
    assert second_status(shop) == "pending"

    shop.configure(payments={"table": "payments"})
    shop.sweep("--kind", "due")
    bound = shop.ask("SELECT table_name, key_column, payment_intent FROM reconciler.table_bindings")
    assert bound == [("public.payments", "id", "intent")]


def test_the_same_keys_with_other_intents_are_another_table(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """Two tables count their keys from 1, so a key alone is no proof. Half of the rows may be gone, not more."""
    shop = open_shop(after=SECOND_TABLE)
    for key in range(1, 5):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}")
    shop.sweep("--kind", "due")
    shop.execute("INSERT INTO second.payments SELECT * FROM public.payments")
    shop.execute("UPDATE second.payments SET intent = 'pi_other' WHERE id > 1")
    unbound(shop)
    shop.configure(payments={"table": "second.payments"})
    assert shop.run("sweep", "--record").code == 78
    shop.execute("UPDATE second.payments SET intent = 'pi_2' WHERE id = 2")
    assert shop.run("sweep", "--record", "--kind", "due").code == 0


@pytest.mark.parametrize("command", [("sweep",), ("plan",), ("explain", "pi_1")])
def test_no_command_reads_two_tables_into_one_record(
    open_shop: OpenShop, stripe: ExactStripe, command: tuple[str, ...]
) -> None:
    """A command that would compare the second table with the first one's records is refused too, dry or not."""
    shop = two_tables(open_shop, stripe)
    shop.configure(payments={"table": "second.payments"})
    assert shop.run(*command).code == 78


def test_doctor_and_status_name_both_tables(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """doctor has the fault with the command that ends it, and following it ends it; status is critical."""
    shop = two_tables(open_shop, stripe)
    shop.configure(payments={"table": "second.payments"})
    for answer in (shop.run("doctor"), shop.run("status")):
        assert "is bound to public.payments" in answer.out
        assert "the configuration says second.payments" in answer.out
        assert "reconciler migrate --rebind default" in answer.out
    assert shop.run("doctor").code == 78
    assert shop.run("migrate", "--rebind", "default").code == 0
    assert "is bound to public.payments" not in shop.run("doctor").out + shop.run("status").out


def test_a_rebinding_is_in_the_ledger(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """The entry has both tables and who did it; the command says how many of the ledger's rows the new table has."""
    shop = two_tables(open_shop, stripe)
    shop.execute("ALTER TABLE public.payments RENAME TO orders")
    shop.configure(payments={"table": "public.orders"})
    answer = shop.run("migrate", "--rebind", "default")
    assert answer.code == 0
    assert "The account's ledger names 1 rows. This table has 1 of them" in answer.out
    (entry,) = shop.ledger("rebind")
    assert entry["before"]["table"] == "public.payments"
    assert entry["after"] == {**entry["before"], "table": "public.orders"}
    assert "@" in entry["asked_by"]
    shop.assert_sound()


def test_an_account_is_not_rebound_while_it_is_worked_on(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """While another process holds the account's lease, the binding stays as it is: exit 75."""
    shop = two_tables(open_shop, stripe)
    shop.execute(
        "UPDATE reconciler.leases SET holder = 'another', expires_at = now() + interval '1 hour'"
    )
    shop.configure(payments={"table": "second.payments"})
    assert shop.run("migrate", "--rebind", "default").code == 75
    assert shop.ask("SELECT table_name FROM reconciler.table_bindings") == [("public.payments",)]
    assert shop.run("migrate", "--rebind", "ghost").code == 64


def test_a_value_of_the_account_column_is_part_of_the_binding(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """Other rows of the same table are another binding; to take the rows without an account besides is not."""
    shop = open_shop(account="account")
    stripe.serve(payment_intent("pi_1"), payment_intent("pi_2"))
    shop.row(1, "pi_1", account="eu")
    shop.row(2, "pi_2")
    shop.configure_accounts({"name": "shop", "value": "eu"}, {"name": "other"})
    shop.sweep("--kind", "due")
    shop.configure_accounts({"name": "shop", "value": "us"}, {"name": "other"})
    answer = shop.run("sweep", "--apply")
    assert answer.code == 78
    assert "account = eu" in answer.err
    assert "account = us" in answer.err
    shop.configure_accounts({"name": "shop", "value": "eu", "holds_null": True}, {"name": "other"})
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "paid", 2: "paid"}


def test_migrate_does_not_need_the_table(open_shop: OpenShop) -> None:
    """A table that is missing or may not be read keeps migrate from nothing: the first process that writes binds."""
    shop = open_shop()
    shop.configure(payments={"table": "public.later"})
    answer = shop.run("migrate")
    assert answer.code == 0
    assert "not bound to the table public.later" in answer.out
    assert shop.ask("SELECT count(*) FROM reconciler.table_bindings") == [(0,)]


def test_a_locked_row_has_not_left(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """A row that another transaction holds, or that holds another intent now, is in the mapping."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1", "canceled"), payment_intent("pi_2"))
    shop.row(1, "pi_1", "paid")
    shop.sweep("--kind", "window")
    shop.execute("UPDATE payments SET intent = 'pi_2' WHERE id = 1")
    stripe.offset = HOUR
    with shop.locked("SELECT FROM payments FOR UPDATE"):
        shop.sweep("--kind", "window")
    (closed,) = [one for one in shop.discrepancies() if one["payment_intent"] == "pi_1"]
    assert (closed["state"], closed["closing"]) == ("closed", "agreement")
    shop.assert_sound()


def test_a_row_that_left_and_an_intent_that_stripe_does_not_know(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """A deleted row's missing_at_stripe is closed at the next look."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1"))
    shop.row(1, "pi_1", "paid")
    shop.row(2, "pi_gone", "paid")
    shop.sweep("--payment-intent", "pi_gone", "--payment-intent", "pi_1")
    assert shop.open_kinds() == ["missing_at_stripe"]
    shop.execute("DELETE FROM payments WHERE id = 2")
    shop.run("sweep", "--apply", "--payment-intent", "pi_gone", "--payment-intent", "pi_1")
    (closed,) = shop.discrepancies()
    assert (closed["state"], closed["closing"]) == ("closed", "out_of_scope")


def test_rows_of_no_account_keep_to_where_and_to_other_accounts(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """Rows outside where, and rows of every configured account (by value, by name, by NULL), are not counted."""
    shop = open_shop(account="account", where="order_id IS NULL OR order_id <> 'old%'")
    shop.configure_accounts({"name": "a", "value": "eu"}, {"name": "b", "holds_null": True})
    for key, account in enumerate(["eu", "b", None, "a", "x\x1b[31m" + "y" * 80], 1):
        shop.row(key, f"pi_{key}", account=account)
    shop.row(9, "pi_9", account="gone", order="old%")
    answer = shop.run("sweep", "--kind", "due", "--account", "a", "--json")
    counted = answer.json["rows_of_no_account"]
    assert (counted["rows"], counted["values"]) == (2, 2)
    assert [one["value"][:1] for one in counted["most"]] == ["a", "x"]
    text = shop.run("sweep", "--kind", "due", "--account", "a").out
    assert "\x1b" not in text + answer.out
    assert "gone" not in text


def test_a_table_of_one_account_has_none(open_shop: OpenShop, stripe: ExactStripe) -> None:
    """Without an account column nothing is counted."""
    shop = open_shop()
    stripe.serve(payment_intent("pi_1"))
    shop.row(1, "pi_1")
    assert shop.sweep("--kind", "due")["rows_of_no_account"] is None
