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
    All machines must see the same files. The jobs of a machine that is lost go to the others, and
    to one that joins in its place.

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
    # Ray starts an actor when there is room for it: never, where its machine is gone. So none is
    # given a job before it runs.
    starting: dict[Any, tuple[Any, dict[str, Any]]] = {}
    idle: deque[tuple[Any, dict[str, Any]]] = deque()
    busy: dict[Any, tuple[Any, dict[str, Any], Job, int]] = {}
    waiting = deque((job, 1) for job in jobs)

    def begin(resources: dict[str, Any]) -> None:
        actor = start(**resources).remote()
        starting[actor.ready.remote()] = actor, resources

    try:
        for resources in devices:
            begin(resources)
        while waiting or busy:
            while waiting and idle:
                (actor, resources), (job, attempt) = idle.popleft(), waiting.popleft()
                busy[actor.run.remote(work, job, attempt > 1)] = actor, resources, job, attempt
            (ready,), _ = ray.wait([*busy, *starting])
            if ready in starting:
                # One that did not start fails in its job, whose attempts are counted.
                idle.append(starting.pop(ready))
                continue
            actor, resources, job, attempt = busy.pop(ready)
            try:
                result = ray.get(ready)
            except ray.exceptions.RayActorError:
                begin(resources)
                if attempt < ATTEMPTS:
                    waiting.append((job, attempt + 1))
                    continue
                result = lost(job, attempt)
            else:
                idle.append((actor, resources))
            yield result
    finally:
        for actor, *_ in [*idle, *busy.values(), *starting.values()]:
            ray.kill(actor)


class _Worker:
    """Runs jobs in a process of its own, in which the networks of one job serve the next."""

    def __init__(self) -> None:
        # The first job brings torch with it, so this comes before.
        set_environment()

    def ready(self) -> None:
        """Return once the process runs."""

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
