"""YAML that nobody should have to trust: bombs, dates, huge numbers, doubled keys."""

from __future__ import annotations

import time

import pytest

from aptv2.errors import InputError
from aptv2.yaml_files import MOST_BYTES, parse_yaml


def bomb(levels: int, width: int = 10) -> str:
    """A list of lists, each made of aliases of the one before: `width ** levels` values."""
    lines = ["a0: &a0 [" + ", ".join("x" * width) + "]"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} [" + ", ".join([f"*a{level - 1}"] * width) + "]")
    return "\n".join(lines)


def test_plain_values_are_as_in_yaml() -> None:
    text = "a: 1\nb: [x, 2.5, true, null, -3, 0x10]\nc: {d: &twins [1, 0], e: *twins}\n"
    assert parse_yaml(text, "f") == {
        "a": 1,
        "b": ["x", 2.5, True, None, -3, 16],
        "c": {"d": [1, 0], "e": [1, 0]},
    }


@pytest.mark.parametrize("date", ["2001-01-01", "2001-99-99", "0000-00-00T99:99:99Z"])
def test_dates_stay_text(date: str) -> None:
    assert parse_yaml(f"day: {date}", "f") == {"day": date}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (bomb(9), "stands for more than 200000 values"),
        ("a: &a [*a]", "an alias stands for what holds it"),
        ("epochs: " + "9" * 23, "too many digits in line 1"),
        ("epochs: " + "9" * 9000, "too many digits"),
        ("[" * 200 + "]" * 200, "nested too deeply"),
        ("[" * 20_000, "nest"),
        ("seed: 1\nseed: 2", "the key 'seed' appears twice"),
        ("a: !!int x", "does not fit its type"),
        ("a: !!bool maybe", "does not fit its type"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("? {a: b}\n: 1", "unhashable"),
        ("a: \0", "not valid YAML"),
        ("a" * (MOST_BYTES + 1), "larger than 1 MB"),
    ],
    ids=lambda value: value[:12],
)
def test_one_sentence_and_fast(text: str, said: str) -> None:
    start = time.process_time()
    with pytest.raises(InputError, match=said) as caught:
        parse_yaml(text, "recipe.yaml")
    assert time.process_time() - start < 2
    assert str(caught.value).startswith("recipe.yaml ")
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_long_chain_of_aliases_is_too_deep() -> None:
    chain = "- &a0 [x]\n" + "".join(f"- &a{n} [*a{n - 1}]\n" for n in range(1, 300))
    with pytest.raises(InputError, match="nested too deeply"):
        parse_yaml(chain, "f")
