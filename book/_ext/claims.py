"""What is to be said of one number of the book: what was expected of it, and how much of its room it used."""

import math

KINDS = ("run", "recorded", "quoted")
NEAREST = 10


def expectation(fact: dict) -> str:
    """What was asked of a number, or where it comes from, in MyST."""
    if fact["kind"] == "recorded":
        return f"`{fact['artifact']}`"
    if fact["kind"] == "quoted":
        return f"{{cite:t}}`{fact['source']}`"
    if "expect" in fact:
        width = f"{fact['tol']:.3g}" if "tol" in fact else f"{100 * fact['rel']:.3g} %"
        return f"{fact['expect']:.6g} ± {width}"
    bounds = (("at_least", "at least"), ("at_most", "at most"))
    return " and ".join(f"{words} {fact[key]:.6g}" for key, words in bounds if key in fact)


def used(fact: dict) -> float | None:
    """The share of the room that a number of this run used: 0 at the expected value, 1 at its bound.

    With a tolerance it is |value - expected| / tolerance.  A bound alone has no expected value: there it is 1 - distance
    to the bound / the larger of the two, which for positive numbers is the ratio of the smaller to the larger.  With two
    bounds the nearer one counts.
    """
    if fact["kind"] != "run":
        return None
    value = fact["value"]
    if "expect" in fact:
        width = fact.get("tol", fact.get("rel", 0.0) * abs(fact["expect"]))
        return abs(value - fact["expect"]) / width if width else 0.0
    return max(_near(value, fact[key]) for key in ("at_least", "at_most") if key in fact)


def _near(value: float, bound: float) -> float:
    scale = max(abs(value), abs(bound))
    return max(0.0, 1 - abs(bound - value) / scale) if scale and math.isfinite(scale) else float(value == bound)


def exact(fact: dict) -> bool:
    """Whether nothing but one value would do: a count, or two things that must be equal."""
    return fact.get("tol") == 0 or fact.get("rel") == 0


def weakest(rows: list[tuple[str, dict]], most: int = NEAREST) -> list[tuple[str, dict]]:
    """The rows nearest to their bounds, whole numbers left out: those are counts, which do not drift."""
    drift = [row for row in rows if used(row[1]) is not None and not float(row[1]["value"]).is_integer()]
    return sorted(drift, key=lambda row: -used(row[1]))[:most]
