"""The converter of the notation page says what the package says, cell by cell."""

import math

import pytest

import workbench as wb
from workbench import conventions

pytestmark = pytest.mark.browser
OURS = {
    "VP()": wb.schedules.VP(),
    "Cosine()": wb.schedules.Cosine(),
    "VE()": wb.schedules.VE(),
    "Rectified()": wb.schedules.Rectified(),
    "DiscreteVP.linear()": wb.schedules.DiscreteVP.linear(),
}
CASES = [(c, f) for c in conventions.ALL for f in (0.03, 0.4, 0.93)]


def shown(page) -> dict[str, list[float] | None]:
    rows = {}
    for row in page.locator(".wb-converter tbody tr").all():
        values = [cell.get_attribute("data-value") for cell in row.locator("td").all()]
        rows[row.get_attribute("data-row")] = None if values[0] is None else [float(v) for v in values]
    return rows


@pytest.fixture(scope="module")
def converter(browser, address):
    page = browser.new_page()
    page.goto(address + "book/notation.html")
    yield page
    page.close()


@pytest.mark.parametrize(("convention", "fraction"), CASES, ids=lambda v: getattr(v, "name", v))
def test_every_cell(convention, fraction, converter):
    u = round(convention.first + fraction * (convention.last - convention.first), 6)
    converter.locator(".wb-converter select").select_option(index=conventions.ALL.index(convention))
    converter.locator(".wb-converter input").fill(str(u))
    lam = convention.log_snr(u)
    assert math.isclose(
        float(converter.locator(".wb-converter output").get_attribute("data-value")), lam, rel_tol=1e-9, abs_tol=1e-9
    )
    rows = shown(converter)
    for other in conventions.ALL:
        v = other.at(lam)
        if not min(other.first, other.last) <= v <= max(other.first, other.last):
            assert rows[other.name] is None or other is convention
        else:
            assert rows[other.name] == pytest.approx([v, *other.levels(v)], rel=1e-8, abs=1e-9)
    for name, schedule in OURS.items():
        t = schedule.inverse_log_snr(lam)
        if t > schedule.t_max:
            assert rows[name] is None
        else:
            assert rows[name] == pytest.approx([t, schedule.alpha(t), schedule.sigma(t)], rel=1e-8, abs=1e-9)


def test_says_what_it_accepts(converter):
    converter.locator(".wb-converter select").select_option("DDPM (n of 1000)")
    converter.locator(".wb-converter input").fill("2000")
    assert "counts from 1000 (noise) to 1 (data)" in converter.locator(".wb-error").inner_text()
    assert converter.locator(".wb-converter input").get_attribute("aria-invalid") == "true"
