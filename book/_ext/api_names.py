"""Follows names of our package to the object they mean.

Adds to each entry of the API pages the chapters whose code uses it: the code cells of the staged notebooks are read
once, and ``wb.a.b`` and ``from workbench.a import b`` are found however a chapter reaches them.  And a reference to a
name where users import it (``workbench.schedules.VP``) finds the entry where it is defined.
"""

import ast
import importlib
import json
from pathlib import Path


def _names(source: str):
    """Dotted names of ``workbench`` used in one cell."""
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "workbench":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        parts = []
        while isinstance(node, ast.Attribute):
            parts, node = [node.attr, *parts], node.value
        if isinstance(node, ast.Name) and node.id in {"wb", "workbench"}:
            yield ".".join(["workbench", *parts])


def _home(name: str) -> str | None:
    """Where the object behind a dotted name is defined: ``wb.solve`` -> ``workbench.solve.solve``."""
    target = importlib.import_module("workbench")
    for part in name.split(".")[1:]:
        try:
            target = getattr(target, part)
        except (AttributeError, ImportError):  # a chapter may show a name that does not exist, to make a point
            return None
    module, qualname = getattr(target, "__module__", None), getattr(target, "__qualname__", None)
    return f"{module}.{qualname}" if module and qualname else None


def _collect(app):
    app.env.wb_used_in = used = {}
    for path in sorted(Path(app.srcdir).glob("notebooks/**/*.ipynb")):
        notebook = json.loads(path.read_text("utf8"))
        docname = path.relative_to(app.srcdir).with_suffix("").as_posix()
        names = {n for c in notebook["cells"] if c["cell_type"] == "code" for n in _names("".join(c["source"]))}
        for home in {_home(name) for name in names} - {None}:
            used.setdefault(home, []).append(docname)


def _append(app, what, name, obj, options, lines):
    if chapters := app.env.wb_used_in.get(name):
        links = ", ".join(f":doc:`/{chapter}`" for chapter in chapters)
        lines += ["", f"*Used in* {links}.", ""]


def _resolve(app, env, node, contnode):
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("workbench."):
        return None
    home = _home(target)
    if home in (None, target):
        return None
    return env.get_domain("py").resolve_xref(env, node["refdoc"], app.builder, "obj", home, node, contnode)


def setup(app):
    app.connect("missing-reference", _resolve)
    app.connect("builder-inited", _collect)
    app.connect("autodoc-process-docstring", _append, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
