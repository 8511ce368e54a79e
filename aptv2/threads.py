"""Threads that wait without computing, and no more of them than this process has processors.

OpenMP, OpenBLAS and OpenCV keep idle threads in a loop, so that they start the next task a few
microseconds sooner. Beside another busy process the loop takes the time that the working thread
needs, and a program becomes several times slower. These libraries read how to wait from the
environment, once, when they are loaded.
"""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Each is read by one library; together they cover the builds of torch for Linux, macOS and Windows.
_WAITING = {
    "OMP_WAIT_POLICY": "PASSIVE",  # GNU's OpenMP, and others that follow the standard
    "GOMP_SPINCOUNT": "0",  # GNU's OpenMP
    "KMP_BLOCKTIME": "0",  # Intel's and LLVM's OpenMP: milliseconds
    "OPENBLAS_THREAD_TIMEOUT": "4",  # NumPy and SciPy: 2**4 clock ticks, the shortest
    "OPENCV_THREAD_POOL_ACTIVE_WAIT_MAIN": "0",
    "OPENCV_THREAD_POOL_ACTIVE_WAIT_WORKER": "0",
}
# How many threads there are. OpenBLAS and MKL read the first too.
_COUNTS = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
_READERS = ("torch", "cv2")
_CGROUPS = Path("/sys/fs/cgroup")


def limit_threads(count: int | None = None) -> int:
    """Let threads wait without computing, for this process and those that it starts.

    The command `aptv2` does this first of all. A program that uses the package as a library calls
    it once, before it imports torch or OpenCV.

    Parameters
    ----------
    count
        Threads of one computation. Default: what the libraries choose, which is one for each
        processor that this process may use, but no more than :func:`usable_cpus`.

    Returns
    -------
    int
        Threads of one computation at most.

    Raises
    ------
    ValueError
        `count` is less than 1.

    Warns
    -----
    UserWarning
        A library was imported before: its threads go on waiting as they did.

    Notes
    -----
    Environment variables that are set already, such as `OMP_NUM_THREADS`, are kept unless `count`
    is given.

    Examples
    --------
    >>> import aptv2
    >>> threads = aptv2.limit_threads()  # doctest: +SKIP
    """
    if count is not None:
        if count < 1:
            raise ValueError(f"count {count}: give at least one thread.")
        os.environ.update(dict.fromkeys(_COUNTS, str(count)))
    set_environment()
    if loaded := [name for name in _READERS if name in sys.modules]:
        warnings.warn(
            f"limit_threads() came after the import of {' and '.join(loaded)}, whose idle threads "
            "go on computing; call it before.",
            stacklevel=2,
        )
        _apply_to_loaded(count)
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(given) if given.isdigit() and int(given) else usable_cpus()


def set_environment() -> None:
    """Set the environment for passive threads; what the user has set stays as it is."""
    for name, value in _WAITING.items():
        os.environ.setdefault(name, value)
    quota = usable_cpus()
    # Without a quota the libraries choose well themselves: they know affinity and hyper-threads.
    if quota < _affinity():
        for name in _COUNTS:
            os.environ.setdefault(name, str(quota))


@contextmanager
def shared_cores(parts: int) -> Iterator[None]:
    """While it lasts, computations of torch take their share of the processors of one alone.

    Several that run beside each other then do not get into each other's way.
    """
    import torch

    alone = torch.get_num_threads()
    torch.set_num_threads(max(1, alone // parts))
    try:
        yield
    finally:
        torch.set_num_threads(alone)


def usable_cpus() -> int:
    """Processors that this process may use: its affinity, and its cgroups' share of the time.

    Half a processor counts as one.
    """
    quota = _cgroup_quota()
    return _affinity() if quota is None else max(1, min(_affinity(), math.ceil(quota)))


def _affinity() -> int:
    if sys.version_info >= (3, 13):
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cgroup_quota(
    membership: Path = Path("/proc/self/cgroup"), mount: Path = _CGROUPS
) -> float | None:
    """Processors' worth of time that this process and its cgroups have; None without a limit."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return None
    quotas = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # Version 2 has one tree without a name, version 1 one for each set of controllers.
        roots = [mount] if not controllers else [mount / controllers, mount / "cpu"]
        for root in roots:
            here = root / path.lstrip("/")
            # Each parent's limit holds too. In a container the path can be the host's, and the
            # limit of the container lies at the root.
            for folder in (here, *here.parents):
                quotas.append(_quota_of(folder))
                if folder == root:
                    break
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota_of(folder: Path) -> float | None:
    """The limit of one cgroup, of version 2 or 1."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            words = " ".join((folder / name).read_text(encoding="utf-8") for name in names).split()
            quota, period = float(words[0]), float(words[1])
        except (OSError, ValueError, IndexError):  # not there, or "max"
            continue
        if quota > 0 and period > 0:  # -1 is no limit
            return quota / period
    return None


def _apply_to_loaded(count: int | None) -> None:
    """Set the number of threads of libraries that no longer read the environment."""
    if count is None:
        return
    for name, setter in (("torch", "set_num_threads"), ("cv2", "setNumThreads")):
        if name in sys.modules:
            getattr(sys.modules[name], setter)(count)
