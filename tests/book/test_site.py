"""The built pages, read as files: links, anchors, alt texts, nothing from elsewhere, and weight."""

import json
from urllib.parse import unquote, urlsplit

import pytest
from bs4 import BeautifulSoup
from built_site import SITE, site_pages
from execute import chapters

import workbench

MB = 2**20


@pytest.fixture(scope="session")
def soups(site):
    return {page: BeautifulSoup((site / page).read_text("utf8"), "html.parser") for page in site_pages()}


def anchors(soup) -> set[str]:
    return {tag["id"] for tag in soup.find_all(id=True)} | {tag["name"] for tag in soup.find_all("a", attrs={"name": True})}


def test_internal_links_and_anchors(soups):
    known = {(SITE / page).resolve(): anchors(soup) for page, soup in soups.items()}
    broken = []
    for page, soup in soups.items():
        for tag, attribute in (("a", "href"), ("img", "src"), ("script", "src"), ("link", "href")):
            for element in soup.find_all(tag, attrs={attribute: True}):
                link = urlsplit(element[attribute])
                if link.scheme or link.netloc:
                    continue
                target = ((SITE / page).parent / unquote(link.path)).resolve() if link.path else (SITE / page).resolve()
                if not target.exists():
                    broken.append((page, element[attribute]))
                elif link.fragment and target in known and unquote(link.fragment) not in known[target]:
                    broken.append((page, element[attribute], "no such anchor"))
    assert not broken


def test_nothing_is_loaded_from_another_host(soups):
    loaded = []
    for page, soup in soups.items():
        for tag, attribute in (("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("link", "href")):
            for element in soup.find_all(tag, attrs={attribute: True}):
                link = urlsplit(element[attribute])
                if link.netloc or link.scheme in {"http", "https"}:
                    loaded.append((page, element[attribute]))
    assert not loaded


def test_only_the_search_loads_its_index(soups):
    """It grows with the book, and every page would pay for it."""
    having = {page for page, soup in soups.items() if soup.select("script[src$='searchindex.js'], script[src$='searchtools.js']")}
    assert having == {"search.html"}


def test_notebooks_for_download_carry_no_outputs(site):
    """The page shows them; carried twice they would be a third of the site."""
    offered = {
        path.relative_to(site / "_sources"): json.loads(path.read_text("utf8")) for path in (site / "_sources").rglob("*.ipynb")
    }
    assert {path.with_suffix("").as_posix() for path in offered} == set(chapters())
    assert not [path for path, book in offered.items() for cell in book["cells"] if cell.get("outputs")]


def test_every_picture_says_what_it_shows(soups):
    silent = []
    for page, soup in soups.items():
        for picture in soup.find_all("img"):
            decorative = any(name.startswith("logo") for name in picture.get("class", []))
            if not decorative and len(picture.get("alt", "").split()) < 3:
                silent.append((page, str(picture)[:120]))
    assert not silent


def test_no_dead_widgets_and_no_dead_buttons(soups):
    for page, soup in soups.items():
        assert "jupyter-widget" not in str(soup), f"{page}: a widget that needs a kernel"
        assert "thebe" not in str(soup).lower(), f"{page}: thebe's scripts"
        for link in soup.select("a[href*='mybinder'], a[href*='colab.research']"):
            assert "/github/" in link["href"] or "/gh/" in link["href"] or link.find_parent("article"), page
        assert "executablebooks" not in str(soup), f"{page}: a link to the template's repository"


def test_pages_know_their_version(soups):
    for page, soup in soups.items():
        if page.startswith(("book/", "notebooks/")):
            assert f"workbench {workbench.__version__} on" in soup.get_text(" ", strip=True).replace("  ", " "), page


def test_api_lists_every_public_module(soups):
    import pkgutil

    for module in pkgutil.walk_packages(workbench.__path__, "workbench."):
        if "._" in module.name:
            continue
        page = f"book/api/{module.name.split('.')[1]}.html"
        assert f"module-{module.name}" in anchors(soups[page]), f"{module.name} is missing from {page}"


@pytest.mark.parametrize("chapter", chapters())
def test_chapter_weight(chapter, site, soups):
    page = site / f"{chapter}.html"
    files = {page.resolve()}
    loads = "script[src], img[src], link[rel~=stylesheet], link[rel~=icon]"
    for element in soups[f"{chapter}.html"].select(loads):
        link = urlsplit(element.get("src") or element["href"])
        if link.scheme != "data" and link.path:
            files.add((page.parent / unquote(link.path)).resolve())
    assert page.stat().st_size <= 2 * MB
    assert sum(file.stat().st_size for file in files if file.is_file()) <= 6 * MB


@pytest.mark.parametrize("page", ["claims", "equations", "methods", "scoreboard", "map", "syllabi"])
def test_generated_pages_are_light_and_link_to_chapters(page, site, soups):
    assert (site / "book" / f"{page}.html").stat().st_size <= 2 * MB
    article = soups[f"book/{page}.html"].find("article")
    assert len(article.select("a[href*='notebooks/']")) >= 10


def test_site_weight(site):
    assert sum(file.stat().st_size for file in site.rglob("*") if file.is_file()) <= 100 * MB


def test_code_leads_to_the_api_and_the_api_to_the_chapters(soups):
    """Both ways, for every chapter."""
    used = set()
    for page, soup in soups.items():
        if page.startswith("book/api/"):
            used |= {link["href"].removeprefix("../../").partition("#")[0] for link in soup.select("article a[href*='notebooks/']")}
    for chapter in chapters():
        links = soups[f"{chapter}.html"].select(".cell_input a[href*='book/api/']")
        assert len(links) >= 3, f"{chapter}: its code is not linked"
        assert f"{chapter}.html" in used, f"no entry of the API names {chapter}"


def test_every_page_unfolds_into_a_card(soups):
    for page, soup in soups.items():
        if page.startswith(("book/", "notebooks/")):
            card = {tag["property"]: tag["content"] for tag in soup.find_all("meta", attrs={"property": True})}
            assert card.get("og:title") and card["og:type"] == "article", page
            assert not page.startswith("notebooks/") or len(card["og:description"]) >= 40, page


def test_chapters_show_their_run(soups):
    for chapter in chapters():
        facts = soups[f"{chapter}.html"].select_one(".wb-header .wb-facts")
        assert facts is not None, f"{chapter} has no header"
        assert "MB to run on one core" in facts.get_text()
        assert soups["book/status.html"].find("a", href=f"../{chapter}.html"), f"{chapter} is not on the status page"
