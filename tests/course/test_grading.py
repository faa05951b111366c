"""Twenty submissions, six of them hostile: what each earns, and that none harms anything."""

import json
import os
import sys
from dataclasses import replace

import lesson
import psutil
import pytest
import torch

from book._course import confine, submission
from book._course.grading import Grader, Result, conclude
from book._course.make import chapters
from book._course.program import context, program
from book._course.watch import Ending, watch

HOSTILE = [name for name in lesson.SUBMISSIONS if "-" in name]


@pytest.mark.parametrize("name", lesson.SUBMISSIONS)
def test_points_and_status(graded, name):
    *_, earned, status = lesson.SUBMISSIONS[name]
    row = graded.rows[name]
    assert (float(row["earned"]), row["points"]) == (earned, "5")
    assert row["status"] == status


@pytest.mark.parametrize(
    ("name", "label", "words"),
    [
        ("cleo", "lesson-step", "sigma_s is squared in front of the noise"),
        ("dan", "lesson-step", "misses the exact point"),
        ("dan", "lesson-mean", "no cell begins with # answer: lesson-mean"),
        ("fay", "lesson-step", "the task is unchanged"),
        ("gus", "lesson-step", "SyntaxError: expected ':' (line 1 of the answer)"),
        ("hal", "lesson-mean", "got ["),
        ("ida", "lesson-step", "the answer does not define step"),
        ("jon", "lesson-step", "NameError: name 'u' is not defined"),
        ("max", "lesson-step", "File too large"),
        ("olga-loop", "lesson-step", "longer than 3 s"),
        ("pete-memory", "lesson-step", "more than 400 MB"),
        ("quin-exit", "lesson-step", "ended the process"),
        ("quin-exit", "lesson-mean", "SystemExit"),
        ("rob-patch", "lesson-step", "workbench.checks.answers.conclude"),
        ("sam-forge", "lesson-step", "a verdict of its own"),
        ("sam-forge", "lesson-mean", "torch.allclose"),
    ],
)
def test_the_report_says_what_happened(graded, name, label, words):
    result = next(r for r in graded.records[name]["results"] if r["label"] == label)
    assert words in result["message"]
    report = (graded.folder / "out" / f"{name}.md").read_text()
    assert words.split(" (line")[0][:40] in report
    assert f"`{label}`: {result['status']}" in report


def test_a_misspelled_label_is_pointed_out(graded):
    assert "is the label right?):\n\n    lesson-stepp" in (graded.folder / "out" / "eva.md").read_text()


def test_an_exercise_whose_solution_fails_costs_nobody_anything(one):
    (chapter,) = chapters([one])
    grader = Grader(confine.Limits(5, 400))
    broken = replace(chapter.exercises[2], sources=("mean = no_such_name\nwb.checks.same(mean, 1)",))
    result = grader.grade(chapter, broken, "ada", "mean = 1")
    assert (result.status, result.earned) == ("ungradable", 0)
    assert "the book's own solution of lesson-mean does not pass here: NameError" in result.message


def test_nothing_is_harmed_and_nothing_left_behind(graded):
    assert (graded.folder / "bystander.txt").read_text() == "mine"
    assert {path: path.read_bytes() for path in graded.before} == graded.before
    left = [p for p in psutil.process_iter(["cmdline"]) if str(graded.folder) in " ".join(p.info["cmdline"] or [])]
    assert not left
    assert len(HOSTILE) == 6 and len(lesson.SUBMISSIONS) == len(graded.rows) == 20


def test_what_has_not_changed_is_not_graded_again(graded, grade):
    folder = graded.folder / "in"
    for path in list(folder.iterdir()):
        if path.stem not in ("ada", "lea"):
            path.rename(graded.folder / path.name)
    try:
        (folder / "lea.ipynb").write_text(json.dumps(lesson.notebook(("code", "# answer: lesson-mean\n" + lesson.GOOD_MEAN))))
        again = grade(folder, graded.folder / "out", "--exercises", "lesson-step", "lesson-mean")
        assert again.returncode == 0, again.stdout + again.stderr
        ada, lea = again.stdout.splitlines()[1:]
        assert "5 of 5     complete" in ada and "unchanged" in ada
        assert "2 of 5     partial" in lea and "unchanged" not in lea
    finally:
        for name in lesson.SUBMISSIONS:
            for path in graded.folder.glob(f"{name}*"):
                path.rename(folder / path.name)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (None, "there is no folder"),
        ([], "holds no submission"),
        (["ada.py", "ada.ipynb"], "two submissions of one student: ada.ipynb and ada.py"),
        (["ada.py", "ADA.ipynb"], "two submissions of one student"),
        (["=cmd().py"], "not identifiers: '=cmd()'"),
    ],
)
def test_bad_folders_are_refused_before_anything_runs(tmp_path, files, message):
    folder = tmp_path / "in"
    if files is not None:
        folder.mkdir()
    for name in files or []:
        (folder / name).write_text("")
    with pytest.raises(ValueError, match="\\(\\)" if "cmd" in message else message):
        submission.find(folder)


def test_unreadable_submissions(tmp_path):
    (tmp_path / "link.py").symlink_to("/etc/hostname")
    (tmp_path / "large.py").write_text("#" * (6 * 2**20))
    (tmp_path / "bytes.py").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").mkdir()
    (tmp_path / "twice").mkdir()
    for name in ("a.py", "b.py"):
        (tmp_path / "twice" / name).write_text("# answer: x\ny = 1")
    for one in submission.find(tmp_path):
        with pytest.raises(submission.Unreadable, match="link|MB|UTF-8|no .ipynb|two files"):
            one.answers()


def test_a_slice_holds_what_the_exercise_needs_and_its_own_seeds(one):
    (chapter,) = chapters([one])
    step, mean = (e for e in chapter.exercises if e.coding)
    assert "sample" not in context(chapter, step)
    assert "manual_seed(_own_seed(3))" in context(chapter, mean)
    assert "no_such_name" not in context(chapter, mean)
    assert "manual_seed(_own_seed(3))" in context(chapter, step, "y = x + 1"), "what a student reads is there"


def test_only_a_complete_and_honest_verdict_earns_points(one):
    (chapter,) = chapters([one])
    task, limits = program(chapter, chapter.exercises[1]), confine.Limits(3, 400)

    def concluded(**verdict) -> Result:
        honest = {
            "checks": [{"statement": k, "name": "c", "passed": True, "message": ""} for k in task.worth],
            "error": "",
            "changed": [],
            "empty": [],
        }
        return conclude(task, Ending({**honest, **verdict}, "", "", 0.1), set(), limits)

    assert (concluded().status, concluded().earned) == ("passed", 3)
    assert concluded(checks=[]).status == "forged"
    assert concluded(changed=["builtins.len"]).status == "tampered"
    assert concluded(empty=[0]).status == "tampered"
    assert concluded(error="RuntimeError: DefaultCPUAllocator: can't allocate memory").status == "memory"
    assert all(concluded(**v).earned == 0 for v in ({"checks": []}, {"changed": ["x"]}, {"empty": [1]}, {"error": "x"}))


def test_a_type_that_belongs_to_no_module_disturbs_nobody(monkeypatch):
    import workbench.checks.laws
    from book._course.guard import Fingerprint

    stray = type("Stray", (), {})
    stray.__module__ = None
    monkeypatch.setattr(workbench.checks.laws, "Stray", stray, raising=False)
    assert Fingerprint()


def test_a_changed_judge_is_noticed(monkeypatch):
    import workbench.checks.laws
    from book._course.guard import Fingerprint

    before = Fingerprint()
    assert before.changed() == []
    monkeypatch.setattr(workbench.checks.laws, "MIXTURE", ((1.0,), (0.0,), (1.0,)))
    monkeypatch.setattr(torch.Tensor, "norm", lambda x: 0)
    assert before.changed() == ["torch.Tensor.norm", "workbench.checks.laws.MIXTURE"]


def test_a_confined_process_has_an_empty_folder_and_cannot_start_others(tmp_path):
    other = confine.stranger(tmp_path) if os.geteuid() == 0 else None

    def work() -> dict:
        tried = {"files": os.listdir(), "uid": os.getuid(), "home": os.environ["HOME"], "here": os.getcwd()}
        try:
            os.fork() or os._exit(0)
        except OSError:
            tried["alone"] = True
        try:
            mine.write_text("yours")
        except OSError:
            tried["harmless"] = True
        return tried

    mine = tmp_path / "mine.txt"
    mine.write_text("mine")

    ending = watch(work, confine.Limits(5, 400), other)
    assert ending.reason == "" and ending.verdict["files"] == []
    assert ending.verdict["home"] == ending.verdict["here"] and not os.path.exists(ending.verdict["home"])
    if sys.platform.startswith("linux"):
        assert ending.verdict.get("alone") and ending.verdict["uid"] == (other.uid if other else os.getuid())
    assert not other or ending.verdict["harmless"]


def test_sleeping_is_ended_by_the_clock():
    import time

    limits = type("Short", (confine.Limits,), {"clock": 0.5})(3, 400)
    begin = time.monotonic()
    assert watch(lambda: time.sleep(60) or {}, limits).reason == "time"
    assert time.monotonic() - begin < 30
