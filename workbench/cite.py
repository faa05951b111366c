"""The BibTeX of what a run used, for the last line of a report."""

from importlib.resources import files

_PARTS = ("solver", "model", "schedule", "conditional", "unconditional", "inside", "outside", "net", "quantizer", "inner", "scales")


def cite(*things: object) -> str:
    """BibTeX entries of the papers behind `things`, each once, in order of first mention.

    Anything with a ``paper`` attribute counts (one bib key, or a tuple of them): solvers, schedules, denoisers, losses,
    quantizers. A ``Solution`` stands for its solver; a denoiser brings its schedule along, and a network every layer
    that was quantized, and what with. A string is a bib key itself.

    Raises ValueError for a thing that names no paper, and for a key that the bibliography lacks.

        >>> print(cite("ho2022cfg").splitlines()[0])
        @article{ho2022cfg,
    """
    if not things:
        raise ValueError("got nothing to cite; give the run, or a solver, schedule or denoiser, such as cite(run)")
    known = bibliography()
    keys: dict[str, None] = {}
    for thing in things:
        found = list(_keys(thing))
        if not found:
            raise ValueError(f"{type(thing).__name__} names no paper; give it paper = 'bibkey', or leave it out")
        keys.update(dict.fromkeys(found))
    missing = [key for key in keys if key not in known]
    if missing:
        raise ValueError(f"no entry {', '.join(missing)} in workbench/references.bib; add it there")
    return "\n\n".join(known[key] for key in keys)


def bibliography() -> dict[str, str]:
    """Key -> entry of ``workbench/references.bib``, the one bibliography of package and book."""
    return split(files("workbench").joinpath("references.bib").read_text("utf-8"))


def split(text: str) -> dict[str, str]:
    """Cut BibTeX into entries by counting braces; comments between entries are dropped.

    Raises ValueError for an entry that does not end, has no key, or repeats one.
    """
    entries: dict[str, str] = {}
    start = text.find("@")
    while start >= 0:
        opening = text.find("{", start)
        depth, end = 0, opening
        while 0 <= end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            if depth == 0:
                break
            end += 1
        if opening < 0 or depth:
            raise ValueError(f"this BibTeX entry does not end: {text[start : start + 60]!r}; look for a missing brace")
        key = text[opening + 1 : end].split(",", 1)[0].strip()
        if not key or "=" in key or any(c.isspace() for c in key):
            raise ValueError(f"this BibTeX entry has no key: {text[start : start + 60]!r}; it must begin @type{{key,")
        if key in entries:
            raise ValueError(f"the BibTeX key {key!r} appears twice; keep one entry")
        entries[key] = text[start : end + 1]
        start = text.find("@", end)
    return entries


def _keys(thing: object, depth: int = 0):
    if isinstance(thing, str):
        yield thing
    elif callable(modules := getattr(thing, "modules", None)):  # a network: itself is the first of its modules
        for layer in modules():
            yield from _own(layer, depth, ("quantizer",))
    else:
        yield from _own(thing, depth, _PARTS)


def _own(thing: object, depth: int, parts: tuple[str, ...]):
    """The papers of a thing, and of its parts."""
    paper = getattr(thing, "paper", None)
    if isinstance(paper, str):
        yield paper
    elif isinstance(paper, (tuple, list)):
        yield from paper
    if depth < 3:
        for part in parts:
            inner = getattr(thing, part, None)
            if inner is not None and not isinstance(inner, str):
                yield from _keys(inner, depth + 1)
