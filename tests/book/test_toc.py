"""The table of contents names everything there is, once, in an order that respects the prerequisites."""

import json
from collections import Counter

import pytest
import yaml
from built_site import ROOT
from execute import chapters, pages


def test_every_page_once():
    named = Counter(pages())
    written = {p.relative_to(ROOT).with_suffix("").as_posix() for p in ROOT.glob("book/*.md")}
    written |= {p.relative_to(ROOT).with_suffix("").as_posix() for p in ROOT.glob("notebooks/*/*.ipynb")}
    assert not set(named) - written, "named in _toc.yml, but there is no such file"
    assert not written - set(named), "written, but not named in _toc.yml"
    assert not [page for page, count in named.items() if count > 1], "named twice"


def test_chapters_are_named_for_their_topic():
    for path in ROOT.glob("notebooks/**/*.ipynb"):
        assert path.stem.replace("_", "").replace("cifar10", "cifar").isalpha(), (
            f"{path.name}: the order is in _toc.yml, not in file names"
        )
        assert path.stem == path.stem.lower()


@pytest.mark.parametrize("chapter", chapters())
def test_prerequisites_come_earlier(chapter):
    order = chapters()
    for need in json.loads((ROOT / f"{chapter}.ipynb").read_text("utf8"))["metadata"]["book"]["needs"]:
        assert f"notebooks/{need}" in order[: order.index(chapter)], f"{chapter} needs {need}, which is not an earlier chapter"


def test_parts_have_captions():
    assert all(part.get("caption") for part in yaml.safe_load((ROOT / "_toc.yml").read_text("utf8"))["parts"])
