"""The part of a chapter that one exercise needs, ready to run by itself.

Grading executes neither the chapter nor the student's notebook, but a slice of the chapter: the statements before the exercise that
give a value to a name which the solution, its checks or the submitted answer read, directly or through other statements.
Assertions, claims, figures and printing are left out, because the slice runs on another law than the page:
every ``manual_seed(k)`` is replaced by a seed that belongs to the student.
"""

import ast
import re
from dataclasses import dataclass

from book._course.chapter import Chapter, Exercise, source
from book._course.names import DEFINITIONS, IMPORTS, defines, exposed, loads, reads, replaces
from book._course.rule import parts, points, wanted

SHOWN = re.compile(r"(wb\.(claim|recorded|quoted|scoreboard|checks\.\w+|plots\.\w+)|print|display)\(")
OWN_SEED = "_own_seed"


@dataclass(frozen=True)
class Program:
    """What a grading process executes; plain text, so that it can be hashed, sent and read.

    Attributes:
        label: the exercise.
        context: the slice.
        given: the statements of checks and what they need, in order.
        worth: points by the number of the statement.
        wanted: the names an answer must define.
        solution, task: the answer as the chapter has it, and as it is handed out.
    """

    label: str
    context: str
    given: tuple[str, ...]
    worth: dict[int, float]
    wanted: tuple[str, ...]
    solution: str
    task: str


def program(chapter: Chapter, exercise: Exercise, answer: str = "") -> Program:
    """The program for one exercise and the submitted ``answer``, which may be unreadable: then only its own names are missing."""
    found = parts(exercise)
    given = [ast.unparse(OwnSeeds().visit(node)) for part in found if not part.answer for node in ast.parse(part.text).body]
    solution = "\n".join(part.text for part in found if part.answer)
    imports = [ast.unparse(node) for text in exercise.sources for node in ast.parse(text).body if isinstance(node, IMPORTS)]
    return Program(
        exercise.label,
        "\n".join([context(chapter, exercise, answer), *imports]),
        tuple(given),
        points(exercise),
        tuple(wanted(exercise)),
        solution,
        "\n".join(part.stub for part in found if part.answer),
    )


def context(chapter: Chapter, exercise: Exercise, answer: str = "") -> str:
    """The slice of the chapter before the exercise, as text.

    A backward pass: a statement is kept if it gives a value to a name that is still needed; then what it reads is needed too, with
    what the functions it names read when they are called.
    """
    nodes = [node for text in _before(chapter, exercise) for node in ast.parse(text).body]
    modules = frozenset(name for node in nodes if isinstance(node, IMPORTS) for name in defines(node))
    clean = [node for node in map(Quiet().visit, nodes) if node is not None]
    known = [(k, node.name, loads(node)) for k, node in enumerate(clean) if isinstance(node, DEFINITIONS)]
    begin = exposed([node for text in exercise.sources for node in ast.parse(text).body]) | _reads(answer)
    needed, chosen = _reached(begin, known, len(clean)), []
    for k in range(len(clean) - 1, -1, -1):
        node = clean[k]
        if isinstance(node, IMPORTS) or defines(node, modules) & needed:
            chosen.append(ast.unparse(ast.fix_missing_locations(OwnSeeds().visit(node))))
            needed = (needed - replaces(node)) | (set() if isinstance(node, IMPORTS) else _reached(reads(node), known, k))
    return "\n".join(reversed(chosen))


def _reached(names: set[str], known: list[tuple[int, str, set[str]]], before: int) -> set[str]:
    """The names, and those that the functions and classes among them read, as defined in the statements ``before``."""
    size = -1
    while size < len(names):
        size = len(names)
        names = names.union(*(read for k, name, read in known if k < before and name in names))
    return names


def _before(chapter: Chapter, exercise: Exercise) -> list[str]:
    """The code cells before the solution, without the guard that asks to install the package and without IPython's own lines."""
    cells = chapter.notebook["cells"][: exercise.cells[0]]
    code = [source(c) for c in cells if c["cell_type"] == "code" and "remove-cell" not in c["metadata"].get("tags", [])]
    return [re.sub(r"^(\s*)[%!].*$", r"\1pass", text, flags=re.MULTILINE) for text in code]


def _reads(answer: str) -> set[str]:
    try:
        return exposed(ast.parse(answer).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()


class Quiet(ast.NodeTransformer):
    """Without statements that only assert or show; a claim whose value is used becomes that value."""

    def visit_Assert(self, node: ast.Assert) -> None:
        return None

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if SHOWN.match(ast.unparse(node)) else node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if ast.unparse(node.func) in ("wb.claim", "wb.recorded", "wb.quoted") and len(node.args) > 1:
            return ast.Call(ast.Name("float", ast.Load()), [node.args[1]], [])
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        """Bodies that became empty still need a statement."""
        super().generic_visit(node)
        if isinstance(getattr(node, "body", None), list) and not node.body and not isinstance(node, ast.Module):
            node.body = [ast.Pass()]
        return node


class OwnSeeds(ast.NodeTransformer):
    """``x.manual_seed(k)`` becomes ``x.manual_seed(_own_seed(k))``."""

    def visit_Call(self, node: ast.Call) -> ast.Call:
        self.generic_visit(node)
        if isinstance(node.func, ast.Attribute) and node.func.attr == "manual_seed" and len(node.args) == 1:
            node.args = [ast.Call(ast.Name(OWN_SEED, ast.Load()), node.args, [])]
        return node
