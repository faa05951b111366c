"""Shows the indented formulas of our docstrings as they are typed.

In a docstring a formula stands indented on its own, plain enough to read in an editor.  reStructuredText would take it
for a quotation and its ``|`` and ``_`` for markup; here every such block becomes a literal block.
"""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _literal_blocks(app, what, name, obj, options, lines):
    result, before, blank = [], "", False
    for line in lines:
        starts_block = blank and before and _indent(line) > _indent(before)
        if line.strip():
            if starts_block and not before.lstrip().startswith((".. ", ":", "- ", "* ")) and not before.endswith("::"):
                result += [" " * _indent(before) + "::", ""]
            before, blank = line, False
        else:
            blank = True
        result.append(line)
    lines[:] = result


def setup(app):
    app.connect("autodoc-process-docstring", _literal_blocks, priority=100)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
