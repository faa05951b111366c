"""Live exploration where a kernel runs, and a plain figure where none will be there to answer.

A slider that no longer moves anything is worse than none. So when a page is built for reading (environment variable
``WORKBENCH_STATIC=1``, which the book's execution sets) an explorer leaves an ordinary figure with a note and no widget
at all. In JupyterLab, Binder and Colab it is made of real ``ipywidgets`` that recompute for every value.
"""

import html
from collections.abc import Callable
from dataclasses import dataclass, field

from workbench.notebook import shell, static
from workbench.plots.plot import Plot

NOTE = "Run this page live to explore any value."


def live() -> bool:
    """True inside a Jupyter kernel that is not building a static page: somebody moves a slider, and it will answer."""
    return not static() and hasattr(shell(), "kernel")


@dataclass(frozen=True)
class Explorer:
    """A function of named values that returns a ``Plot``, and the values it starts from. Made by ``explorer``."""

    function: Callable[..., Plot]
    controls: dict[str, object]
    start: dict[str, object] = field(default_factory=dict)

    def plot(self, **values: object) -> Plot:
        """The figure at the start values, changed by `values`."""
        plot = self.function(**{**self.start, **values})
        if not isinstance(plot, Plot):
            raise TypeError(
                f"the explored function returned {type(plot).__name__}; it must return a Plot, as every function of "
                "workbench.plots does"
            )
        return plot

    def widget(self):
        """The sliders over the figure, as one ``ipywidgets.VBox``."""
        import ipywidgets as widgets

        controls = {name: _control(widgets, name, given, self.start[name]) for name, given in self.controls.items()}
        output = widgets.HTML()

        def draw(change: object = None) -> None:
            try:
                output.value = self.plot(**{name: control.value for name, control in controls.items()}).html()
            except Exception as error:  # shown where the reader looks; a callback's traceback would vanish
                output.value = f"<pre>{html.escape(type(error).__name__)}: {html.escape(str(error))}</pre>"

        for control in controls.values():
            control.observe(draw, names="value")
        draw()
        return widgets.VBox([*controls.values(), output], _dom_classes=("wb-explorer",))

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, object]:
        if live():
            return self.widget()._repr_mimebundle_(include=include, exclude=exclude)
        plot = self.plot()
        values = ", ".join(f"{name} = {value}" for name, value in self.start.items())
        note = f'<p class="wb-explorer-note"><em>Shown here: {html.escape(values)}. {NOTE}</em></p>'
        return {
            "text/html": f'<div class="wb-explorer">{plot.html()}{note}</div>',
            "text/plain": f"{plot.alt} ({values}. {NOTE})",
        }


def explorer(function: Callable[..., Plot], **sliders: object) -> Explorer:
    """Recompute ``function(**values)`` whenever a control moves; the function returns a ``Plot``.

    Each slider is ``(low, high)`` or ``(low, high, step)`` for numbers (whole numbers stay whole), a list of choices,
    or True or False for a checkbox. It starts in the middle of a range and at the first choice; ``(low, high, step,
    start)`` says where else.

        >>> import workbench as wb
        >>> powers = lambda power: wb.plots.curves({"x": ([1, 2, 3], [1, 2**power, 3**power])})
        >>> wb.plots.explorer(powers, power=(1, 4)).start
        {'power': 2}

    Raises:
        TypeError: for a slider that is none of these.
        ValueError: for no sliders, or a range that is empty, has no positive step, or does not hold its start.
    """
    if not sliders:
        raise ValueError("got no sliders; give at least one, such as steps=(2, 50) or solver=[DDIM(), UniPC(order=3)]")
    return Explorer(function, dict(sliders), {name: _start(name, given) for name, given in sliders.items()})


def _start(name: str, given: object) -> object:
    if isinstance(given, bool):
        return given
    if isinstance(given, (list, range)) and len(given):
        return given[0]
    if isinstance(given, tuple) and 2 <= len(given) <= 4 and all(isinstance(v, (int, float)) for v in given):
        low, high, step, *start = (*given, _step(given))[: max(len(given), 3)]
        if not (low < high and step > 0 and all(low <= v <= high for v in start)):
            raise ValueError(f"{name}: got {given}; needs low < high, a positive step, and a start between them")
        return start[0] if start else low + step * int((high - low) / step / 2)
    raise TypeError(
        f"{name}: got {given!r}; give (low, high), (low, high, step), (low, high, step, start), a list of choices, or True or False"
    )


def _step(given: tuple) -> int | float:
    return 1 if all(isinstance(v, int) for v in given) else (given[1] - given[0]) / 50


def _control(widgets, name: str, given: object, start: object):
    common = {"description": name.replace("_", " "), "style": {"description_width": "initial"}}
    if isinstance(given, bool):
        return widgets.Checkbox(value=start, **common)
    if isinstance(given, (list, range)):
        return widgets.Dropdown(options=[(str(choice), choice) for choice in given], value=start, **common)
    low, high, step = (*given, _step(given))[:3]
    kind = widgets.IntSlider if all(isinstance(v, int) for v in (low, high, step, start)) else widgets.FloatSlider
    return kind(value=start, min=low, max=high, step=step, continuous_update=False, **common)
