"""What holds an equation: the entries of ``book/equations.yml``, read."""

from executed import Chapter

ORDER = ("proved", "verified", "proved in part", "quoted", "definition", "stated")


def status(entry: dict) -> str:
    """The strongest thing that may be said of an equation."""
    whole = "proved in part" if "scope" in entry else "proved"
    named = {"page": whole, "part": "proved in part", "claim": "verified", "quoted": "quoted", "defined": "definition"}
    found = {named.get(key, key) for key in entry}
    return next(name for name in ORDER if name in found or name == "stated")


def evidence(entry: dict) -> list[tuple[str, str]]:
    """What holds it: kind and name."""
    kinds = ("proved", "part", "page", "verified", "claim")
    found = [(kind, name) for kind in kinds for name in entry.get(kind, ())]
    return found + ([("quoted", entry["quoted"])] if "quoted" in entry else [])


def unlabeled(book: tuple[Chapter, ...], index: dict) -> list[tuple]:
    """Statements that stand behind no label, with the chapters that prove them."""
    from workbench.symbolic import ALL

    entries = [entry for part in index.values() for entry in part.values()]
    bound = {name for entry in entries for kind, name in evidence(entry) if kind in ("proved", "part")}
    return [(s, [c for c in book if f'"{s.name}"' in c.source("code")]) for s in ALL if s.name not in bound]
