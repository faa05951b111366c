"""Which names a statement reads and which it gives a value, as far as its text tells."""

import ast

SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def loads(node: ast.AST) -> set[str]:
    """Every name read anywhere in it, inside functions too."""
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}


def defines(node: ast.AST, imported: frozenset[str] = frozenset()) -> set[str]:
    """The names that have another value afterwards: assigned, defined, imported, or changed in place.

    ``x[0] = ...``, ``x.a = ...`` and a statement ``x.append(...)`` change x, unless x is one of ``imported``: modules stay as they are.
    """
    found = set()
    for part in _own(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.add(part.id)
        elif isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(part.name)
        elif isinstance(part, (ast.Import, ast.ImportFrom)):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in part.names}
        elif isinstance(part, (ast.Subscript, ast.Attribute)) and isinstance(part.ctx, ast.Store):
            found |= _base(part) - imported
        elif isinstance(part, ast.Expr) and isinstance(part.value, ast.Call) and isinstance(part.value.func, ast.Attribute):
            found |= _base(part.value.func) - imported
    return found


def _base(node: ast.AST) -> set[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return {node.id} if isinstance(node, ast.Name) else set()


def _own(node: ast.AST):
    """The node and its parts, without looking into scopes of their own."""
    yield node
    if isinstance(node, SCOPES):
        return
    for child in ast.iter_child_nodes(node):
        yield from _own(child)
