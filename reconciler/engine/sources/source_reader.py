"""What the sources of one sweep share: the ids that rows hold and the intents they lead to, and the reads that are left."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from reconciler.domain.model.looked_up_id import IdPair, pair_of_charge, pair_of_session
from reconciler.domain.model.payment import (
    RowReference,
    StoredIdKind,
    is_intent_id,
    is_looked_up,
    stored_id,
)
from reconciler.domain.model.time_range import TimeRange
from reconciler.engine.reads.fetcher import FetchedPage, Fetcher
from reconciler.engine.report import Moment, SweepReport, SweepRequest, Writing
from reconciler.engine.sweep_context import QUOTA_SHORT, Actor, SweepContext
from reconciler.errors import (
    StripeRefusedError,
    StripeRequestError,
    StripeUnavailableError,
    UsageError,
)

_BUCKET_BITS: Final = 11
_BUCKETS: Final = 1 << _BUCKET_BITS
_ENTRY_BYTES: Final = 5
_ENTRY_MASK: Final = (1 << (8 * _ENTRY_BYTES)) - 1
_SALT_BYTES: Final = 4


class IdSet:
    """A set of texts that keeps 51 bits of each text, in five bytes. A Python set of numbers needs seventy bytes each.

    Two texts of a million share their 51 bits in one of four thousand sets; the second of them then counts as
    contained. Each set has its own salt, so that the next set does not repeat the mistake. Not safe between threads.
    """

    def __init__(self) -> None:
        # 11 of the bits choose the bucket; the bucket holds the other 40 bits of its texts, one entry after the other.
        # It is bytes and not a bytearray, because a bytearray keeps an eighth in reserve.
        self._buckets = [b""] * _BUCKETS
        self._salt = secrets.token_hex(_SALT_BYTES)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, text: str) -> bool:
        number, entry = self._place(text)
        return _is_in(self._buckets[number], entry)

    def add(self, text: str) -> bool:
        """Add a text; whether it was new."""
        number, entry = self._place(text)
        bucket = self._buckets[number]
        # nearly every text is new, and then no entry looks like it
        if entry in bucket and _is_in(bucket, entry):
            return False
        self._buckets[number] = bucket + entry
        self._count += 1
        return True

    def _place(self, text: str) -> tuple[int, bytes]:
        """The number of a text's bucket, and its entry there."""
        bits = hash(self._salt + text)
        entry = (bits >> _BUCKET_BITS) & _ENTRY_MASK
        return bits & (_BUCKETS - 1), entry.to_bytes(_ENTRY_BYTES, "little")


def _is_in(bucket: bytes, entry: bytes) -> bool:
    at = bucket.find(entry)
    while at % _ENTRY_BYTES and at >= 0:
        # the end of one entry and the beginning of the next can look like a third entry
        at = bucket.find(entry, at + 1)
    return at >= 0


class IdReader:
    """Finds out which intents the ids of rows belong to, for one sweep. What was read before is not read again."""

    def __init__(
        self, context: SweepContext, actor: Actor, fetcher: Fetcher, report: SweepReport
    ) -> None:
        self._context = context
        self._stores = actor.writing is not Writing.NOTHING
        self._fetcher = fetcher
        self._report = report
        self._refused: dict[StoredIdKind, str] = {}

    def pairs(self, texts: Sequence[str]) -> Mapping[str, IdPair]:
        """The pairs of these ids. What could not be read is reported, and has its earlier pair or none."""
        known = dict(self._context.store.pairs(texts))
        now = self._context.stripe.now()
        wanted = [
            text for text in dict.fromkeys(texts) if text not in known or known[text].is_due(now)
        ]
        wanted = [text for text in wanted if not self._is_refused(text)]
        affordable = wanted[: self._context.source_quota.spendable]
        if len(affordable) < len(wanted):
            count = len(wanted) - len(affordable)
            self._report.miss(f"{count:,} Checkout Sessions or charges", QUOTA_SHORT, count)

        answers = self._fetcher.each(self._read, affordable)
        found = []
        for text, answer in zip(affordable, answers, strict=True):
            if not isinstance(answer, IdPair):
                self._report_error(text, answer)
                continue
            # a pair by metadata stays as long as the session names no other intent
            earlier = known[text].payment_intent if text in known else None
            found.append(replace(answer, payment_intent=answer.payment_intent or earlier))
        self._context.store.remember_pairs(found, store=self._stores)
        return {**known, **{pair.stored_id: pair for pair in found}}

    def _is_refused(self, text: str) -> bool:
        why = self._refused.get(stored_id(text).kind)
        if why is not None:
            self._report.miss(text, why)
        return why is not None

    def _report_error(self, text: str, error: Exception) -> None:
        if isinstance(error, StripeRefusedError):
            # the key may lack this one permission, and the other rows go on
            self._refused[stored_id(text).kind] = str(error)
        self._report.miss(text, str(error))

    def _read(self, text: str) -> IdPair | Exception:
        stripe = self._context.stripe
        try:
            if stored_id(text).kind is StoredIdKind.SESSION:
                return pair_of_session(text, stripe.session(text), stripe.now())
            return pair_of_charge(text, stripe.charge_intent(text), stripe.now())
        except (StripeUnavailableError, StripeRequestError, StripeRefusedError) as error:
            return error


CHUNK: Final = 200
"""So many rows are taken at once, so that the ids to look up among them are read in parallel."""


class RowIds:
    """Turns the texts of the merchant's column into intents, for one sweep.

    Each row is counted once in the report, no matter how many sources name it.
    """

    def __init__(self, report: SweepReport, id_reader: IdReader) -> None:
        self._ids = report.row_ids
        self._id_reader = id_reader
        self._counted = IdSet()

    def intents(self, rows: Iterable[RowReference]) -> Iterator[str]:
        """The intents of the rows that lead to one, in the order of the rows."""
        source = iter(rows)
        while chunk := list(islice(source, CHUNK)):
            yield from self._intents(chunk)

    def _intents(self, rows: Sequence[RowReference]) -> Iterator[str]:
        looked_up = [row.payment_intent for row in rows if is_looked_up(row.payment_intent)]
        pairs = self._id_reader.pairs(looked_up) if looked_up else {}
        for row in rows:
            if row.holds_secret and self._is_new(row):
                self._ids.client_secrets += 1
            if is_intent_id(row.payment_intent):
                yield row.payment_intent
                continue
            found = stored_id(row.payment_intent)
            match found.kind:
                case StoredIdKind.INTENT | StoredIdKind.CLIENT_SECRET:
                    yield found.id
                case StoredIdKind.SESSION | StoredIdKind.CHARGE:
                    pair = pairs.get(found.id)
                    if pair is not None and pair.payment_intent is not None:
                        yield pair.payment_intent
                    elif self._is_new(row):
                        self._ids.without_intent += 1
                case StoredIdKind.FOREIGN:
                    # blank text is no id of anything
                    if row.payment_intent.strip() and self._is_new(row):
                        self._ids.add_other(row.payment_intent)

    def _is_new(self, row: RowReference) -> bool:
        return self._counted.add(row.key)


ROWS_A_QUERY: Final = 1000
"""Rows are read in larger pages than Stripe's, because a page costs a round trip and nothing else."""


class SourceReader:
    """Reads for the sources of one sweep, one source at a time.

    ``left_out_for_tail`` counts payments that the read quota was too small for, in a sweep that reads the window in
    place of the tail. The tail begins anew all the same.
    """

    def __init__(
        self,
        context: SweepContext,
        request: SweepRequest,
        fetcher: Fetcher,
        report: SweepReport,
        row_ids: RowIds,
        *,
        by_service: bool,
    ) -> None:
        self.context = context
        self.fetcher = fetcher
        self.report = report
        self.by_service = by_service
        self.replaces_tail = False
        self.left_out_for_tail = 0
        self.row_ids = row_ids
        self._request = request
        self._met = IdSet()

    def unmet(self, intents: Iterable[str]) -> Iterator[str]:
        """Those of the intents that this sweep has not met yet. From now on they count as met."""
        return (intent for intent in intents if self._met.add(intent))

    def is_met(self, intent: str) -> bool:
        """Whether this sweep has met an intent."""
        return intent in self._met

    def retrieve(
        self, intents: Iterable[str], what: str, expected: int | None, spendable: int
    ) -> Iterator[FetchedPage]:
        """Retrieve up to ``spendable`` of those that were not met yet. The others are reported as ``what``.

        ``expected`` is about how many intents there are, None if that is not known.
        """
        wanted = iter(intents)
        affordable = islice(self.unmet(wanted), spendable)
        yield from self.with_rows(self.fetcher.retrieve_pages(affordable), expected)

        # the others do not count as met: another source, with reads of its own, may still read them
        left_out = sum(1 for intent in wanted if intent not in self._met)
        if left_out:
            self.leave_out(f"{left_out:,} {what}", left_out)

    def with_rows(
        self, pages: Iterator[FetchedPage], expected: int | None = None
    ) -> Iterator[FetchedPage]:
        """The pages; if a lookup scans the merchant's table, several are loaded by one scan.

        ``expected`` is about how many intents the pages have, None if that is not known.
        """
        is_one_page = expected is not None and expected <= self.fetcher.page_size
        store = self.context.store
        if is_one_page or store.pages_at_once == 1:
            return pages
        from reconciler.engine.sources.loaded_together import loaded_together

        return loaded_together(pages, store, self.context.clock, self.context.rules)

    def find_intents_of_other_ids(self, created: TimeRange) -> None:
        """Find out the intents of the rows of a range that hold a Checkout Session or a charge."""
        store = self.context.store
        rows = all_rows(lambda after: store.looked_up_payments(created, after, ROWS_A_QUERY))
        for _ in self.row_ids.intents(rows):
            pass  # each intent is read later, with the others

    def leave_out(self, what: str, count: int) -> None:
        """Report that the read quota is too small for these."""
        self.report.miss(what, QUOTA_SHORT, count)
        if self.replaces_tail:
            self.left_out_for_tail += count

    def created_range(self, horizon: timedelta | None) -> TimeRange:
        """The range of creation that is asked for. ``horizon`` is how far it reaches back if no start was given.

        Raises UsageError if it ends before it begins.
        """
        since = self._moment(self._request.since or horizon)
        until = self._moment(self._request.until)
        if since is not None and until is not None and since >= until:
            raise UsageError(
                f"--since ({since:%Y-%m-%d %H:%M:%S}) is not before --until"
                f" ({until:%Y-%m-%d %H:%M:%S}).",
                "Give an earlier --since.",
            )
        return TimeRange(since, until)

    def _moment(self, moment: Moment | None) -> datetime | None:
        """A span counts back from Stripe's present time, because this machine's clock may differ from it."""
        return self.context.stripe.now() - moment if isinstance(moment, timedelta) else moment


def all_rows(
    read: Callable[[str | None], tuple[RowReference, ...]], page_size: int = ROWS_A_QUERY
) -> Iterator[RowReference]:
    """All rows of a query that reads them in pages of ``page_size`` by key, each page from after a key."""
    rows = read(None)
    yield from rows
    # a page may have more rows, because it ends with all that share its last key
    while len(rows) >= page_size:
        rows = read(rows[-1].key)
        yield from rows
