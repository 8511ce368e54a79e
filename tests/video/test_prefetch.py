"""Reading ahead and writing behind: order, bounds, errors, and threads that end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from aptv2.video.prefetch import WriteBehind, read_ahead


def wait_for(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    return condition()


class Numbers:
    """Counts up, remembering how far it came, where it ran and whether it was closed."""

    def __init__(self, stop: int = 10**9, fail_at: int | None = None) -> None:
        self.stop, self.fail_at = stop, fail_at
        self.made = 0
        self.closed = False
        self.thread: threading.Thread | None = None

    def __iter__(self) -> Iterator[int]:
        self.thread = threading.current_thread()
        try:
            for number in range(self.stop):
                if number == self.fail_at:
                    raise OSError("torn tape")
                self.made += 1
                yield number
        finally:
            self.closed = True


class TestReadAhead:
    @pytest.mark.parametrize("size", [1, 3, 50])
    def test_all_in_order(self, size: int) -> None:
        assert list(read_ahead(Numbers(20), size)) == list(range(20))

    def test_nothing_to_read(self) -> None:
        assert list(read_ahead([])) == []

    def test_works_on_another_thread_within_its_bound(self) -> None:
        numbers = Numbers()
        items = read_ahead(numbers, 4)
        assert next(items) == 0
        assert wait_for(lambda: numbers.made == 5)
        time.sleep(0.02)
        assert numbers.made == 5
        assert numbers.thread is not threading.current_thread()
        items.close()

    def test_starts_with_the_first_item(self) -> None:
        numbers = Numbers()
        read_ahead(numbers, 4)
        time.sleep(0.02)
        assert numbers.made == 0

    def test_an_error_comes_after_the_items_before_it(self) -> None:
        items = read_ahead(Numbers(fail_at=5), 3)
        assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
        with pytest.raises(OSError, match="torn tape"):
            next(items)

    @pytest.mark.parametrize("how", ["close", "error"])
    def test_stopping_early_closes_the_source_and_ends_the_thread(self, how: str) -> None:
        numbers = Numbers()
        items = read_ahead(numbers, 4)
        next(items)
        if how == "close":
            items.close()
        else:
            with pytest.raises(KeyboardInterrupt):
                items.throw(KeyboardInterrupt)
        assert numbers.closed
        assert numbers.thread is not None
        assert not numbers.thread.is_alive()


class TestWriteBehind:
    def test_all_in_order_on_another_thread(self) -> None:
        seen, threads = [], set()

        def write(item: int) -> None:
            threads.add(threading.current_thread())
            seen.append(item)

        with WriteBehind(write, size=3) as behind:
            for number in range(20):
                behind.put(number)
        assert seen == list(range(20))
        assert len(threads) == 1
        assert threading.current_thread() not in threads
        assert not any(thread.is_alive() for thread in threads)

    def test_blocks_where_too_many_wait(self) -> None:
        gate = threading.Event()
        behind = WriteBehind(lambda _: gate.wait(10), size=2)
        behind.put(1)
        behind.put(2)
        opener = threading.Timer(0.05, gate.set)
        opener.start()
        behind.put(3)
        assert gate.is_set()
        behind.close()

    def test_an_error_comes_with_a_later_put_and_ends_the_work(self) -> None:
        seen = []

        def write(item: int) -> None:
            seen.append(item)
            if item == 2:
                raise OSError("disk full")

        def put_all() -> None:
            for number in range(50):
                behind.put(number)

        behind = WriteBehind(write, size=2)
        with pytest.raises(OSError, match="disk full"):
            put_all()
        behind.close()
        assert seen[:3] == [0, 1, 2]
        assert len(seen) <= 5  # At most those that were waiting.

    def test_an_error_comes_with_close(self) -> None:
        def write(_: int) -> None:
            raise OSError("disk full")

        behind = WriteBehind(write)
        behind.put(1)
        with pytest.raises(OSError, match="disk full"):
            behind.close()

    def test_cancelled_what_waits_is_dropped(self) -> None:
        seen = []

        def write(item: int) -> None:
            time.sleep(0.05)
            seen.append(item)

        behind = WriteBehind(write)
        for number in range(5):
            behind.put(number)
        behind.cancel()
        assert len(seen) <= 2
        time.sleep(0.1)
        assert len(seen) <= 2

    def test_where_the_body_fails_what_was_put_is_written(self) -> None:
        seen = []

        def write(item: int) -> None:
            time.sleep(0.005)
            seen.append(item)

        def body() -> None:
            with WriteBehind(write) as behind:
                for number in range(5):
                    behind.put(number)
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            body()
        assert seen == [0, 1, 2, 3, 4]
