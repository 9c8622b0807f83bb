"""The merchant's table has the last word: what it refuses, or quietly does not keep, is a finding."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.payments.conftest import OpenShop
from tests.acceptance.payments.exact_stripe import ExactStripe
from tests.acceptance.payments.shop import PaymentShop, json_text
from tests.acceptance.payments.stripe_objects import HOUR, payment_intent
from tests.some_quick import some_quick

MakeRole = Callable[[str], tuple[str, Callable[[str], str]]]
FUNCTION = """
CREATE SEQUENCE tried;
CREATE FUNCTION rule() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
    {body}
    RETURN NEW;
END $$;
"""
BEFORE = "CREATE TRIGGER rule BEFORE UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION rule()"
DEFERRED = (
    "CREATE CONSTRAINT TRIGGER rule AFTER UPDATE ON payments DEFERRABLE INITIALLY DEFERRED"
    " FOR EACH ROW EXECUTE FUNCTION rule()"
)
REFUSED = """IF OLD.status = 'failed' AND NEW.status = 'paid' THEN
    PERFORM nextval('tried');
    RAISE EXCEPTION 'illegal transition from failed to paid' USING DETAIL = 'of ' || NEW.email;
END IF;"""
EMAIL = "customer@example.com"


def trigger(body: str, made: str = BEFORE) -> str:
    """SQL for a trigger with this body."""
    return FUNCTION.format(body=body) + made


CHECKED = "ALTER TABLE payments ADD CONSTRAINT paid_has_time CHECK (status <> 'paid' OR id <> 1)"
ONE_PAID = """
CREATE UNIQUE INDEX one_paid ON payments (currency) WHERE status = 'paid' AND amount = 700;
INSERT INTO payments (id, intent, status, amount, currency, created_at)
    VALUES (90, NULL, 'paid', 700, 'eur', now())
"""
REFUSALS = {
    "a check": (CHECKED, "paid_has_time"),
    "a trigger that raises": (trigger(REFUSED), "illegal transition"),
    "a deferred trigger": (trigger(REFUSED, DEFERRED), "illegal transition"),
    "a unique index": (
        ONE_PAID,
        "one_paid",
    ),
}


def three_rows(shop: PaymentShop, first: int = 1250) -> None:
    """A failed row and two pending ones: two payments succeeded, one was canceled at Stripe after a failure."""
    shop.stripe.serve(payment_intent("pi_1", amount=first), payment_intent("pi_2"))
    shop.stripe.serve(payment_intent("pi_3", "requires_capture", age=2 * HOUR))
    shop.row(1, "pi_1", "failed", first, email=EMAIL)
    shop.row(2, "pi_2", email=EMAIL)
    shop.row(3, "pi_3", email=EMAIL)


@some_quick("case", REFUSALS, quick=2)
def test_a_refusal_is_a_finding(open_shop: OpenShop, case: str) -> None:
    """The reason and the constraint's name or message are in the finding; the other rows are done, the sweep complete."""
    made, named = REFUSALS[case]
    shop = open_shop(columns="email text", after=made)
    three_rows(shop, 700 if case == "a unique index" else 1250)
    for _ in range(2):
        shop.sweep()
        statuses = shop.statuses()
        assert {key: statuses[key] for key in (1, 2, 3)} == {
            1: "failed",
            2: "paid",
            3: "authorized",
        }
    (found,) = shop.open()
    assert (found["kind"], found["reason"], found["payment"]) == (
        "missed_outcome",
        "refused_by_table",
        "1",
    )
    assert named in json_text(found["evidence"])
    assert [key for key, *_ in shop.outbox()] == ["2", "3"]
    assert EMAIL not in shop.stored_text()
    assert [text for text in shop.outputs if EMAIL in text] == []
    shop.assert_sound()


def test_the_status_names_a_refusal(open_shop: OpenShop) -> None:
    """An operator who asks for the status hears that the table refuses corrections, and which rule it is."""
    shop = open_shop(after=CHECKED)
    shop.stripe.serve(payment_intent("pi_1"))
    shop.row(1, "pi_1")
    shop.sweep()
    assert "paid_has_time" in shop.run("status").out
    assert "refused_by_table" in shop.run("status", "--json").out


def test_a_refusal_is_tried_again_later_or_when_the_row_changes(
    open_shop: OpenShop, stripe: ExactStripe
) -> None:
    """Not at every sweep: after six hours, or as soon as the row is another."""
    shop = open_shop(columns="email text", after=trigger(REFUSED))
    for key in (1, 2):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}", "failed", email=EMAIL)

    def tried() -> int:
        ((count, called),) = shop.ask("SELECT last_value, is_called FROM tried")
        return count if called else 0

    shop.sweep("--kind", "due")
    first = tried()
    assert first > 0
    shop.sweep("--kind", "due")
    assert tried() == first
    stripe.offset = 7 * HOUR
    shop.sweep("--kind", "due")
    later = tried()
    assert later > first
    shop.execute("UPDATE payments SET status = 'pending' WHERE id = 2")
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "failed", 2: "paid"}
    assert [one["payment"] for one in shop.open()] == ["1"]
    shop.execute("DROP TRIGGER rule ON payments")
    stripe.offset = 14 * HOUR
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "paid", 2: "paid"}
    assert shop.open() == []
    shop.assert_sound()


KEPT = {
    "another word for paid": "IF NEW.status = 'paid' THEN NEW.status := 'fulfilled'; END IF;",
    "the currency in capitals": "NEW.currency := 'EUR';",
    "another column": "NEW.order_id := 'touched';",
}
NOT_KEPT = {
    "silence": "IF NEW.status = 'paid' THEN RETURN NULL; END IF;",
    "the old status again": "NEW.status := OLD.status;",
    "a word that is not mapped": "NEW.status := 'archived';",
    "a word for something else": "NEW.status := 'canceled';",
    "another amount": "NEW.amount := 0;",
    "another currency": "NEW.currency := 'usd';",
    "another intent": "NEW.intent := NULL;",
}


@some_quick("case", KEPT, quick=1)
def test_what_reads_back_by_meaning_is_kept(open_shop: OpenShop, case: str) -> None:
    """A trigger may write more, or say the same in another word."""
    shop = open_shop(after=trigger(KEPT[case]))
    shop.configure(
        payments={"read": {**shop.sections["payments"]["read"], "fulfilled": "succeeded"}}
    )
    shop.stripe.serve(payment_intent("pi_1"))
    shop.row(1, "pi_1")
    for _ in range(2):
        shop.sweep()
        assert shop.statuses()[1] in ("paid", "fulfilled")
        assert shop.open() == []
    assert [key for key, *_ in shop.outbox()] == ["1"]
    shop.assert_sound()


@some_quick("case", NOT_KEPT, quick=4)
def test_what_does_not_read_back_is_no_correction(open_shop: OpenShop, case: str) -> None:
    """The write of that row alone is taken back: a finding, no outbox row, no correction in the ledger."""
    only_one = f"IF OLD.id = 1 THEN {NOT_KEPT[case]} END IF;"
    shop = open_shop(after=trigger(only_one))
    for key in (1, 2, 3):
        shop.stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}")
    before = shop.rows()
    for _ in range(2):
        shop.sweep()
        assert shop.rows()[1] == before[1]
    assert shop.statuses() == {1: "pending", 2: "paid", 3: "paid"}
    assert shop.flags() == {"1": [("missed_outcome", "warning", "not_kept_by_table")]}
    assert [key for key, *_ in shop.outbox()] == ["2", "3"]
    assert len(shop.ledger("correction")) == 2
    shop.assert_sound()


@some_quick("code", ["40001", "40P01", "55P03", "57014"], quick=2)
def test_what_ends_by_itself_waits(open_shop: OpenShop, stripe: ExactStripe, code: str) -> None:
    """Serialization failures, deadlocks, locks and cancelled statements are no refusal: the row waits."""
    busy = f"IF OLD.id = 1 THEN RAISE EXCEPTION 'busy' USING ERRCODE = '{code}'; END IF;"
    shop = open_shop(after=trigger(busy))
    for key in (1, 2):
        stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}")
    report = shop.sweep("--kind", "due")
    assert report["waiting"] == 1
    assert shop.statuses() == {1: "pending", 2: "paid"}
    assert shop.open() == []
    shop.execute("DROP TRIGGER rule ON payments")
    stripe.offset = HOUR
    shop.sweep("--kind", "due")
    assert shop.statuses() == {1: "paid", 2: "paid"}


AUDIT = """
CREATE TABLE payments_audit (old text, new text);
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN INSERT INTO payments_audit VALUES (OLD.status, NEW.status); RETURN NEW; END $$;
CREATE TRIGGER audit AFTER UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION audit();
"""


def test_a_privilege_that_a_trigger_needs(open_shop: OpenShop, role: MakeRole) -> None:
    """The role may write the status and not what the trigger writes: doctor says which GRANT, a sweep says why."""
    shop = open_shop(after=AUDIT)
    name, as_role = role("daemon")
    assert shop.run("migrate", "--daemon-role", name).code == 0
    shop.execute(
        f"GRANT USAGE ON SCHEMA public TO {name}; GRANT SELECT ON payments TO {name};"
        f" GRANT UPDATE (status) ON payments TO {name}"
    )
    for key, status in ((1, "succeeded"), (2, "requires_capture"), (3, "succeeded")):
        shop.stripe.serve(payment_intent(f"pi_{key}", status, age=2 * HOUR))
        shop.row(key, f"pi_{key}")
    before = shop.rows()
    owner, shop.url = shop.url, as_role(shop.url)
    doctor = shop.run("doctor")
    assert doctor.code == 78
    assert "payments_audit" in doctor.out
    assert "GRANT" in doctor.out
    shop.sweep()
    shop.assert_untouched(before)
    assert shop.reasons() == {
        str(key): [("missed_outcome", "refused_by_table")] for key in (1, 2, 3)
    }
    shop.url = owner
    shop.execute(f"GRANT INSERT ON payments_audit TO {name}")
    shop.url = as_role(owner)
    assert shop.run("doctor").code == 0
    shop.stripe.offset = 7 * HOUR
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "authorized", 3: "paid"}
    shop.url = owner


def test_the_doctor_tries_and_takes_back(open_shop: OpenShop) -> None:
    """If every tried row is refused the doctor faults with 78, if some are it warns; it leaves every row as it was."""
    every = open_shop(after=trigger("RAISE EXCEPTION 'never';"))
    some = open_shop(after=trigger("IF OLD.id = 1 THEN RAISE EXCEPTION 'never'; END IF;"))
    for shop, code in ((every, 78), (some, 0)):
        for key in (1, 2, 3):
            shop.stripe.serve(payment_intent(f"pi_{key}"))
            shop.row(key, f"pi_{key}")
        before = shop.rows()
        answer = shop.run("doctor")
        assert answer.code == code, answer.out
        assert "rule" in answer.out or "never" in answer.out
        assert shop.rows() == before


def test_a_trigger_that_reaches_outside_is_not_tried(open_shop: OpenShop) -> None:
    """What it does there would stay. The doctor names its function, and --probe tries it all the same."""
    outward = "PERFORM nextval('tried'); /* dblink_exec('the accounts') */"
    shop = open_shop(after=trigger(outward))
    shop.row(1, "pi_1")
    shop.stripe.serve(payment_intent("pi_1"))
    answer = shop.run("doctor")
    assert "rule, which a trigger of the table calls, may act outside" in answer.out
    assert shop.ask("SELECT is_called FROM tried") == [(False,)]
    assert "was tried on 1 rows" in shop.run("doctor", "--probe").out
    assert shop.ask("SELECT is_called FROM tried") == [(True,)]
    assert shop.statuses() == {1: "pending"}


VIEW = "CREATE VIEW shown AS SELECT p.* FROM payments p JOIN (SELECT 1 AS one) x ON true;"
INSTEAD = """
CREATE FUNCTION shown_update() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    UPDATE payments SET status = NEW.status WHERE id = OLD.id AND id <> 2; RETURN NEW;
END $$;
CREATE TRIGGER shown_update INSTEAD OF UPDATE ON shown
    FOR EACH ROW EXECUTE FUNCTION shown_update();
"""


def test_a_view_that_cannot_be_written(open_shop: OpenShop) -> None:
    """The doctor tries the write and faults with 78; a sweep writes nothing and shows no traceback."""
    shop = open_shop(after=VIEW, table="public.shown")
    shop.stripe.serve(payment_intent("pi_1"))
    shop.row(1, "pi_1")
    before = shop.rows()
    answer = shop.run("doctor")
    assert answer.code == 78
    assert "shown" in answer.out
    shop.run("sweep", "--apply")
    shop.assert_untouched(before)


def test_a_view_with_a_trigger_instead(open_shop: OpenShop) -> None:
    """A view is judged by what it shows after the write: a trigger that answers yes and does nothing is found out."""
    shop = open_shop(after=VIEW + INSTEAD, table="public.shown")
    for key in (1, 2, 3):
        shop.stripe.serve(payment_intent(f"pi_{key}"))
        shop.row(key, f"pi_{key}")
    shop.sweep()
    assert shop.statuses() == {1: "paid", 2: "pending", 3: "paid"}
    assert shop.reasons() == {"2": [("missed_outcome", "not_kept_by_table")]}
    assert [key for key, *_ in shop.outbox()] == ["1", "3"]
    shop.assert_sound()
