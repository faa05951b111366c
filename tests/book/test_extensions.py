"""The small Sphinx extensions: what they make of docstrings, chapters and names."""

import api_names
import chapter_header
import chapter_references
import docstring_formulas
import open_graph
from docutils import nodes


def formulas(text: str) -> str:
    lines = text.splitlines()
    docstring_formulas._literal_blocks(None, "function", "f", None, None, lines)
    return "\n".join(lines)


def test_indented_formula_becomes_literal():
    shown = formulas("The mean is\n\n    E[x_0 | x_t] = a_ b\n\nand so on.")
    assert shown == "The mean is\n\n::\n\n    E[x_0 | x_t] = a_ b\n\nand so on."


def test_bars_and_underscores_in_text_mean_themselves():
    assert formulas("|x| and y_ and ``|z_|`` and :func:`f_`") == "\\|x\\| and y\\_ and ``|z_|`` and :func:`f_`"


def test_sections_and_directives_are_left_alone():
    text = "Args:\n    x: the state\n\n    y: another\n\n.. math::\n\n    a_ | b"
    assert formulas(text) == text


def test_names_are_followed_to_their_home():
    used = set(api_names._names("from workbench.schedules import VP\nwb.solve(x)\nwb.grids.log_snr(s, 3)\n%pip x"))
    assert used >= {"workbench.schedules.VP", "workbench.solve", "workbench.grids.log_snr"}
    assert api_names._home("workbench.schedules.VP") == "workbench.schedules.vp.VP"
    assert api_names._home("workbench.nothing") is None


def test_header_states_level_cost_needs_and_goals():
    book = {"level": "core", "needs": ["a/b", "a/c"], "goals": ["say what $x_t$ is"], "read_min": 7}
    header = chapter_header._header(book, {"seconds": 12.4, "peak_mb": 300})
    text = header.astext()
    assert "Core chapter · 7 min to read · 12 s and 300 MB to run on one core" in text
    assert [m.astext() for m in header.findall(nodes.math)] == ["x_t"]
    assert [x["reftarget"] for x in header.findall() if x.tagname == "pending_xref"] == ["/notebooks/a/b", "/notebooks/a/c"]
    assert "Builds on" not in chapter_header._header({**book, "needs": []}, {}).astext()


def test_references_are_what_the_chapter_cites(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("See {cite:t}`a2020b` and {cite:p}`c2021d, e2022f`, not {ref}`g`.")
    assert chapter_references.cited(page) == {"a2020b", "c2021d", "e2022f"}
    entry = {"title": "{UniPC}: A Title", "eprint": "2302.04867"}
    expected = "- {cite:t}`k`. *UniPC: A Title*. [arXiv:2302.04867](https://arxiv.org/abs/2302.04867)"
    assert chapter_references.line("k", entry) == expected


def test_a_link_unfolds_into_a_card():
    """Absolute addresses when the site has one, none otherwise; the description is the first real paragraph."""
    lead = "A picture costs evaluations times bits times parameters, and this page takes two of them down. " * 4
    section = nodes.section("", nodes.title("", "T"), nodes.paragraph("", "Short."), nodes.paragraph("", lead))
    document = nodes.container("", section)
    words = open_graph.description(document)
    assert words.startswith("A picture costs") and words.endswith("…") and len(words) <= 202
    card = open_graph.tags('a "b"', words, "https://example.org/book", "notebooks/x.html")
    assert 'og:image" content="https://example.org/book/_images/readme.png"' in card
    assert 'og:url" content="https://example.org/book/notebooks/x.html"' in card
    assert "a &quot;b&quot;" in card
    assert "://" not in open_graph.tags("a", words, "", "x.html")
