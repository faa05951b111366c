"""``make grade DIR=folder``: grade every submission in a folder; one report and one row of a CSV for each student.

Each answer runs in a process of its own, with limits, on a law that follows from the student's identifier; see ``book/teaching.md`` for
what this protects from and what not.  A submission that has not changed since it was graded is not graded again.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

from book._course.make import OUT, ROOT, chapters

CLEAN = "COURSE_CLEAN"
KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def clean_environment() -> dict[str, str]:
    """What a submission may know of the environment: no tokens, no addresses, and a home that is nobody's."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    home = tempfile.mkdtemp(prefix="grading-")
    return {
        **kept,
        **dict.fromkeys(ONE_THREAD, "1"),
        "HOME": home,
        "MPLCONFIGDIR": home,
        "MPLBACKEND": "Agg",
        "PYTHONPATH": str(ROOT),
        CLEAN: home,
    }


def options_of(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make grade", description=__doc__.split("\n")[0])
    parser.add_argument(
        "folder", type=Path, help="one .ipynb or .py file, or one folder, for each student, named by the identifier"
    )
    parser.add_argument(
        "--exercises", nargs="*", metavar="LABEL", help="what was assigned (default: every exercise that anybody answers)"
    )
    parser.add_argument("--notebooks", nargs="*", type=Path, help="where the exercises come from (default: the book)")
    parser.add_argument("--out", type=Path, help="where the reports go (default: _build/course/grades/<folder>)")
    parser.add_argument("--seconds", type=float, default=120, help="of processor time for one exercise (default 120)")
    parser.add_argument("--memory", type=float, default=1500, help="in MB for one exercise (default 1500)")
    parser.add_argument("--salt", default="", help="any text, such as the term: other laws for the same students")
    parser.add_argument("--again", action="store_true", help="grade again what has not changed")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = options_of(arguments)
    try:
        return run(options)
    except ValueError as error:
        print(f"make grade: {error}", file=sys.stderr)
        return 2


def run(options: argparse.Namespace) -> int:
    from book._course.confine import Limits, become_reaper, stranger
    from book._course.grading import Grader
    from book._course.report import report, row, table
    from book._course.submission import Unreadable, find

    if options.seconds < 1 or options.memory < 100:
        raise ValueError(f"got --seconds {options.seconds:g} and --memory {options.memory:g}; at least 1 s and 100 MB are needed")
    submissions, found = find(options.folder), chapters(options.notebooks)
    known = {e.label: (chapter, e) for chapter in found for e in chapter.exercises if e.coding}
    answered, problems = set(), {}
    for submission in submissions:
        try:
            answered |= set(submission.answers())
        except Unreadable as error:
            problems[submission.identifier] = str(error)
    labels = [label for label in known if label in (answered if options.exercises is None else options.exercises)]
    unknown = sorted(set(options.exercises or ()) - set(known))
    if unknown or not labels:
        what = (
            f"no coding exercise is called {', '.join(unknown)}"
            if unknown
            else "no submission answers an exercise that is known here"
        )
        raise ValueError(f"{what}; the labels are in {OUT}/teacher/exercises.csv after 'make course'")
    out = options.out or OUT / "grades" / options.folder.resolve().name
    out.mkdir(parents=True, exist_ok=True)
    _import_all()
    become_reaper()
    other = stranger(ROOT)
    print(
        f"{len(submissions)} submissions, {len(labels)} exercises; reports in {out}"
        + (f"; answers run as user {other.uid}" if other else ""),
        flush=True,
    )
    assigned = [known[label] for label in labels]
    grader, records = Grader(Limits(options.seconds, options.memory), other, options.salt), []
    shared = f"{[options.seconds, options.memory, options.salt, labels]}{[chapter.notebook for chapter, _ in assigned]}{_tools()}"
    for k, submission in enumerate(submissions, 1):
        key = hashlib.sha256(f"{shared}{submission.identifier}{submission.digest()}".encode()).hexdigest()
        record = None if options.again else _stored(out / f"{submission.identifier}.json", key)
        kept = "unchanged" if record else ""
        if record is None:
            record = _grade(grader, submission, assigned, known.values(), problems.get(submission.identifier, ""))
            (out / f"{submission.identifier}.md").write_text(report(record), "utf8")
            (out / f"{submission.identifier}.json").write_text(json.dumps({"key": key, **record}, indent=1), "utf8")
        records.append(record)
        (out / "grades.csv").write_text(table(records, labels), "utf8")
        line = row(record, labels)
        print(
            f"{k:3}/{len(submissions)}  {line['student']:20} {line['earned']:>5} of {line['points']:<5} {line['status']:15} {kept}",
            flush=True,
        )
    return 0


def _grade(grader, submission, exercises, everything, problem: str) -> dict:
    """The record of one student."""
    answers, results = {} if problem else submission.answers(), []
    for chapter, exercise in exercises:
        results.append(grader.grade(chapter, exercise, submission.identifier, answers.get(exercise.label)).plain())
    unknown = sorted(set(answers) - {exercise.label for _, exercise in everything})
    return {
        "student": submission.identifier,
        "problem": problem,
        "unknown": [label[:80] for label in unknown[:20]],
        "results": results,
    }


def _stored(path: Path, key: str) -> dict | None:
    try:
        record = json.loads(path.read_text("utf8"))
        return {name: record[name] for name in ("student", "problem", "unknown", "results")} if record["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _tools() -> str:
    """One hash for everything that judges: this folder and the package."""
    digest = hashlib.sha256()
    for path in sorted([*Path(__file__).parent.glob("*.py"), *(ROOT / "workbench").rglob("*.py")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _import_all() -> None:
    """Import once what every answer needs: a forked process has it in no time."""
    import torch

    torch.set_num_threads(1)


if __name__ == "__main__":
    if os.name != "posix":
        sys.exit("make grade needs Linux or macOS: it relies on their limits for processes")
    if CLEAN not in os.environ:
        os.execve(sys.executable, [sys.executable, "-m", "book._course.grade", *sys.argv[1:]], clean_environment())
    try:
        code = main(sys.argv[1:])
    finally:
        import shutil

        shutil.rmtree(os.environ[CLEAN], ignore_errors=True)
    sys.exit(code)
