"""Stripe's limiters: what each request counts against, and what Stripe says when one of them is exhausted."""

from __future__ import annotations

from enum import StrEnum


class Endpoint(StrEnum):
    """What a read counts against, besides the account's overall limit.

    To Stripe an endpoint is a method and a path template, so that all ids of one path share one limit, and all search
    endpoints share another. OTHER stands for endpoints that are read now and then; together they take one share.
    """

    RETRIEVE = "retrieve"
    """``GET /v1/payment_intents/{id}``"""
    LIST = "list"
    """``GET /v1/payment_intents``"""
    EVENTS = "events"
    """``GET /v1/events``"""
    CHARGES = "charges"
    """``GET /v1/charges``"""
    SEARCH = "search"
    """``GET /v1/…/search``"""
    OTHER = "other"


class RateLimitReason(StrEnum):
    """Why Stripe answered 429: the header ``Stripe-Rate-Limited-Reason``, as its rate limit page lists the values."""

    GLOBAL_RATE = "global-rate"
    ENDPOINT_RATE = "endpoint-rate"
    GLOBAL_CONCURRENCY = "global-concurrency"
    ENDPOINT_CONCURRENCY = "endpoint-concurrency"
    RESOURCE_SPECIFIC = "resource-specific"
    """The limit of one object or product: no sign of a lane that is too fast."""
    LOCK_TIMEOUT = "lock_timeout"
    """Another call holds the object (the error's code; such an answer has no reason header)."""
    UNKNOWN = "unknown"
    """No reason was given, or one that we do not know."""
