"""``sandbox``: a Stripe on this machine that can be broken on purpose."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reconciler.entrypoints.cli.invocation import invocation
from reconciler.entrypoints.cli.output import write_line
from reconciler.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from reconciler.sandbox import Faults, Sandbox

_DELIVER_EVERY: Final = 1.0


def sandbox(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="The port; 0 takes a free one.")
    ] = 12111,
    seed: Annotated[int, typer.Option(metavar="N", help="Makes ids and faults repeat.")] = 0,
    payments: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Begin with so many payments, of every outcome in turn."
        ),
    ] = 0,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Send signed events to this address.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="What goes wrong, by share (webhooks_lost=0.3, server_error=0.05) or in seconds (latency=0.06); "
            "can be given several times.",
        ),
    ] = None,
    limits: Annotated[
        bool,
        typer.Option("--limits", help="Refuse what goes beyond Stripe's documented rate limits."),
    ] = False,
) -> int:
    """Serve a Stripe that can be broken on purpose.

    It runs until it is interrupted, and speaks to Stripe's own SDKs.
    """
    from reconciler.sandbox import NO_LIMITS, Sandbox, SandboxLimits, SandboxServer

    call = invocation(context)
    world = Sandbox(
        call.clock,
        seed=seed,
        limits=SandboxLimits() if limits else NO_LIMITS,
        faults=faults(fault or (), seed),
    )
    _stock(world, payments)
    server = SandboxServer(world, host=host, port=port, deliver_every=_DELIVER_EVERY)
    try:
        server.start()
    except OSError as error:
        raise UsageError(
            f"Nothing can listen on {host}:{port} ({error.strerror}).",
            "Name another with --port or --host.",
        ) from None
    try:
        _announce(server.url)
        if webhook is not None:
            endpoint = world.register_webhook(webhook)
            write_line(f"Webhooks go to {webhook}, signed with {endpoint.secret}")
        sys.stdout.flush()
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
    return int(ExitCode.DONE)


def faults(texts: Sequence[str], seed: int) -> Faults:
    """Shares and seconds from ``name=number``. Raises UsageError for a name or number that is none."""
    from reconciler.sandbox import Faults

    known = tuple(field.name for field in fields(Faults) if isinstance(field.default, float))
    seconds = ("late_by", "latency", "latency_jitter")
    chosen: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in known:
            raise UsageError(f'--fault "{name}" is no fault.', f"There are: {', '.join(known)}.")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 <= value <= (1 if name not in seconds else 86_400):
            limit = "seconds, 0 to 86400" if name in seconds else "a share, 0 to 1"
            raise UsageError(
                f'--fault {name} is "{number}".', f"Write {limit}, such as {name}=0.3."
            )
        chosen[name] = value
    return Faults(seed=seed, **chosen)  # type: ignore[arg-type]


def _stock(world: Sandbox, count: int) -> None:
    """Payments of every outcome in turn, so that there is something to list."""
    ways: tuple[Callable[[str], object], ...] = (
        world.succeed,
        lambda _ident: None,
        lambda ident: world.fail(ident, "insufficient_funds"),
        world.process,
        world.authorize,
        world.cancel,
    )
    for number in range(count):
        way = ways[number % len(ways)]
        capture = "manual" if way == world.authorize else "automatic_async"
        intent = world.create_payment(
            1000 + number,
            "eur",
            capture_method=capture,
            metadata={"order_id": f"order-{number + 1}"},
        )
        way(intent.id)


def _announce(url: str) -> None:
    from reconciler.sandbox import LIVE_KEY, TEST_KEY

    write_line(f"A sandbox Stripe listens at {url} until you interrupt it.")
    write_line(f"Its keys are {TEST_KEY} and {LIVE_KEY}. To look at it:")
    write_line(f"  RECONCILER_STRIPE__API_BASE={url} STRIPE_API_KEY={TEST_KEY} reconciler doctor")
