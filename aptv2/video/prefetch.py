"""Reading ahead and writing behind, so that decoding, the network and encoding overlap.

Threads are enough: PyAV, OpenCV, NumPy and torch let go of the interpreter while they work.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")

_END: Any = object()


def read_ahead(items: Iterable[T], size: int = 8) -> Generator[T, None, None]:
    """The same items in the same order, of which the next `size` are made on a thread.

    Nothing starts before the first item is asked for. An error comes after the items before it.
    When the consumer stops early (`close`, an exception, Ctrl-C), `items` is closed and the thread
    has ended.

    Parameters
    ----------
    items
        Any iterable; it is only touched by one thread at a time.
    size
        How many items may wait, at least 1: this bounds the memory.
    """
    iterator = iter(items)
    pool = ThreadPoolExecutor(1, thread_name_prefix="read_ahead")
    pending: deque[Future[T]] = deque()
    try:
        for _ in range(size):
            pending.append(pool.submit(next, iterator, _END))
        while (item := pending.popleft().result()) is not _END:
            pending.append(pool.submit(next, iterator, _END))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
        if hasattr(iterator, "close"):
            iterator.close()


class WriteBehind(Generic[T]):
    """Calls a function with each item, in order, on a thread.

    A context manager. Where its body fails, what was put is still written and the body's error
    stands.

    Parameters
    ----------
    function
        Called with one item at a time.
    size
        How many items may wait, at least 1; :meth:`put` blocks at more.
    """

    def __init__(self, function: Callable[[T], object], size: int = 8) -> None:
        self._function = function
        self._size = size
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="write_behind")
        self._pending: deque[Future[object]] = deque()

    def put(self, item: T) -> None:
        """Hand over an item, which must not be changed afterwards.

        Raises
        ------
        Exception
            What the function raised for an earlier item.
        """
        while self._pending and (len(self._pending) >= self._size or self._pending[0].done()):
            self._take()
        self._pending.append(self._pool.submit(self._function, item))

    def close(self) -> None:
        """Wait for all items.

        Raises
        ------
        Exception
            What the function raised for an item.
        """
        try:
            while self._pending:
                self._take()
        finally:
            self._pool.shutdown()

    def cancel(self) -> None:
        """Wait for the item in hand; the others are dropped."""
        self._pool.shutdown(cancel_futures=True)
        self._pending.clear()

    def __enter__(self) -> WriteBehind[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._pool.shutdown()

    def _take(self) -> None:
        try:
            self._pending.popleft().result()
        except BaseException:
            # Items after a failed one are not tried: a half-written stream only gets worse.
            self.cancel()
            raise
