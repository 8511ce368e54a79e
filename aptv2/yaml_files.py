"""YAML that someone else wrote, read without surprises: the only YAML reader of the package.

A few hundred bytes of YAML can stand for gigabytes (aliases of aliases), for numbers that no field
can hold, and for dates where a word was meant. None of that is needed by a recipe or by the
description of a data set.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from aptv2.errors import InputError

MOST_BYTES = 2**20
MOST_NODES = 200_000  # values, each counted as often as an alias repeats it
_MOST_DEPTH = 100
_MOST_DIGITS = 18
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_INTEGER = "tag:yaml.org,2002:int"


# libyaml, which every wheel of PyYAML holds, is thirty times as fast as the parser in Python.
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):
    """PyYAML's safe loader without dates and huge numbers, and with a bound on aliases."""

    # The base class shares its table among all loaders.
    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in found if tag != _TIMESTAMP]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def whole(self, node: Any) -> int:
        """A whole number that 64 bits hold."""
        if len(node.value) > _MOST_DIGITS + 2:
            raise _fault("the number has too many digits", node)
        return self.construct_yaml_int(node)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(keys):
            again = Counter(keys).most_common(1)[0][0]
            raise _fault(f"the key {again[:40]!r} appears twice", node)
        return super().construct_mapping(node, deep)


_Loader.add_constructor(_INTEGER, _Loader.whole)
_Loader.add_constructor(_TIMESTAMP, _Loader.construct_yaml_str)


def parse_yaml(data: bytes | str, name: Path | str) -> Any:
    """The content of YAML text.

    Dates stay text. PyYAML (https://pyyaml.org) parses; the bounds are this package's own.

    Parameters
    ----------
    data
        The text.
    name
        The file, or what else the text is, for messages.

    Raises
    ------
    InputError
        Where the text is longer than `MOST_BYTES`, is not valid YAML, asks for anything but plain
        values, holds a number of more than 18 digits, one key twice, or aliases that stand for
        more than `MOST_NODES` values.
    """
    if len(data) > MOST_BYTES:
        raise InputError(
            f"{name} is larger than {MOST_BYTES >> 20} MB, which no recipe and no description of a "
            "data set is; give another file."
        )
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        _check_depth(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _expanded(node, {})
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}" if mark else ""
        reason = f"{error.problem}{where}"
    except UnicodeError:
        reason = "it is not text in UTF-8"
    except RecursionError:
        reason = "it is nested too deeply"
    except yaml.YAMLError as error:
        reason = str(error).splitlines()[0]
    except (ValueError, TypeError, LookupError, AttributeError):
        reason = "a value does not fit its type"  # The constructors raise all of these.
    raise InputError(f"{name} is not valid YAML ({reason}); correct it.")


def _check_depth(data: str) -> None:
    """Refuse deep nesting before the parser, in which each level is a call, meets it."""
    depth = 0
    for event in yaml.parse(data, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MOST_DEPTH:
                raise _fault("it is nested too deeply", event)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _expanded(node: Any, known: dict[int, tuple[int, int] | None]) -> tuple[int, int]:
    """The number of values that a node stands for, and their depth, with aliases written out."""
    if isinstance(node, yaml.ScalarNode):
        return 1, 0
    if id(node) in known:
        found = known[id(node)]
        if found is None:
            raise _fault("an alias stands for what holds it", node)
        return found
    known[id(node)] = None
    total, deepest = 1, 0
    for child in node.value:
        for part in child if isinstance(child, tuple) else (child,):
            count, depth = _expanded(part, known)
            total, deepest = total + count, max(deepest, depth + 1)
            if total > MOST_NODES:
                raise _fault(f"it stands for more than {MOST_NODES} values", node)
            if deepest > _MOST_DEPTH:
                raise _fault("it is nested too deeply", node)
    known[id(node)] = total, deepest
    return total, deepest


def _fault(problem: str, node: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)
