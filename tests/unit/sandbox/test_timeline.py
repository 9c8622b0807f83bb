from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.sandbox import IntentRecord
from reconciler.sandbox.state.timeline import PageQuery, Timeline


def intent(number: int, created: int) -> IntentRecord:
    return IntentRecord(
        id=f"pi_{number}",
        account="acct_1",
        livemode=False,
        created=created,
        amount=1,
        currency="usd",
        customer=f"cus_{number % 3}",
    )


seconds = st.integers(min_value=0, max_value=12)


@given(
    created=st.lists(seconds, min_size=1, max_size=30),
    limit=st.integers(min_value=1, max_value=12),
    since=st.none() | seconds,
    until=st.none() | seconds,
    cursor=st.integers(min_value=0, max_value=29),
    towards=st.sampled_from(["none", "after", "before"]),
    customer=st.none() | st.sampled_from(["cus_0", "cus_1", "cus_9"]),
    odd_only=st.booleans(),
)
def test_pages_equal_those_of_a_plain_scan(
    created: list[int],
    limit: int,
    since: int | None,
    until: int | None,
    cursor: int,
    towards: str,
    customer: str | None,
    odd_only: bool,
) -> None:
    """For every order of arrival, range, cursor and filter, a page is the same as one from a scan of all objects."""
    timeline: Timeline[IntentRecord] = Timeline(("customer",))
    records = [intent(number, second) for number, second in enumerate(created)]
    for record in records:
        timeline.put(record)
    pointed = f"pi_{cursor % len(records)}"
    query = PageQuery(
        limit=limit,
        since=since,
        until=until,
        starting_after=pointed if towards == "after" else None,
        ending_before=pointed if towards == "before" else None,
    )

    def keep(record: IntentRecord) -> bool:
        return not odd_only or record.created % 2 == 1

    page, more = timeline.page(query, None if customer is None else ("customer", customer), keep)

    newest_first = sorted(records, key=lambda r: (r.created, int(r.id[3:])), reverse=True)
    at = [record.id for record in newest_first].index(pointed)
    if towards == "after":
        newest_first = newest_first[at + 1 :]
    elif towards == "before":
        newest_first = newest_first[:at]
    fitting = [
        record
        for record in newest_first
        if (since is None or record.created >= since)
        and (until is None or record.created <= until)
        and customer in (None, record.customer)
        and keep(record)
    ]
    assert page == (fitting[-limit:] if towards == "before" else fitting[:limit])
    assert more is (len(fitting) > limit)


def test_bytes_are_made_once_and_again_after_a_change() -> None:
    """A record's bytes are kept until it is replaced."""
    timeline: Timeline[IntentRecord] = Timeline()
    made: list[int] = []

    def render(record: IntentRecord) -> tuple[bytes, bytes]:
        made.append(record.created)
        return b"%d" % record.created, b""

    first, second = intent(1, 5), intent(1, 6)
    timeline.put(first)
    assert timeline.parts(first, render) == timeline.parts(first, render) == (b"5", b"")
    timeline.put(second)
    assert timeline.parts(second, render) == (b"6", b"")
    assert made == [5, 6]
