"""Heads that were noted outside the database show a cut tail, a rewritten chain and a restored database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from reconciler.domain.audit.anchor import (
    Anchor,
    AnchorComparison,
    Anchors,
    AnchorState,
    AnchorVerdict,
)
from reconciler.domain.audit.ledger_entry import Entry

AT = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)
CHAIN = [
    Entry("default", seq, AT + timedelta(hours=seq), "sweep", {}, "", f"{seq:064x}")
    for seq in range(1, 7)
]


def anchor_of(entry: Entry) -> Anchor:
    return Anchor(entry.seq, entry.hash, entry.at)


def verdict(chain: Sequence[Entry], *anchors: Anchor, rest_agrees: bool = True) -> AnchorVerdict:
    comparison = AnchorComparison(Anchors(anchors))
    assert list(comparison.entries(chain)) == list(chain)
    return comparison.verdict(rest_agrees=rest_agrees)


def test_the_same_chain_agrees() -> None:
    """Anchors at any entries, in any order and more than once, agree with the chain that they are of."""
    found = verdict(CHAIN, *(anchor_of(CHAIN[index]) for index in (4, 0, 2, 2)))
    assert (found.state, found.last_agreeing, found.ends_at) == (AnchorState.AGREES, 5, 6)
    assert (found.what, found.first_bad) == ("", None)
    without_anchor = verdict(CHAIN)
    assert (without_anchor.state, without_anchor.what) == (AnchorState.AGREES, "")


@pytest.mark.parametrize(
    ("rest_agrees", "state"), [(False, AnchorState.CUT), (True, AnchorState.RESTORED)]
)
def test_a_chain_that_ends_too_early(rest_agrees: bool, state: AnchorState) -> None:
    """It is cut if other records name what is gone, and may be restored if nothing does."""
    found = verdict(CHAIN[:3], anchor_of(CHAIN[1]), anchor_of(CHAIN[5]), rest_agrees=rest_agrees)
    assert (found.state, found.last_agreeing, found.first_bad) == (state, 2, 4)
    assert "names entry 6, but the ledger ends at entry 3" in found.what


def test_an_empty_chain() -> None:
    """A ledger without entries does not agree with any anchor."""
    found = verdict([], anchor_of(CHAIN[0]), rest_agrees=False)
    assert (found.state, found.first_bad) == (AnchorState.CUT, 1)


def test_a_rewritten_chain_keeps_its_times() -> None:
    """Another hash at the time of the anchor is a rewritten entry, whether or not everything else agrees."""
    forged = [*CHAIN[:2], *(replace(entry, hash="f" * 64) for entry in CHAIN[2:])]
    for rest_agrees in (True, False):
        found = verdict(forged, anchor_of(CHAIN[1]), anchor_of(CHAIN[4]), rest_agrees=rest_agrees)
        assert (found.state, found.last_agreeing, found.first_bad) == (AnchorState.REWRITTEN, 2, 5)


def test_a_chain_that_went_on_after_a_restore_is_newer() -> None:
    """Another entry that is newer than the anchor may follow a restore. An anchor without a time cannot say so."""
    later = [replace(entry, hash="f" * 64, at=entry.at + timedelta(days=1)) for entry in CHAIN[2:]]
    chain = [*CHAIN[:2], *later]
    assert verdict(chain, anchor_of(CHAIN[4])).state is AnchorState.RESTORED
    assert verdict(chain, anchor_of(CHAIN[4]), rest_agrees=False).state is AnchorState.REWRITTEN
    without_time = replace(anchor_of(CHAIN[4]), at=None)
    rewritten = verdict(chain, without_time)
    assert rewritten.state is AnchorState.REWRITTEN
    assert rewritten.what == "entry 5 has another hash than its anchor"


def test_anchors_of_both_sides_of_a_restore_do_not_agree() -> None:
    """The anchors of what the restore has lost stay evidence, although later anchors agree."""
    later = [replace(entry, hash="f" * 64, at=entry.at + timedelta(days=1)) for entry in CHAIN[2:]]
    chain = [*CHAIN[:2], *later]
    found = verdict(chain, anchor_of(CHAIN[3]), anchor_of(chain[5]))
    assert (found.state, found.first_bad) == (AnchorState.RESTORED, 4)


@pytest.mark.parametrize(
    ("seq", "digest"),
    [(0, "0" * 64), (-1, "0" * 64), (2**63, "0" * 64), (1, "0" * 63), (1, ""), (1, "g" * 64)],
)
def test_what_cannot_be_an_anchor_is_refused(seq: int, digest: str) -> None:
    """A number below 1 and a text that is no SHA-256 are refused."""
    with pytest.raises(ValueError, match=r"."):
        Anchors([Anchor(seq, digest)])


def test_anchors_come_in_order_and_unchanged() -> None:
    """Thousands of anchors come back as they were given, by number, with and without a time."""
    given = [
        Anchor(seq, f"{seq * 7919:064x}", AT + timedelta(microseconds=seq) if seq % 3 else None)
        for seq in range(1, 3000)
    ]
    shuffled = list(given)
    Random(7).shuffle(shuffled)
    anchors = Anchors(shuffled)
    assert list(anchors) == given
    assert len(anchors) == len(given)
