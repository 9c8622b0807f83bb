"""``GET /v1/payment_intents/search``: what the index knows, which is behind the objects themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from reconciler.sandbox.api import parameters
from reconciler.sandbox.api.api_call import ApiCall
from reconciler.sandbox.api.expansions import Path, expand, expansions
from reconciler.sandbox.api.get_endpoints import intent_bytes
from reconciler.sandbox.api.search_query import SearchQuery
from reconciler.sandbox.objects.answers import ApiRefusal
from reconciler.sandbox.objects.records import IntentRecord
from reconciler.sandbox.objects.to_json import encode, record_json

_TOTAL: Final = "total_count"
_DEFAULT_LIMIT: Final = 10


def search_intents(call: ApiCall) -> bytes:
    parameters.raise_if_unknown(call.params, ("query", "limit", "page", "expand"))
    if not call.sandbox.offers_search:
        raise ApiRefusal(
            400,
            "The search feature is temporarily unavailable in your region. Please try again later, or use a different "
            "API or look up an object directly.",
        )
    requested = parameters.strings(call.params, "expand")
    fields = [name for name in requested if name != _TOTAL]
    paths = expansions(call, "payment_intent", listing=True, requested=fields)
    query = SearchQuery(parameters.required(call.params, "query"))
    limit = parameters.page_query({"limit": call.params.get("limit", str(_DEFAULT_LIMIT))}).limit

    known = call.records.search_index.found(
        call.records.intents, call.now, call.sandbox.search_delay
    )
    found = [intent for intent in known if query.matches(intent)]
    begin = _begin(call)
    page = found[begin : begin + limit]
    has_more = len(found) > begin + limit

    items = b",".join(_item_bytes(call, intent, paths) for intent in page)
    tail = {
        "has_more": has_more,
        "next_page": f"page_{begin + limit}" if has_more else None,
        "url": call.path,
        **({_TOTAL: len(found)} if _TOTAL in requested else {}),
    }
    return b'{"object": "search_result", "data": [%b], %b' % (
        items,
        msgspec.json.encode(tail)[1:],
    )


def _item_bytes(call: ApiCall, intent: IntentRecord, paths: Sequence[Path]) -> bytes:
    """An intent as the index has it, which may be an older version of it."""
    if call.records.intents.get(intent.id) is intent:
        return intent_bytes(call, intent, paths)
    return encode(expand(call, "payment_intent", record_json(intent), paths))


def _begin(call: ApiCall) -> int:
    page = parameters.text(call.params, "page")
    if page is None:
        return 0
    number = page.removeprefix("page_")
    if not number.isdigit():
        raise ApiRefusal(400, "Invalid pagination token", param="page")
    return int(number)
