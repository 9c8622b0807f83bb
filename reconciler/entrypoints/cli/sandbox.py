"""``sandbox``: serves a simulated Stripe on this machine, which can fail on purpose."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reconciler.entrypoints.cli.output import write_line
from reconciler.entrypoints.invocation import invocation
from reconciler.errors import UsageError
from reconciler.exit_codes import ExitCode

if TYPE_CHECKING:
    from reconciler.sandbox import Faults, Sandbox

_DELIVER_EVERY: Final = 1.0


def sandbox(
    context: typer.Context,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="The port; 0 picks a free one.")
    ] = 12111,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N", help="A number. The same number makes the same ids and faults again."
        ),
    ] = 0,
    payments: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="How many payments the sandbox has at the start. They take every outcome in turn.",
        ),
    ] = 0,
    webhook: Annotated[
        str | None, typer.Option(metavar="URL", help="Send signed events to this address.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="A fault to simulate, with its share (webhooks_lost=0.3, server_error=0.05) or "
            "its seconds (latency=0.06). Can be repeated.",
        ),
    ] = None,
    limits: Annotated[
        bool,
        typer.Option("--limits", help="Refuse requests beyond Stripe's documented rate limits."),
    ] = False,
) -> int:
    """Serve a simulated Stripe that can fail on purpose.

    It runs until it is interrupted, and works with Stripe's own SDKs.
    """
    from reconciler.sandbox import NO_LIMITS, Sandbox, SandboxLimits, SandboxServer

    call = invocation(context)
    world = Sandbox(
        call.clock,
        seed=seed,
        limits=SandboxLimits() if limits else NO_LIMITS,
        faults=faults(fault or (), seed),
    )
    _add_payments(world, payments)

    server = SandboxServer(world, host=host, port=port, deliver_every=_DELIVER_EVERY)
    try:
        server.start()
    except OSError as error:
        raise UsageError(
            f"The sandbox cannot listen on {host}:{port} ({error.strerror}).",
            "Name another address with --port or --host.",
        ) from None
    try:
        _show_address(server.url)
        if webhook is not None:
            endpoint = world.register_webhook(webhook)
            write_line(f"Webhooks go to {webhook}, signed with {endpoint.secret}")
        # a script waits for these lines before it uses the sandbox
        sys.stdout.flush()
        threading.Event().wait()
    except KeyboardInterrupt:
        pass
    finally:
        server.stop()
    return int(ExitCode.DONE)


def faults(texts: Sequence[str], seed: int) -> Faults:
    """The faults that ``name=number`` texts describe. Raises UsageError for an unknown name or a wrong number."""
    from reconciler.sandbox import Faults

    # the faults that have a share or seconds are the fields with a float
    known = tuple(field.name for field in fields(Faults) if isinstance(field.default, float))
    seconds = ("late_by", "latency", "latency_jitter")
    chosen: dict[str, float] = {}
    for text in texts:
        name, _, number = text.partition("=")
        if name not in known:
            raise UsageError(
                f'--fault "{name}" is not a fault.', f"The faults are: {', '.join(known)}."
            )
        try:
            value = float(number)
        except ValueError:
            value = -1.0  # out of every range, so the message below is shown
        if not 0 <= value <= (1 if name not in seconds else 86_400):
            wanted = "seconds from 0 to 86400" if name in seconds else "a share from 0 to 1"
            raise UsageError(
                f'--fault {name} cannot be "{number}".', f"Write {wanted}, such as {name}=0.3."
            )
        chosen[name] = value
    return Faults(seed=seed, **chosen)  # type: ignore[arg-type]


def _add_payments(world: Sandbox, count: int) -> None:
    """Create payments of every outcome in turn, so that there is something to list."""
    outcomes: tuple[Callable[[str], object], ...] = (
        world.succeed,
        lambda _ident: None,
        lambda ident: world.fail(ident, "insufficient_funds"),
        world.process,
        world.authorize,
        world.cancel,
    )
    for number in range(count):
        bring_about = outcomes[number % len(outcomes)]
        capture = "manual" if bring_about == world.authorize else "automatic_async"
        intent = world.create_payment(
            1000 + number,
            "eur",
            capture_method=capture,
            metadata={"order_id": f"order-{number + 1}"},
        )
        bring_about(intent.id)


def _show_address(url: str) -> None:
    from reconciler.sandbox import LIVE_KEY, TEST_KEY

    write_line(f"The simulated Stripe listens at {url} until you press Ctrl-C.")
    write_line(f"Its keys are {TEST_KEY} and {LIVE_KEY}. Try it with:")
    write_line(f"  RECONCILER_STRIPE__API_BASE={url} STRIPE_API_KEY={TEST_KEY} reconciler doctor")
