"""What the parts of a running service share."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.clock import Clock
from reconciler.engine.health.watchdog import Pulse
from reconciler.entrypoints.service.process_metrics import Metrics
from reconciler.entrypoints.service.replica_group import ReplicaGroup
from reconciler.entrypoints.service.scheduler import SweepScheduler
from reconciler.settings import Settings


@dataclass(frozen=True, slots=True)
class ServiceContext:
    """One configuration and the objects that the work on all its accounts shares."""

    settings: Settings
    clock: Clock
    group: ReplicaGroup
    scheduler: SweepScheduler
    pulse: Pulse
    metrics: Metrics
