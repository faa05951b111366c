"""Which global names statements read and which they give a value, as far as their text tells."""

import ast
import symtable

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DEFINITIONS = (*FUNCTIONS, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
SCOPES = (*DEFINITIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def loads(node: ast.AST) -> set[str]:
    """Every global name read anywhere in it, by functions inside it too; parameters and local variables do not count."""
    if isinstance(node, ast.expr):
        node = ast.Expr(node)
    module = node if isinstance(node, ast.Module) else ast.Module([node], [])
    found, tables = set(), [symtable.symtable(ast.unparse(module), "chapter", "exec")]
    top = tables[0]
    while tables:
        table = tables.pop()
        found |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and (table is top or s.is_global())}
        tables += table.get_children()
    return found


def reads(node: ast.stmt) -> set[str]:
    """The names whose value from *before* the statement it may read: what a loop or a block sets before reading is left out."""
    if isinstance(node, (ast.For, ast.AsyncFor)):
        inner = _reads_of(node.body, defines(node.target))[0] | exposed(node.orelse)
        return loads(node.iter) | inner | (loads(node.target) - defines(node.target))
    if isinstance(node, ast.If):
        return loads(node.test) | exposed(node.body) | exposed(node.orelse)
    if isinstance(node, (ast.With, ast.AsyncWith)):
        names = set().union(*(defines(item.optional_vars) for item in node.items if item.optional_vars))
        return set().union(*(loads(item.context_expr) for item in node.items)) | _reads_of(node.body, names)[0]
    return loads(node)


def exposed(body: list[ast.stmt]) -> set[str]:
    """The names that consecutive statements read before they set them."""
    return _reads_of(body, set())[0]


def _reads_of(body: list[ast.stmt], known: set[str]) -> tuple[set[str], set[str]]:
    found, known = set(), set(known)
    for node in body:
        found |= reads(node) - known
        known |= replaces(node)
    return found, known


def replaces(node: ast.stmt) -> set[str]:
    """The names that certainly have a new value afterwards, whatever they were before."""
    if isinstance(node, (ast.With, ast.AsyncWith)):
        return set().union(*map(replaces, node.body))
    if isinstance(node, (ast.Assign, ast.AnnAssign)):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {
            part.id for target in targets for part in _own(target) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
        }
    return defines(node) if isinstance(node, DEFINITIONS + IMPORTS) else set()


def defines(node: ast.AST, imported: frozenset[str] = frozenset()) -> set[str]:
    """The names that may have another value afterwards: assigned, defined, imported, or changed in place.

    ``x[0] = ...``, ``x.a = ...`` and a statement ``x.append(...)`` change x, unless x is one of ``imported``: modules stay as they are.
    """
    found = set()
    for part in _own(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.add(part.id)
        elif isinstance(part, DEFINITIONS):
            found.add(part.name)
        elif isinstance(part, IMPORTS):
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
    if not isinstance(node, SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _own(child)
