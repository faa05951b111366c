"""The figure of the scoreboard page: error against evaluations, in the book's colors."""

import re

WORST = 1.5  # errors above are left out of the figure: one gray for all has error 1


def drawn(facts: list[dict]) -> dict[str, list[dict]]:
    """The lines that have a place in the figure, by method: registered ones under one name, all others together."""
    from workbench.plots.style import look

    families: dict[str, list[dict]] = {}
    names: dict[object, str] = {}
    for fact in facts:
        if fact["evaluations"] and 0 < fact["error"] <= WORST:
            seen = look(fact["method"])
            head = re.sub(r"-\d+$", "", re.split(r"[ (,]", fact["method"])[0])
            name = names.setdefault(seen, head) if seen else "others"
            families.setdefault(name, []).append(fact)
    return families


def figure(facts: list[dict]):
    """Error against evaluations, one point a line of the scoreboard, in the book's colors; networks are hollow."""
    from workbench.plots.plot import Plot, canvas
    from workbench.plots.style import GRAY, Look, look, styled

    @styled
    def draw():
        made, (axis,) = canvas(size=(7.2, 4.4))
        for name, members in drawn(facts).items():
            style = look(name) or Look(GRAY, "o", "-")
            for hollow in (False, True):
                points = [(f["evaluations"], f["error"]) for f in members if bool(f["parameters"]) is hollow]
                fill = {"markerfacecolor": "white", "markeredgewidth": 1.6} if hollow else {}
                label = f"{name}, network" if hollow else name
                if points:
                    axis.plot(*zip(*points, strict=True), ls="none", marker=style.marker, color=style.color, label=label, **fill)
        axis.set(xscale="log", yscale="log", xlabel="evaluations", ylabel="error (standard deviations)")
        axis.set_xticks(ticks := [1, 2, 4, 8, 16, 32, 64], [str(tick) for tick in ticks])
        axis.minorticks_off()
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
        return made

    best = min((f for f in facts if f["evaluations"] and f["error"]), key=lambda f: f["error"])
    alt = (
        f"Error against evaluations for {sum(map(len, drawn(facts).values()))} lines of the scoreboard, both logarithmic: errors "
        f"fall with evaluations, and methods differ tenfold at the same price. The smallest is {best['error']:.2g}, "
        f"of {best['method']} with {best['evaluations']} evaluations."
    )
    return Plot(draw(), alt)
