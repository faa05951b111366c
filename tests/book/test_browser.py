"""The built site in a real browser: offline, quiet, narrow, dark, by keyboard, accessible."""

import json
from pathlib import Path

import pytest
from built_site import SITE, TYPESET, Visit, site_pages
from execute import ROOT, chapters

pytestmark = pytest.mark.browser
AXE = Path(__file__).with_name("axe.min.js")
CHAPTERS = [f"{chapter}.html" for chapter in chapters()]
# Chapters first: the tests of chapters and those of all pages then share one place in the list, and so one opened page.
PAGES = [*CHAPTERS, *(page for page in site_pages() if page.startswith(("book/", "notebooks/")) and page not in CHAPTERS)]

# Findings in the theme's own header and search dialog, which pages cannot change.
THEME = {"label-content-name-mismatch"}

CUT_OFF = """[...document.querySelectorAll('.bd-article img, .bd-article figure, .bd-article .admonition')]
    .filter(e => e.offsetParent && e.getBoundingClientRect().right > 391 && !e.closest('.wb-scroll'))
    .map(e => e.outerHTML.slice(0, 80))"""


@pytest.fixture(scope="module", params=PAGES)
def opened(request, browser, address):
    """A page, opened once for all tests of it.  Those that change what they cannot change back stand later."""
    visit = Visit(browser, address, request.param)
    visit.path = request.param
    yield visit
    visit.close()


def test_asks_nobody_complains_about_nothing_and_is_light(opened, record_property):
    kilobytes = {"html": (SITE / opened.path).stat().st_size // 1000, "weight": opened.weight // 1000}
    counts = {"requests": opened.requests, "foreign": len(opened.foreign), "errors": len(opened.complaints)}
    record_property("page", {"page": opened.path, **kilobytes, **counts})
    assert not opened.foreign
    assert not opened.complaints
    assert opened.weight <= 6 * 2**20


@pytest.mark.parametrize("opened", CHAPTERS, indirect=True)
def test_mathematics_is_typeset(opened):
    assert opened.page.locator("mjx-container").count() > 0
    assert opened.page.locator("mjx-merror").count() == 0


@pytest.mark.parametrize("opened", CHAPTERS, indirect=True)
def test_dark_mode_keeps_figures_on_white(opened):
    page = opened.page
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    page.wait_for_timeout(400)  # colors fade over
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(v) for v in background[4:-1].split(",")[:3]) < 60
    styles = page.evaluate("[...document.querySelectorAll('.wb-figure img')].map(i => getComputedStyle(i).backgroundColor)")
    assert set(styles) <= {"rgb(255, 255, 255)"}


@pytest.mark.parametrize("opened", CHAPTERS, indirect=True)
def test_sliders_move_by_mouse_and_keyboard(opened, record_property):
    players = opened.page.locator(".wb-player")
    sliders = [int(s.get_attribute("max")) for s in players.locator("input[type=range]").all()]
    moved = 0
    for k in range(players.count()):
        player = players.nth(k)
        picture = player.locator("img").first
        for slider in player.locator("input[type=range]").all():
            if int(slider.get_attribute("max")) == 0:
                continue
            before = picture.get_attribute("src"), picture.get_attribute("alt")
            slider.focus()
            opened.page.keyboard.press("End")
            by_key = picture.get_attribute("src"), picture.get_attribute("alt")
            assert by_key[1] != before[1], "the keyboard did not change the picture"
            box = slider.bounding_box()
            opened.page.mouse.click(box["x"] + 2, box["y"] + box["height"] / 2)
            assert picture.get_attribute("alt") == before[1], "the mouse did not bring the first picture back"
            assert picture.get_attribute("src") == before[0]
            moved += 1
    record_property("page", {"page": opened.path, "sliders": sum(largest > 0 for largest in sliders), "moved": moved})


@pytest.mark.parametrize("opened", CHAPTERS, indirect=True)
def test_predictions_open_and_progress_is_kept(opened):
    """Every chapter asks for a prediction; a method card need not."""
    answer = opened.page.locator("details.wb-predict, .wb-predict details").first
    book = json.loads((ROOT / opened.path).with_suffix(".ipynb").read_text("utf8"))["metadata"]["book"]
    if book["level"] != "reference" or answer.count():
        assert not answer.evaluate("d => d.open")
        answer.locator("summary").press("Enter")
        assert answer.evaluate("d => d.open")
    tick = opened.page.get_by_label("I have read this chapter")
    tick.check()
    opened.page.reload()
    opened.page.wait_for_function(TYPESET)
    assert opened.page.get_by_label("I have read this chapter").is_checked()
    assert opened.page.locator(".bd-links a.wb-ticked").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(opened, scheme, record_property):
    page = opened.page
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
    page.wait_for_timeout(400)  # colors fade over
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    if not page.evaluate("'axe' in window"):
        page.add_script_tag(path=str(AXE))
    # What does not depend on colors is asked once.
    asked = (
        "['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']"
        if scheme == "light"
        else "{type: 'rule', values: ['color-contrast', 'link-in-text-block']}"
    )
    options = f"{{runOnly: {asked}, resultTypes: ['violations']}}"
    found = page.evaluate(f"axe.run(document, {options}).then(r => r.violations)")
    grave = [v for v in found if v["impact"] in {"serious", "critical"}]
    serious = [
        (v["id"], [node["html"][:150] + " " + node.get("failureSummary", "")[:200] for node in v["nodes"]][:3])
        for v in grave
        if v["id"] not in THEME
    ]
    record_property("page", {"page": opened.path, "axe": len(serious), "theme": len(grave) - len(serious)})
    assert not serious


def test_narrow_screen_does_not_scroll_sideways(opened):
    page = opened.page
    page.set_viewport_size({"width": 390, "height": 900})
    page.wait_for_timeout(200)
    wide = page.evaluate("document.documentElement.scrollWidth")
    cut = page.evaluate(CUT_OFF)
    page.set_viewport_size({"width": 1280, "height": 900})
    assert wide <= 390
    assert not cut


@pytest.mark.parametrize("path", ["book/notation.html", CHAPTERS[0]])
def test_on_paper_the_text_has_the_page_to_itself(path, visit):
    """No menus and nothing to press; the figures stay, and nothing is cut off at the width of a sheet of A4."""
    page = visit(path, width=794).page
    page.emulate_media(media="print", color_scheme="light")
    for menu in (".bd-sidebar-primary", ".bd-header", ".wb-done", ".wb-controls"):
        assert not any(part.is_visible() for part in page.locator(menu).all()), menu
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    assert all(picture.is_visible() for picture in page.locator(".bd-article .wb-figure img").all()[:3])


def test_search_finds_something(visit):
    seen = visit("search.html?q=denoiser")
    seen.page.wait_for_selector("#search-results ul.search li a", timeout=10_000)
    assert "glossary" in " ".join(a.get_attribute("href") for a in seen.page.locator("#search-results li a").all())


def test_search_finds_a_method_by_its_other_names(visit):
    for name in ("k_dpm_2", "EulerAncestralDiscreteScheduler", "PLMS"):
        seen = visit(f"search.html?q={name}")
        seen.page.wait_for_selector("#search-results ul.search li a", timeout=10_000)
        assert "methods.html" in " ".join(a.get_attribute("href") for a in seen.page.locator("#search-results li a").all()), name


def test_long_tables_filter_and_sort_by_keyboard(visit):
    page = visit("book/claims.html").page
    every = page.locator("table.wb-filter tbody tr").count()
    page.get_by_label("Show rows with").press_sequentially("multistep run")
    shown = page.locator("table.wb-filter tbody tr:visible")
    assert 0 < shown.count() < every
    assert page.get_by_role("status").filter(has_text=f"{shown.count()} of {every} rows").count() == 1
    assert all("multistep" in row and "run" in row for row in shown.all_inner_texts())
    value = page.locator("table.wb-filter th").nth(2)
    for direction in ("ascending", "descending"):
        value.get_by_role("button").press("Enter")
        assert value.get_attribute("aria-sort") == direction
        column = [float(row.locator("td").nth(2).inner_text()) for row in shown.all()[:40]]
        assert column == sorted(column, reverse=direction == "descending")


def test_previews_show_on_hover_and_typeset(visit):
    seen = visit("book/glossary.html")
    seen.page.locator("article dd a.reference.internal").first.hover()
    seen.page.wait_for_selector(".tippy-box")
    assert len(seen.page.locator(".tippy-content").inner_text()) > 20


def test_works_from_a_file(browser, site):
    context = browser.new_context()
    requests = []
    page = context.new_page()
    page.on("request", lambda request: requests.append(request.url))
    page.goto((SITE / "book" / "notation.html").as_uri())
    page.wait_for_selector("mjx-container")
    assert page.locator(".wb-converter tbody tr").count() > 5
    assert not [url for url in requests if not url.startswith(("file:", "data:"))]
    context.close()
