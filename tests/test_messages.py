"""Every error that users see is a sentence: it ends with a full stop."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "aptv2"
# Exceptions whose text is shown as it is. ValueError and its like are parts of other sentences.
SHOWN = {
    "InputError",
    "BrokenVideoError",
    "TooLargeError",
    "OtherRunError",
    "UnknownNetworkError",
    "HTTPException",
}
FILES = [path.relative_to(PACKAGE).as_posix() for path in sorted(PACKAGE.rglob("*.py"))]


def ending(node: ast.expr) -> str:
    """The literal end of a message; "" where a value ends it."""
    if isinstance(node, ast.BinOp):
        return ending(node.right)
    if isinstance(node, ast.JoinedStr) and node.values:
        return ending(node.values[-1])
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def unended(code: str) -> list[str]:
    """Line and end of each message without a full stop or a question mark."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args):
            continue
        if node.func.id in SHOWN:
            text = ending(node.args[-1] if node.func.id == "HTTPException" else node.args[0])
            if text and not text.endswith((".", "?")):
                found.append(f"line {node.lineno}: {text[-60:]}")
    return found


@pytest.mark.parametrize("name", FILES)
def test_messages_end_with_a_full_stop(name: str) -> None:
    assert not unended((PACKAGE / name).read_text(encoding="utf-8"))


def test_an_unended_message_is_found() -> None:
    assert unended('raise InputError(f"{path}: is " "a file")') == ["line 1: : is a file"]
    assert not unended('raise InputError(f"{path}: is a file; give a folder.")')
    assert not unended('raise InputError(f"{path}: {error}")')
