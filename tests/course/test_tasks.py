"""The solution is the source: what is removed, what stays, and the proof that holds the two together."""

import json
import re

import lesson
import nbformat
import pytest
from course_exercises import rows
from execute import ROOT, chapters

from book._course import agree, make, rule
from book._course.chapter import pieces, read, source
from book._course.sets import student, teacher
from book._course.submission import Submission

each_chapter = pytest.mark.parametrize("name", chapters())


def exercise(tmp_path, code: str, label: str = "lesson-step"):
    """The lesson's exercise with another solution."""
    found = read(lesson.lesson(tmp_path, **{"step" if label == "lesson-step" else "mean": code}), "lesson").exercises
    return next(e for e in found if e.label == label)


def stub_of(tmp_path, code: str, label: str = "lesson-step") -> str:
    return "\n".join(part.stub for part in rule.parts(exercise(tmp_path, code, label)) if part.answer)


def test_a_function_keeps_its_signature_and_docstring(tmp_path):
    assert stub_of(tmp_path, lesson.STEP).strip() == lesson.TASKS["lesson-step"]


def test_without_definitions_everything_before_the_first_check_goes(tmp_path):
    assert stub_of(tmp_path, lesson.MEAN, "lesson-mean") == lesson.TASKS["lesson-mean"]


def test_a_class_keeps_attributes_and_init_and_loses_methods_with_their_comments(tmp_path):
    code = (
        "@torch.no_grad()\ndef helper():\n    # secret\n    return 1\n\n\nclass Mine(wb.Denoiser):\n    predicts = 'data'\n\n    def __init__(self, a):\n"
        "        self.a = a\n\n    def predict(self, x, t):\n        # secret\n        y = x\n        return y\n\n\nwb.checks.same(Mine(1).a, 1)"
    )
    stub = stub_of(tmp_path, code)
    assert "secret" not in stub and "y = x" not in stub
    assert "self.a = a" in stub and "predicts = 'data'" in stub and "@torch.no_grad()" in stub
    assert 'raise NotImplementedError("lesson-step: write Mine.predict(self, x, t)")' in stub


def test_a_class_without_methods_loses_its_attributes(tmp_path):
    stub = stub_of(tmp_path, 'class Mine(wb.solvers.DDIM):\n    """Kept."""\n\n    order = 1\n\n\nwb.checks.order(Mine(), 1)')
    assert "order" not in stub and "Kept" in stub and "write the class Mine" in stub


def test_points(tmp_path):
    made = exercise(tmp_path, lesson.STEP)
    assert rule.points(made) == {0: 1, 1: 2}, "the last check does not depend on the answer"
    assert rule.points(exercise(tmp_path, "x = 1\ny = x + 1\nassert y == 2\nassert schedule", "lesson-mean")) == {0: 1}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def f():\n    return 1", "has no check"),
        ("assert law", "begins with its check"),
        ("def f(): return 1\nassert f()", "on the line of its signature"),
    ],
)
def test_solutions_that_cannot_be_stripped_are_refused(tmp_path, code, message):
    with pytest.raises(ValueError, match=message):
        rule.parts(exercise(tmp_path, code))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("(model, x, t, s)", "(model, x, t)"), "line that the solution has not"),
        (lambda text: text.replace("One step", "One stepp"), "line that the solution has not"),
        (lambda text: text.replace('    """One step of DDIM."""\n', ""), "different names, signatures"),
        (lambda text: text + "\n\n\ndef spare():\n    pass", "line that the solution has not"),
        (lambda text: text.replace("raise", "f = model.schedule\n    raise"), "left in the task"),
        (lambda text: text.replace("lesson-step", "lesson-else"), "no line that says what to write"),
    ],
)
def test_the_proof_notices_a_task_that_drifted(tmp_path, monkeypatch, change, message):
    made = exercise(tmp_path, lesson.STEP)
    agree.prove(made)
    drifted = [rule.Part(p.text, p.answer, change(p.stub) if p.answer else p.text, p.cell) for p in rule.parts(made)]
    monkeypatch.setattr(agree, "parts", lambda exercise: drifted)
    with pytest.raises(agree.Disagreement, match=message):
        agree.prove(made)


@pytest.mark.parametrize("code", ["x = 1\nassert law", "def f():\n    return 1\n\n\nassert law"])
def test_the_proof_wants_a_check_that_needs_the_answer(tmp_path, code):
    with pytest.raises(agree.Disagreement, match="no check"):
        agree.prove(exercise(tmp_path, code))


@each_chapter
def test_every_coding_exercise_of_the_book_can_be_stripped(name, tmp_path):
    chapter = read(ROOT / f"{name}.ipynb", name)
    for found in chapter.exercises:
        if found.coding:
            agree.prove(found)
    made = student(chapter)
    nbformat.validate(nbformat.from_dict(made))
    nbformat.validate(nbformat.from_dict(teacher(chapter)))
    (tmp_path / "ada.ipynb").write_text(json.dumps(made))
    handed_in = Submission("ada", (tmp_path / "ada.ipynb",)).answers()
    tasks = {e.label: "\n".join(part.stub for part in rule.parts(e) if part.answer) for e in chapter.exercises if e.coding}
    assert {label: code.split() for label, code in handed_in.items()} == {label: code.split() for label, code in tasks.items()}
    text = "\n".join(source(cell) for cell in made["cells"])
    solutions = [
        part
        for cell in made["cells"]
        if cell["cell_type"] == "markdown"
        for part, _, _ in pieces(source(cell))
        if part.startswith("solution")
    ]
    assert not solutions
    for found in chapter.exercises:
        assert f"# answer: {found.label}" in text if found.coding else f"({found.label})" in text


def test_the_sets(tmp_path, one, capsys):
    assert make.main([str(one), "--out", str(tmp_path / "a")]) == make.main([str(one), "--out", str(tmp_path / "b")]) == 0
    assert "3 exercises: 2 in code (5 points)" in capsys.readouterr().out
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert [*map(str, files)] == ["student/lesson.ipynb", "teacher/exercises.csv", "teacher/lesson.ipynb", "teacher/report.md"]
    assert all((tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes() for path in files)
    handed_out, kept = ((tmp_path / "a" / who / "lesson.ipynb").read_text() for who in ("student", "teacher"))
    assert "secret" not in handed_out and "model.data(x, t)" not in handed_out and "law.norm" not in handed_out
    assert "secret reason" in kept and "secret remark" in kept and "model.data(x, t)" in kept
    assert "Implement: a step (3 points)" in handed_out and "Implement: a step (3 points)" in kept


def test_a_task_stops_with_what_to_write_and_the_solution_runs(one):
    def run(notebook) -> None:
        names = {}
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code" and "no_such_name" not in source(cell):
                exec(source(cell), names)
            elif cell["cell_type"] == "code":
                exec(source(cell).replace("unused = no_such_name", ""), names)

    chapter = read(one, "lesson")
    with pytest.raises(
        AssertionError,
        match=r"NotImplementedError: lesson-step: write step\(model, x, t, s\): usual cause: a part that is still to",
    ):
        run(student(chapter))
    run(teacher(chapter))


def test_the_page_for_teachers_lists_what_there_is(one):
    assert rows({"notebooks/lesson": one}) == [
        "| {doc}`/notebooks/lesson` | 1 | `lesson-step` (3), `lesson-mean` (2) |",
        "| **All** | **1** | **2, worth 5 points** |",
    ]
    known = {row["label"] for row in make.table(make.chapters())}
    named = set(re.findall(r"\bex-[a-z0-9-]+", (ROOT / "book/teaching.md").read_text("utf8")))
    assert named and named <= known, named - known


def test_solutions_and_tasks_are_run_on_request(one, tmp_path, capsys):
    assert make.main([str(one), "--out", str(tmp_path), "--run"]) == 0
    assert capsys.readouterr().out.count("passes on a law of its own") == 2
    wrong = lesson.lesson(tmp_path, mean=lesson.MEAN + "\nassert mean is None")
    assert make.main([str(wrong), "--out", str(tmp_path), "--run"]) == 2
    assert "solution of lesson-mean does not pass here" in capsys.readouterr().err


def test_bad_notebooks_are_named(tmp_path, capsys):
    (tmp_path / "a.ipynb").write_text("[]")
    assert make.main([str(tmp_path / "a.ipynb"), "--out", str(tmp_path)]) == 2
    assert make.main([str(tmp_path / "none.ipynb"), "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "a.ipynb is not a notebook" in said and "there is no notebook" in said
    for text, message in (
        ("```{exercise} Remember: x\n:label: a\n```", "begins with one of"),
        ("```{exercise} Recall: x\n:label: a", "not closed"),
        ("```{exercise} Recall: x\n:label: a\n```\n```{exercise} Recall: y\n:label: a\n```", "labels are unique"),
        ("````{solution-start} a\n````", "not closed by"),
    ):
        (tmp_path / "b.ipynb").write_text(json.dumps(lesson.notebook(("markdown", text))))
        with pytest.raises(ValueError, match=message):
            read(tmp_path / "b.ipynb", "b")
