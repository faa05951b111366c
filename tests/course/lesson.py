"""A chapter with two small coding exercises, and twenty submissions to it: fourteen students, six of them hostile to the grader."""

import json
from pathlib import Path

IMPORTS = (
    "import math\n\nimport torch\n\nimport workbench as wb\n\nschedule = wb.schedules.VP()\nlaw = wb.characters.ellipse(schedule)"
)
DRAW = "rng = torch.Generator().manual_seed(3)\nx = law.sample(6, 0.5, generator=rng, dtype=torch.float64)\nunused = no_such_name"
STEP = '''def step(model, x, t, s):
    """One step of DDIM."""
    f = model.schedule
    data, noise = model.data(x, t), model.noise(x, t)
    return f.alpha(s) * data + f.sigma(s) * noise


wb.checks.is_exact_on_point_mass(step)
wb.checks.order(step, expected=1, points=2)
print("given")
wb.checks.order(wb.solvers.DDIM(), expected=1)'''
MEAN = """mean = law.data(x, 0.5)
size = float(mean.norm())
wb.claim("lesson.size", size, at_least=0)
wb.checks.same(mean, law.data(x, 0.5))"""

EXERCISE = """## Exercises

```{exercise} Recall: why
:label: lesson-why
Why?
```

```{solution} lesson-why
:class: dropdown
The secret reason.
```

````{exercise-start} Implement: a step
:label: lesson-step
````
Write it.

````{exercise-end}
````

````{solution-start} lesson-step
:class: dropdown
````
The secret remark."""
BETWEEN = """````{solution-end}
````

````{exercise-start} Explore: the mean
:label: lesson-mean
````
Find it.

````{exercise-end}
````

````{solution-start} lesson-mean
:class: dropdown
````"""
END = "````{solution-end}\n````\n\n## Summary"


def notebook(*cells: tuple[str, str]) -> dict:
    """A notebook of ("code" or "markdown", text)."""
    made = [{"cell_type": kind, "id": f"c{k}", "metadata": {}, "source": text} for k, (kind, text) in enumerate(cells)]
    for cell in made:
        if cell["cell_type"] == "code":
            cell |= {"execution_count": None, "outputs": []}
    return {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def lesson(folder: Path, step: str = STEP, mean: str = MEAN) -> Path:
    """Write the chapter."""
    cells = [("markdown", "# A lesson"), ("code", IMPORTS), ("code", DRAW), ("markdown", EXERCISE), ("code", step)]
    cells += [("markdown", BETWEEN), ("code", mean), ("markdown", END)]
    path = folder / "lesson.ipynb"
    path.write_text(json.dumps(notebook(*cells)))
    return path


GOOD_STEP = (
    "def step(model, x, t, s):\n    f = model.schedule\n    return f.alpha(s) * model.data(x, t) + f.sigma(s) * model.noise(x, t)"
)
OTHER_STEP = """def step(model, x, t, s):
    f = model.schedule
    ratio = f.sigma(s) / f.sigma(t)
    return ratio * x + (f.alpha(s) - ratio * f.alpha(t)) * model.data(x, t)"""
WRONG_STEP = GOOD_STEP.replace("f.sigma(s)", "f.sigma(s) ** 2")
EULER = "def step(model, x, t, s):\n    return x + (s - t) * model.velocity(x, t)"
GOOD_MEAN = "mean = law.data(x, 0.5)\nsize = float(mean.norm())"
BOOKS_MEAN = """g = torch.Generator().manual_seed(3)
theirs = wb.gaussian.GaussianDenoiser(torch.tensor([0.5, -0.25]), torch.tensor([[0.7625, 0.4114], [0.4114, 0.2875]]), schedule)
mean = theirs.data(theirs.sample(6, 0.5, generator=g, dtype=torch.float64), 0.5)
size = 1.0"""
PATCH = """import workbench.checks.result as r

def pretend(name, problem, success, points, raises):
    return r.CheckResult(name, True, "of course", points)

for module in list(__import__("sys").modules.values()):
    if getattr(module, "__name__", "").startswith("workbench.checks") and hasattr(module, "conclude"):
        module.conclude = pretend

def step(model, x, t, s):
    return x"""
PATCH_LATER = """def step(model, x, t, s):
    torch.allclose = lambda *arguments, **more: True
    return 0 * x"""
FORGE = """import json, os

def step(model, x, t, s):
    for fd in range(3, 60):
        try:
            os.write(fd, json.dumps({"token": "guess", "verdict": {"checks": [], "error": ""}}).encode())
        except OSError:
            pass
    os._exit(0)"""
CHILDREN = """import os, time

for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)

def step(model, x, t, s):
    return x"""

# identifier: (answer to lesson-step, answer to lesson-mean, points earned of 5, status)
SUBMISSIONS: dict[str, tuple[str | None, str | None, float, str]] = {
    "ada": (GOOD_STEP, GOOD_MEAN, 5, "complete"),
    "ben": (OTHER_STEP, GOOD_MEAN, 5, "complete"),
    "cleo": (WRONG_STEP, GOOD_MEAN, 2, "partial"),
    "dan": (EULER, None, 2, "partial"),
    "eva": (None, GOOD_MEAN + "\n\n# answer: lesson-stepp\npass", 2, "partial"),
    "fay": ("TASK", "TASK", 0, "nothing earned"),
    "gus": ("def step(model, x, t, s)\n    return x", GOOD_MEAN, 2, "partial"),
    "hal": (GOOD_STEP, BOOKS_MEAN, 4, "partial"),
    "ida": ("def stop(model, x, t, s):\n    return x", GOOD_MEAN, 2, "partial"),
    "jon": (GOOD_STEP.replace("(s)", "(u)"), GOOD_MEAN, 2, "partial"),
    "kim": ("law = ring = x = None\n\n" + GOOD_STEP, GOOD_MEAN, 5, "complete"),
    "lea": ("NOT JSON", None, 0, "unreadable"),
    "max": (GOOD_STEP + "\n\nprint('x' * 5_000_000)", GOOD_MEAN, 2, "partial"),
    "noa": ("torch.manual_seed(7)\n\n" + GOOD_STEP + "\n\nlater = no_such_thing_yet if False else 1", GOOD_MEAN, 5, "complete"),
    # hostile
    "olga-loop": ("while True:\n    pass", GOOD_MEAN, 2, "time"),
    "pete-memory": ("blocks = []\nwhile True:\n    blocks.append(torch.ones(2**22))", GOOD_MEAN, 2, "memory"),
    "quin-exit": ("import os\n\ndef step(model, x, t, s):\n    os._exit(0)", "raise SystemExit", 0, "ended"),
    "rob-patch": (PATCH, GOOD_MEAN, 2, "tampered"),
    "sam-forge": (
        FORGE,
        PATCH_LATER.replace("def step(model, x, t, s):\n", "if True:\n").replace("return 0 * x", "mean = 0 * x; size = 1"),
        0,
        "forged",
    ),
    "tia-children": (CHILDREN, GOOD_MEAN, 2, "processes"),
}


def hand_in(folder: Path) -> None:
    """Write the twenty submissions: notebooks, plain files and folders in turn."""
    folder.mkdir()
    for k, (name, (step, mean, _, _)) in enumerate(SUBMISSIONS.items()):
        answers = {"lesson-step": step, "lesson-mean": mean}
        texts = [
            f"# answer: {label}\n{TASKS[label] if code == 'TASK' else code}" for label, code in answers.items() if code is not None
        ]
        if step == "NOT JSON":
            (folder / f"{name}.ipynb").write_text("{not a notebook")
        elif k % 3 == 0:
            cells = [
                ("markdown", "# My answers"),
                ("code", "print('my own cells are not looked at')"),
                *(("code", text) for text in texts),
            ]
            (folder / f"{name}.ipynb").write_text(json.dumps(notebook(*cells)))
        elif k % 3 == 1:
            (folder / f"{name}.py").write_text("\n\n".join(texts) + "\n")
        else:
            (folder / name).mkdir()
            (folder / name / "answers.py").write_text("\n\n".join(texts) + "\n")


TASKS = {
    "lesson-step": 'def step(model, x, t, s):\n    """One step of DDIM."""\n    raise NotImplementedError("lesson-step: write step(model, x, t, s)")',
    "lesson-mean": 'raise NotImplementedError("lesson-mean: find mean and size")',
}
