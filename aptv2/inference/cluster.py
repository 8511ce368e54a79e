"""Many videos on a Ray cluster: one actor a device, results as they finish, failures retried."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from aptv2.errors import InputError
from aptv2.threads import set_environment

Job = TypeVar("Job")
Result = TypeVar("Result")
ATTEMPTS = 3  # at a job whose worker dies


def on_ray(
    work: Callable[[Job, bool], Result],
    jobs: Sequence[Job],
    lost: Callable[[Job, int], Result],
) -> Iterator[Result]:
    """Do jobs on a Ray cluster and yield the result of each, in the order in which they finish.

    The cluster is the one that `RAY_ADDRESS` names or that runs on this machine, else one of only
    this machine. There is one actor for each GPU, or for each machine where the cluster has none.
    All machines must see the same files.

    Parameters
    ----------
    work
        Does a job; its second argument says whether a dead worker may have started it.
    jobs
        The jobs.
    lost
        Result of a job that killed as many workers as the number given.

    Raises
    ------
    InputError
        Where Ray is not installed or its cluster cannot be reached.
    """
    ray = _connected()
    devices = _devices(ray)[: len(jobs)]
    start = ray.remote(_Worker).options
    idle = deque((start(**resources).remote(), resources) for resources in devices)
    busy: dict[Any, tuple[Any, dict[str, Any], Job, int]] = {}
    waiting = deque((job, 1) for job in jobs)
    try:
        while waiting or busy:
            while waiting and idle:
                (actor, resources), (job, attempt) = idle.popleft(), waiting.popleft()
                busy[actor.run.remote(work, job, attempt > 1)] = actor, resources, job, attempt
            (ready,), _ = ray.wait(list(busy))
            actor, resources, job, attempt = busy.pop(ready)
            try:
                result = ray.get(ready)
            except ray.exceptions.RayActorError:
                actor = start(**resources).remote()
                if attempt < ATTEMPTS:
                    waiting.append((job, attempt + 1))
                    idle.append((actor, resources))
                    continue
                result = lost(job, attempt)
            idle.append((actor, resources))
            yield result
    finally:
        for actor in [*(each[0] for each in idle), *(each[0] for each in busy.values())]:
            ray.kill(actor)


class _Worker:
    """Runs jobs in a process of its own, in which the networks of one job serve the next."""

    def __init__(self) -> None:
        # The first job brings torch with it, so this comes before.
        set_environment()

    def run(self, work: Callable[[Job, bool], Result], job: Job, retry: bool) -> Result:
        return work(job, retry)


def _connected() -> Any:
    """The module, connected to a cluster."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    os.environ.setdefault("RAY_worker_niceness", "0")  # beside any other work, 15 would starve
    try:
        import ray
    except ImportError:
        raise InputError("--engine ray needs Ray: pip install 'aptv2[ray]'.") from None
    if not ray.is_initialized():
        try:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            cluster = os.environ.get("RAY_ADDRESS", "this machine")
            reason = str(error).splitlines()[0]
            raise InputError(f"Ray's cluster ({cluster}) cannot be reached: {reason}.") from None
    return ray


def _devices(ray: Any) -> list[dict[str, Any]]:
    """What an actor of each device asks for: a GPU, or a machine's cores where there is no GPU."""
    gpus = int(ray.cluster_resources().get("GPU", 0))
    if gpus:
        return [{"num_gpus": 1}] * gpus
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    if not nodes:
        raise InputError("Ray's cluster has neither a GPU nor a processor for --engine ray.")
    prefer = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    return [
        {
            "num_cpus": node["Resources"]["CPU"],
            "scheduling_strategy": prefer(node["NodeID"], soft=True),
        }
        for node in nodes
    ]
