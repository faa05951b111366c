"""BibTeX of what was used, each paper once, from one bibliography."""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

import workbench
from workbench.cite import bibliography, cite, split


@dataclass(frozen=True)
class Schedule:
    paper = "song2021sde"


@dataclass(frozen=True)
class Solver:
    paper = ("lu2022dpmpp", "lu2022dpmsolver")


@dataclass(frozen=True)
class Law:
    schedule: Schedule = field(default_factory=Schedule)
    paper = "wang2024gaussian"


@dataclass(frozen=True)
class Run:
    solver: Solver = field(default_factory=Solver)


def keys(text):
    return list(split(text))


def test_a_run_cites_its_solver_and_a_law_its_schedule():
    assert keys(cite(Run(), Law())) == ["lu2022dpmpp", "lu2022dpmsolver", "wang2024gaussian", "song2021sde"]


def test_a_quantized_model_cites_what_was_done_to_it():
    net = workbench.nets.MLP(2, width=16, depth=2, generator=torch.Generator().manual_seed(0))
    q = workbench.quantizers
    model = workbench.EDMDenoiser(net, 0.5)
    small = q.quantized(q.branched(q.rotated(model, 4), 2), weights=q.nf4(double=True), activations=q.Affine(bits=8))
    assert keys(cite(small)) == [
        "karras2022edm",
        "ashkboos2024quarot",
        "li2025svdquant",
        "dettmers2023qlora",
        "gray1998quantization",
    ]
    seen = q.calibrate(net, lambda m: m(torch.ones(3, 2), torch.ones(3)), each_channel=True)
    assert "xiao2023smoothquant" in keys(cite(q.smoothed(model, seen)))
    assert keys(cite(q.rotated(net, learned={"hidden.0": torch.eye(16)}))) == ["ashkboos2024quarot", "liu2025spinquant"]


def test_quantizers_name_their_papers():
    q, formats = workbench.quantizers, workbench.quantizers.number_formats
    expected = [
        (q.Affine(), ["gray1998quantization"]),
        (q.Affine(scales=q.PowerOfTwo()), ["gray1998quantization", "rouhani2023mx"]),
        (q.mxfp4(), ["rouhani2023mx"]),
        (q.nf4(), ["dettmers2023qlora"]),
        (q.Codebook(values=formats.dynamic_without_zero()), ["li2023fourbit"]),
        (q.Codebook(values=(-1.0, 0.5)), ["gray1998quantization"]),
        (q.Split(inner=q.nf4(), sizes=(1, 2)), ["li2023qdiffusion", "dettmers2023qlora"]),
        (q.LearnedStep(torch.ones(2)), ["esser2020lsq"]),
        (q.LearnedRounding(torch.ones(2, 2), q.Affine()), ["nagel2020adaround"]),
        (q.straight_through, ["bengio2013estimating"]),
    ]
    for thing, papers in expected:
        assert keys(cite(thing)) == papers, thing
    assert set(keys(cite(q.nf4().quantize(torch.ones(4))))) == {"dettmers2023qlora"}


def test_each_paper_once():
    assert keys(cite(Run(), Solver(), "lu2022dpmpp", Schedule())) == ["lu2022dpmpp", "lu2022dpmsolver", "song2021sde"]


def test_entries_are_given_whole():
    text = cite("song2021ddim")
    assert text.startswith("@inproceedings{song2021ddim,")
    assert text.count("{") == text.count("}")
    assert "Denoising Diffusion Implicit Models" in text


def test_what_cannot_be_cited_is_refused():
    with pytest.raises(ValueError, match="nothing to cite"):
        cite()
    with pytest.raises(ValueError, match="object names no paper"):
        cite(object())
    with pytest.raises(ValueError, match=r"no entry nobody1900nothing in workbench/references\.bib"):
        cite("nobody1900nothing")


def test_every_entry_is_complete():
    for key, entry in bibliography().items():
        assert entry.startswith("@")
        for name in ("title", "author", "year"):
            assert f"{name} " in entry, f"{key} has no {name}"
        year = re.fullmatch(r"[a-z]+(\d{4})[a-z0-9]*", key)
        assert year, f"{key}: keys begin with first author and year"
        assert f"{{{year[1]}}}" in entry, f"{key} names another year than its entry"


def test_every_paper_that_the_package_names_is_in_the_bibliography():
    found = {}
    for path in Path(workbench.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for place in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]:
            for line in place.body:
                names = getattr(line, "targets", [getattr(line, "target", None)])
                if any(isinstance(name, ast.Name) and name.id == "paper" for name in names) and line.value:
                    constants = [c.value for c in ast.walk(line.value) if isinstance(c, ast.Constant)]
                    found |= {c: path.name for c in constants if isinstance(c, str)}
    assert {key: name for key, name in found.items() if key not in bibliography()} == {}


def test_nested_braces_and_comments():
    found = split("words\n@a{one, title = {A {B} {\\'e}}}\n% note\n@b{two,\n x = {1}}\n")
    assert found == {"one": "@a{one, title = {A {B} {\\'e}}}", "two": "@b{two,\n x = {1}}"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@a{one, x = {1}", "does not end"),
        ("@a one", "does not end"),
        ("@a{x = {1}}", "no key"),
        ("@a{o,}@b{o,}", "twice"),
    ],
)
def test_broken_bibtex_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        split(text)
