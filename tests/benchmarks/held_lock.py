"""A merchant's handler that holds the lock of one row for minutes delays the correction of that row alone.

The row is paid at Stripe and pending in the table, as are the others of its pages. It is locked from before the service
starts. The other rows must be corrected soon after the service has taken the lease, and the locked one soon after its lock
was released. Twenty times a second the benchmark checks whether a connection of Reconciler waits for a lock.

The window sweep counts as shop already, so that only due sweeps work: two sweeps over the same rows would wait for each
other's locks as well.
"""

from __future__ import annotations

import threading
import time

import psycopg

from tests.benchmarks.databases import Databases
from tests.benchmarks.figures import Figure, load, print_line
from tests.benchmarks.options import Options
from tests.benchmarks.service_process import replicas
from tests.benchmarks.small_shop import SmallShop, small_shop

MOST_SECONDS_FOR_OTHERS = 10.0
"""From the lease until all other rows are corrected."""
CHECK_SECONDS = 0.05
CONNECTIONS_WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'reconciler' AND wait_event_type = 'Lock'
"""


class LockWatch(threading.Thread):
    """Counts at how many checks a connection of Reconciler was waiting for a lock, until stopped."""

    def __init__(self, url: str) -> None:
        super().__init__(name="lock-watch", daemon=True)
        self._url = url
        self.checks = 0
        self.waiting = 0
        self.stopping = threading.Event()

    def run(self) -> None:
        """Check."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self.stopping.wait(CHECK_SECONDS):
                row = connection.execute(CONNECTIONS_WAITING).fetchone()
                self.checks += 1
                self.waiting += bool(row and row[0])


def run(options: Options) -> list[Figure]:
    """Seconds until the other rows are corrected, and until the locked one is after its lock was released."""
    payments = options.sized(tiny=50, usual=500, full=2_000)
    held = options.sized(tiny=3, usual=5, full=120)
    due = 5 if options.full else 2

    with (
        Databases(options.postgres) as databases,
        small_shop(
            databases,
            service__tail="10s",
            service__due=f"{due}s",
            corrections__grace="1s",
        ) as shop,
    ):
        shop.add_payments(payments, paid=True)
        shop.note_window_sweep()
        others, after, watch, longest = _measure(shop, payments, held)

    print_line(
        f"  others corrected in {others:.2f} s, the locked row {after:.2f} s after its lock was released"
    )
    name = f"one row of {payments:,} locked for {held} s"
    ticks = 2.0 * due

    return [
        Figure(
            name,
            "all other rows corrected, s",
            f"<= {MOST_SECONDS_FOR_OTHERS:.0f}",
            f"{others:.1f}",
            others <= MOST_SECONDS_FOR_OTHERS,
            f"from the lease on; {load()}",
        ),
        Figure(
            name,
            "the locked row corrected after the release, s",
            f"<= {ticks:.0f}",
            f"{after:.1f}",
            after <= ticks,
            f"two intervals of the due sweep, which is every {due} s here",
        ),
        Figure(
            name,
            "checks at which Reconciler waited for a lock",
            "0",
            str(watch.waiting),
            watch.waiting == 0,
            f"of {watch.checks}",
        ),
        Figure(name, "longest sweep meanwhile, s", "", f"{longest:.2f}", None),
    ]


def _measure(shop: SmallShop, payments: int, held: int) -> tuple[float, float, LockWatch, float]:
    locked = payments // 2
    others = [key for key in range(payments) if key != locked]
    watch = LockWatch(shop.url)

    with (
        replicas(1, shop.environ) as (service,),
        psycopg.connect(shop.url, application_name="handler") as handler,
    ):
        handler.execute("SELECT FROM payments WHERE id = %s FOR UPDATE", (locked,))
        began = time.monotonic()
        watch.start()
        service.start()
        # the log's times are monotonic, the table's are not
        taken = service.wait_for("lease.taken").at + time.time() - time.monotonic()
        written = shop.wait_for(others)
        threading.Event().wait(max(0.0, began + held - time.monotonic()))
        if locked in shop.written():
            raise RuntimeError("the locked row was written while its lock was held")
        sweeps = [float(line.fields["seconds"]) for line in service.lines("sweep.finished")]
        watch.stopping.set()
        watch.join(10)
        released_at = time.time()
        handler.rollback()
        after = shop.wait_for([locked])[locked] - released_at

    return max(written[key] for key in others) - taken, after, watch, max(sweeps)
