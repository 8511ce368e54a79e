"""Damaged inputs of every kind, thousands of them: each is read, or refused in one sentence.

Good files are written first: every annotation and result format, videos, images, boxes, weights and
recipes; and requests of the page. Each try changes one at random and reads it, in a process with a
bound on time and memory. A fault is any error that is no `InputError` of one line that ends with a
full stop, more than 5 seconds, more than the memory, a crash, or an answer 500. Tries follow from
the seed, so a fault is found again by its class and number.

    python perf/fuzz.py [--tries 600] [--seed 0] [--classes video,page] [--first 0]
"""

from __future__ import annotations

import argparse
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

from fuzz_inputs import CLASSES

SECONDS, BYTES = 5, 6 * 2**30
TOKENS = (
    *(b"0", b"-1", b"1e308", b"-1e400", b"NaN", b"9223372036854775808", b"99999999999999999999999"),
    *(b"0.0000001", b"null", b'""', b"[]", b"{}", b"true", b"[" * 3000, b'{"a":' * 3000, b"\x00"),
    *(b"\xff\xfe", b"../../etc/passwd", b"\r\n", b"&a [*a,*a]", b"2001-99-99", b"\xf0\x9f\x90\x84"),
)
NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?")


def main() -> None:
    """Print the table: class, tries, faults."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=600, help="of each class")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first try")
    parser.add_argument("--classes", default=",".join(CLASSES))
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        work(options.classes, Path(options.child), options.seed, options.first, options.tries)
        return
    faults = 0
    print("| class | tries | refused | faults | seconds |\n|---|---|---|---|---|")
    for name in options.classes.split(","):
        began = time.monotonic()
        refused, found = drive(name, options.seed, options.first, options.tries)
        faults += len(found)
        seconds = time.monotonic() - began
        print(f"| {name} | {options.tries} | {refused} | {len(found)} | {seconds:.0f} |")
        for fault in found:
            print(f"    {name} {fault}", file=sys.stderr)
    raise SystemExit(faults > 0)


def drive(name: str, seed: int, first: int, tries: int) -> tuple[int, list[str]]:
    """Run the tries of a class in processes that may crash; the refusals, and the faults."""
    refused, faults, at, end = 0, [], first, first + tries
    with tempfile.TemporaryDirectory() as folder:
        while at < end:
            command = [sys.executable, __file__, "--child", folder, "--classes", name]
            numbers = ["--seed", str(seed), "--first", str(at), "--tries", str(end - at)]
            child = subprocess.Popen([*command, *numbers], stdout=subprocess.PIPE, text=True)
            assert child.stdout is not None
            started = None
            for line in child.stdout:
                word, number, *rest = line.rstrip("\n").split(" ", 2)
                if word == "TRY":
                    started = int(number)
                elif word == "DONE":
                    at, started = int(number) + 1, None
                    refused += rest[0] == "refused"
                    if rest[0].startswith("FAULT"):
                        faults.append(f"{number}: {rest[0]}")
            code = child.wait()
            if started is not None:
                faults.append(f"{started}: the process ended with {code}")
                at = started + 1
            elif code:
                raise SystemExit(f"{name}: the process ended with {code} before a try")
    return refused, faults


def work(name: str, folder: Path, seed: int, first: int, tries: int) -> None:
    """The tries of a class, in this process."""
    report = os.fdopen(os.dup(1), "w", buffering=1)
    warnings.simplefilter("ignore")
    make, read = CLASSES[name]
    place = folder / "good"
    place.mkdir(exist_ok=True)
    seeds = make(place)
    use = read(folder)
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    signal.signal(signal.SIGALRM, _late)
    for number in range(first, first + tries):
        report.write(f"TRY {number}\n")
        rng = random.Random(f"{seed} {name} {number}")
        good = rng.choice(seeds)
        content = changed(rng, good.read_bytes(), rng.choice(seeds).read_bytes())
        signal.alarm(SECONDS)
        try:
            said = _outcome(use, good.name, content, rng)
        finally:
            signal.alarm(0)
        report.write(f"DONE {number} {said}\n")


class Late(BaseException):
    """The time is over."""


def _late(*_: object) -> None:
    raise Late


def _outcome(use: Callable[..., None], name: str, content: bytes, rng: random.Random) -> str:
    from aptv2.errors import InputError

    try:
        use(name, content, rng)
    except InputError as error:
        sentence = str(error)
        if "\n" in sentence or not sentence.endswith((".", ". …")):
            return f"FAULT {name}: no sentence: {sentence[:200]!r}"
        return "refused"
    except Late:
        return f"FAULT {name}: more than {SECONDS} seconds"
    except BaseException as error:
        import traceback

        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"FAULT {name}: {error!r:.200} ({Path(where.filename).name}:{where.lineno})".replace(
            "\n", " "
        )
    return "read"


def changed(rng: random.Random, good: bytes, other: bytes) -> bytes:
    """A file with one to four changes."""
    content = bytearray(good)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(content) + 1)
        kind = rng.randrange(8)
        if kind == 0:
            del content[at:]
        elif kind == 1:
            del content[at : at + rng.choice((1, 4, 64, 1000))]
        elif kind == 2:
            content[at:at] = rng.choice(TOKENS)
        elif kind == 3 and content:
            for _ in range(rng.choice((1, 8))):
                content[rng.randrange(len(content))] = rng.randrange(256)
        elif kind == 4:
            start = rng.randrange(len(other) + 1)
            content[at:at] = other[start : start + rng.choice((8, 200, 5000))]
        elif kind == 5:
            content[at : at + 8] = rng.choice((b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7))
        elif numbers := list(NUMBER.finditer(content[:200_000])):
            number = rng.choice(numbers)
            content[number.start() : number.end()] = rng.choice(TOKENS)
    return bytes(content)


if __name__ == "__main__":
    main()
