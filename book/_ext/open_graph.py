"""The card that a link to a page unfolds into elsewhere: title, description, picture.

It needs absolute addresses, so it is written only when the build knows the site's own (``html_baseurl``); a copy that is
opened from a folder has none, and gets the title and the description alone.
"""

import html
from urllib.parse import urljoin

from docutils import nodes

PICTURE = "_images/readme.png"
ALT = "The same nine small pictures four times, from pale and blurred to converged."
LONGEST = 200


def description(doctree) -> str:
    """The first paragraph of running text that is long enough to say something, cut at a word."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if len(text) >= 60 and isinstance(paragraph.parent, nodes.section):
            return text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(' ')[0]} …"
    return ""


def tags(title: str, words: str, site: str, page: str) -> str:
    """The ``<meta>`` lines; addresses only when ``site`` is known."""
    found = {"og:type": "article", "og:title": title, "og:description": words}
    if site:
        base = site.rstrip("/") + "/"
        found |= {"og:url": urljoin(base, page), "og:image": urljoin(base, PICTURE), "og:image:alt": ALT}
    lines = [f'<meta property="{name}" content="{html.escape(value)}">' for name, value in found.items() if value]
    return "\n".join([*lines, '<meta name="twitter:card" content="summary_large_image">' if site else ""])


def _add(app, pagename, templatename, context, doctree):
    if doctree is None:
        return
    title = next((found.astext() for found in doctree.findall(nodes.title)), app.config.project)
    page = app.builder.get_target_uri(pagename)
    context["metatags"] = context.get("metatags", "") + "\n" + tags(title, description(doctree), app.config.html_baseurl, page)


def setup(app):
    app.connect("html-page-context", _add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
