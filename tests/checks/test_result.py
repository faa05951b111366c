"""How the outcome of a check shows itself."""

from workbench.checks import CheckResult


def test_a_result_shows_itself_on_a_page_with_markup_in_its_message_escaped():
    page = CheckResult("order", False, "slope 1 < 2 & falling")._repr_html_()
    assert "failed" in page
    assert "slope 1 &lt; 2 &amp; falling" in page
    assert "passed" in CheckResult("order", True, "slope 2.0")._repr_html_()
