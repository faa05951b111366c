"""Lay out ``_build/source/``, the tree that jupyter-book renders: our pages, the executed chapters, the API pages.

The chapters come from ``execute.py``, outputs included, so rendering runs nothing.  What only the build can know is
added here: the repository's address, if it has a public one (launch buttons appear with it and never without, and the
chapters offered for download install the package from it), the address of the site itself (``BOOK_SITE``, for the cards
that links unfold into), and the version the pages were built with.
"""

import json
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import yaml
from execute import ROOT, RUNS, chapters, record_of

import workbench

SOURCE = ROOT / "_build" / "source"
TEXTS = ("CHANGELOG.md", "CONTRIBUTING.md", "DATA.md", "LICENSE", "LICENSE-TEXT", "CITATION.cff", "_toc.yml")


def _git(*arguments: str) -> str:
    """What git answers, or nothing: a downloaded archive has no repository."""
    try:
        run = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=20)
    except OSError:
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


def repository() -> str | None:
    """The public address of this repository from ``BOOK_REPOSITORY`` or git's remote; None when it has none."""
    address = os.environ.get("BOOK_REPOSITORY") or _git("remote", "get-url", "origin")
    match = re.fullmatch(r"(?:https://|ssh://git@|git@)(github\.com|gitlab\.com)[/:]([\w.-]+/[\w.-]+?)(?:\.git)?/?", address)
    return f"https://{match[1]}/{match[2]}" if match else None


def reference() -> str:
    """The tag or branch these pages were built from: ``BOOK_REF``, the tag git is at, or main."""
    return os.environ.get("BOOK_REF") or _git("describe", "--tags", "--exact-match") or "main"


def installing(notebook: dict, address: str | None, ref: str) -> dict:
    """A chapter whose hidden first cell installs the package from ``address`` at ``ref`` where it is missing.

    Without an address the cell stays as it is: it stops and says what to run.
    """
    if not address:
        return notebook
    line = f"try:\n    import workbench\nexcept ImportError:\n    %pip install -q git+{address}@{ref}"
    cells = [{**cell, "source": line} if _is_guard(cell) else cell for cell in notebook["cells"]]
    return {**notebook, "cells": cells}


def _is_guard(cell: dict) -> bool:
    hidden = cell["cell_type"] == "code" and "remove-cell" in cell["metadata"].get("tags", [])
    return hidden and "pip install git+<address of this repository>" in "".join(cell["source"])


def _config() -> dict:
    """The site's configuration with what this build knows."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf8"))
    config["html"]["extra_footer"] = (
        f"<p>Built with <code>workbench</code> {workbench.__version__} on {datetime.now(UTC):%B %-d, %Y}."
        " Code: MIT license. Text and figures: CC BY 4.0.</p>"
    )
    if site := os.environ.get("BOOK_SITE"):
        config["html"]["baseurl"] = site
    if address := repository():
        config["repository"] = {"url": address, "branch": reference(), "path_to_book": ""}
        config["html"] |= {"use_repository_button": True, "use_issues_button": True}
        config["launch_buttons"] = {"notebook_interface": "jupyterlab", "colab_url": "https://colab.research.google.com"}
        if "github.com" in address:
            config["launch_buttons"]["binderhub_url"] = "https://mybinder.org"
    config["parse"]["myst_substitutions"] = {"report_an_error": _report(address)}
    return config


def _report(address: str | None) -> str:
    """How to report an error, as the first sentence about it: with a link where there is a form to link to."""
    if address and "github.com" in address:
        return f"There is [a form]({address}/issues/new?template=erratum.yml) for it."
    return "There is a form for it, *Erratum*, among the issues of the repository."


def _api_pages() -> None:
    """One page for each public part of ``workbench``, from the docstrings of its modules."""
    folder = SOURCE / "book" / "api"
    folder.mkdir(parents=True)
    for part in pkgutil.iter_modules(workbench.__path__, "workbench."):
        if part.name.rpartition(".")[2].startswith("_"):
            continue
        modules = [part.name]
        if part.ispkg:
            paths = [str(ROOT / part.name.replace(".", "/"))]
            modules += [m.name for m in pkgutil.walk_packages(paths, f"{part.name}.") if "._" not in m.name]
        text = [f"# {part.name}\n"]
        for module in modules:
            heading = "" if module == part.name else f"## {module.removeprefix(part.name + chr(46))}\n\n"
            text.append(f"{heading}```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n   :ignore-module-all:\n```\n")
        (folder / f"{part.name.rpartition('.')[2]}.md").write_text("\n".join(text), "utf8")


def main() -> int:
    missing = [chapter for chapter in chapters() if not record_of(chapter)]
    if missing:
        print("These chapters have not run successfully; run book/_tools/execute.py first:", *missing, sep="\n  ")
        return 1
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "book", SOURCE / "book", ignore=shutil.ignore_patterns("_tools", "__pycache__", "api"))
    shutil.copy2(ROOT / "workbench" / "references.bib", SOURCE / "book")
    for name in TEXTS:
        shutil.copy2(ROOT / name, SOURCE)
    address, ref = repository(), reference()
    for chapter in chapters():
        (SOURCE / chapter).parent.mkdir(parents=True, exist_ok=True)
        notebook = json.loads((RUNS / f"{chapter}.ipynb").read_text("utf8"))
        text = json.dumps(installing(notebook, address, ref), indent=1, ensure_ascii=False)
        (SOURCE / f"{chapter}.ipynb").write_text(text + "\n", "utf8")
    (SOURCE / "_config.yml").write_text(yaml.safe_dump(_config(), sort_keys=False, allow_unicode=True), "utf8")
    (SOURCE / "runs.json").write_text(json.dumps({c: record_of(c) for c in chapters()}, indent=1), "utf8")
    _api_pages()
    return 0


if __name__ == "__main__":
    sys.exit(main())
