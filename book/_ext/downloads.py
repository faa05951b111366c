"""The notebooks that pages offer for download, without their outputs.

A reader who takes a notebook home runs it there; the outputs are on the page already.  With them the site would carry every figure
and every frame of every player twice.
"""

from pathlib import Path

import nbformat


def _strip(app, exception):
    if exception is not None or app.builder.format != "html":
        return
    for path in sorted((Path(app.outdir) / "_sources").rglob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, path)


def setup(app):
    app.connect("build-finished", _strip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
