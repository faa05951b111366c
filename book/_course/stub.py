"""The removal itself: an answer without what the reader is to write.  See :mod:`book._course.rule` for what that is."""

import ast
from collections.abc import Iterator

from book._course.names import DEFINITIONS, FUNCTIONS, IMPORTS


def stub(text: str, label: str, names: list[str]) -> str:
    """``text`` with every removed run of lines replaced by one ``raise NotImplementedError``."""
    lines = text.split("\n")
    for first, last, indent, what in sorted(removals(text, names), reverse=True):
        lines[first : last + 1] = [f'{indent}raise NotImplementedError("{label}: {what}")']
    return "\n".join(lines)


def removals(text: str, names: list[str]) -> Iterator[tuple[int, int, str, str]]:
    """The removed lines as (first, last, indentation, what to write instead), counted from 0.

    Raises:
        ValueError: for a body that begins on the line of its signature, which cannot be removed by lines.
    """
    lines, tree = text.split("\n"), ast.parse(text).body
    for node in tree:
        if isinstance(node, FUNCTIONS):
            yield from _body(lines, node.body, node.lineno, f"write {node.name}({ast.unparse(node.args)})")
        elif isinstance(node, ast.ClassDef):
            methods = [part for part in node.body if isinstance(part, FUNCTIONS)]
            for method in methods:
                if method.name != "__init__":
                    yield from _body(
                        lines, method.body, method.lineno, f"write {node.name}.{method.name}({ast.unparse(method.args)})"
                    )
            if not methods:
                yield from _body(lines, node.body, node.lineno, f"write the class {node.name}")
    loose = [node for node in tree if not isinstance(node, DEFINITIONS + IMPORTS)]
    if loose:
        first = _with_comments(lines, loose[0].lineno - 1, 0)
        yield first, loose[-1].end_lineno - 1, "", f"find {' and '.join(names) or 'the answer'}"


def _body(lines: list[str], body: list[ast.stmt], signature: int, what: str) -> Iterator[tuple[int, int, str, str]]:
    kept = isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant) and isinstance(body[0].value.value, str)
    rest = body[kept:]
    if not rest:
        return
    start = min([rest[0].lineno] + [d.lineno for d in getattr(rest[0], "decorator_list", [])]) - 1
    indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
    if not lines[start].strip() or (lines[start].lstrip().startswith(("def ", "class ")) and start == signature - 1):
        raise ValueError(f"the body of {lines[start].strip()!r} stands on the line of its signature; put it on lines of its own")
    yield _with_comments(lines, start, body[0].end_lineno if kept else signature), rest[-1].end_lineno - 1, indent, what


def _with_comments(lines: list[str], first: int, above: int) -> int:
    """Comments directly before the removed lines go with them."""
    while first > above and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    return first
