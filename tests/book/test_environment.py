"""One set of dependencies, told to pip, to conda and to `make` in three files that must agree."""

import re
import tomllib
from importlib.metadata import distributions

import pytest
import supplied
import yaml
from built_site import ROOT
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text("utf8"))


def conda_requirements() -> dict[str, SpecifierSet]:
    exact = r"^=(?!=)(.*)$", r"==\1.*"  # conda's python=3.12 is pip's python==3.12.*
    return {name: SpecifierSet(re.sub(*exact, versions)) for name, versions in supplied.named().items()}


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text("utf8").splitlines()
    return {canonicalize_name(n): v for n, v in (line.split("==") for line in lines if line and not line.startswith("#"))}


@pytest.mark.parametrize("requirement", [*map(Requirement, PROJECT["dependencies"])], ids=str)
def test_conda_supplies_what_pip_would(requirement):
    """Otherwise pip would fetch it on Binder, and for torch that is the build with several GB of CUDA."""
    assert conda_requirements().get(canonicalize_name(requirement.name)) == requirement.specifier


def test_binder_installs_the_package_and_reads_the_chapters():
    pip = next(entry["pip"] for entry in CONDA["dependencies"] if isinstance(entry, dict))
    assert pip == ["-e ."]
    assert "jupyterlab-myst" in conda_requirements()
    assert not [c for c in CONDA["channels"] if c not in {"conda-forge", "nodefaults"}]


def test_what_is_supplied_is_what_the_named_packages_need():
    """torch needs fsspec and matplotlib needs pillow, though nobody names them; what only ``make`` installs is hidden from chapters."""
    known, hidden = supplied.supplied({"torch", "matplotlib"}), supplied.hidden()
    assert {"torch", "fsspec", "matplotlib", "pillow"} <= known and not {"safetensors", "ipywidgets", "pytest"} & known
    assert {"pytest", "sphinx", "diffusers", "accelerate", "yaml"} <= {*hidden}
    assert not {"torch", "numpy", "PIL", "IPython", "ipykernel", "zmq", "workbench"} & {*hidden}


def test_an_extra_brings_what_it_needs(monkeypatch):
    needs = {"a": ["b[x]", "c; extra == 'y'"], "b": ["d; extra == 'x'", "e; python_version < '3'", "a"], "d": None}
    monkeypatch.setattr(supplied, "requires", lambda name: needs[name])
    assert supplied.supplied({"a"}) == {"a", "b", "d"}
    needs["c"] = []
    assert supplied.supplied({"a[y]"}) == {"a", "b", "c", "d"}


def test_binder_builds_for_a_version_of_python_that_the_package_takes():
    """repo2docker reads it by this pattern from the dependency, and takes its own default (3.10 in 2026) where it finds none."""
    found = [re.fullmatch(r"python\s*=+\s*([\d.]+)", line) for line in CONDA["dependencies"] if isinstance(line, str)]
    versions = [match[1] for match in found if match]
    assert len(versions) == 1 and f"{versions[0]}.0" in SpecifierSet(PROJECT["requires-python"])
    assert str(conda_requirements()["python"]) == f"=={versions[0]}.*"


def test_lock_satisfies_every_range():
    extras = PROJECT["optional-dependencies"]
    wanted = [*PROJECT["dependencies"], *extras["book"], *extras["test"]]
    for requirement in map(Requirement, wanted):
        if requirement.name != PROJECT["name"]:
            assert locked()[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_lock_can_be_installed_with_the_oldest_python_promised():
    """A distribution that asks for 3.11.5 stops a newcomer whose system has 3.11.2; what is installed as locked says what it asks for."""
    oldest = re.fullmatch(r">=(3\.\d+)", PROJECT["requires-python"])[1] + ".0"
    asked = {}
    for installed in distributions():
        name = canonicalize_name(installed.metadata["Name"])
        if locked().get(name) == installed.version:
            asked[name] = installed.metadata.get("Requires-Python") or ""
    if len(asked) < 100:
        pytest.skip("other versions are installed than requirements.lock names")
    assert {name: range_ for name, range_ in asked.items() if oldest not in SpecifierSet(range_)} == {}


def test_lock_takes_the_cpu_build_and_names_no_place():
    text = (ROOT / "requirements.lock").read_text("utf8")
    assert re.search(r"^torch==\d+\.\d+\.\d+$", text, re.MULTILINE)
    assert not re.search(r"^(?!#).*(@|file:|https?:|--)", text, re.MULTILINE)
    assert locked()["jupyter-book"].startswith("1.")


def test_binder_scripts_are_executable():
    for name in ("start", "postBuild", ".ci/run"):
        assert (ROOT / name).stat().st_mode & 0o111, f"{name} is not executable"
    assert (ROOT / "start").read_text("utf8").rstrip().endswith('exec "$@"')
