"""The error a user sees: one sentence that names the file and the field and says what to do."""

from __future__ import annotations

import signal

STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Signals that ask a process to stop; Windows has no SIGHUP."""

HOW_TO_RESUME = "resume with the same command and --resume."

_MOST_LETTERS = 1000


class InputError(ValueError):
    """Something a user gave cannot be used. The command line prints it and exits with 2.

    A sentence that quotes a huge value loses its middle: where it is and what to do stay.
    """

    def __init__(self, sentence: str) -> None:
        if len(sentence) > _MOST_LETTERS:
            sentence = f"{sentence[:600]} … {sentence[-300:]}"
        super().__init__(sentence)


class BrokenVideoError(InputError):
    """A video that can be read only up to some frame; what came before it is good.

    Parameters
    ----------
    sentence
        What broke, and where.
    table
        The animals of the frames before, where they were looked for: a
        :class:`aptv2.tables.PoseTable`.
    """

    def __init__(self, sentence: str, table: object = None) -> None:
        super().__init__(sentence)
        self.table = table


class Stopped(KeyboardInterrupt):
    """A signal asked the process to stop.

    Parameters
    ----------
    number
        The signal, which `code`, the exit code of a command, follows from as in a shell.
    sentence
        What was done until then.
    """

    def __init__(self, number: int = signal.SIGINT, sentence: str = "") -> None:
        super().__init__(sentence)
        self.code = 128 + number
