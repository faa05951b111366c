"""``make course``: the student set, the teacher set and a table of all exercises, in ``_build/course/``.

Before anything is written, every task is proved to agree with its solution.  The sets depend on the chapters alone: the same
chapters give the same files, byte for byte.
"""

import argparse
import csv
import json
import shutil
import sys
from pathlib import Path

from book._course.agree import prove
from book._course.chapter import Chapter, read
from book._course.rule import points
from book._course.sets import student, teacher
from book._tools import execute

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "_build" / "course"


def chapters(sources: list[Path] | None = None) -> list[Chapter]:
    """The chapters of the book in its order, or the given notebooks.

    Raises:
        ValueError: for a missing file, a notebook that is none, or two exercises with one label.
    """
    if sources:
        paths = {path.stem: path for path in sources}
    else:
        paths = {name: ROOT / f"{name}.ipynb" for name in execute.chapters(ROOT)}
    for path in paths.values():
        if not path.is_file():
            raise ValueError(f"there is no notebook {path}; give the path of an .ipynb file")
    found, seen = [read(path, name) for name, path in paths.items()], {}
    for chapter in found:
        for exercise in chapter.exercises:
            if exercise.label in seen:
                raise ValueError(
                    f"{chapter.name} and {seen[exercise.label]} both have an exercise {exercise.label!r}; labels are unique"
                )
            seen[exercise.label] = chapter.name
    return found


def table(found: list[Chapter]) -> list[dict]:
    """One row for each exercise: chapter, label, kind, title, points, and who reads the answer."""
    return [
        {
            "chapter": chapter.name,
            "label": exercise.label,
            "kind": exercise.kind,
            "title": exercise.title.partition(":")[2].strip(),
            "points": f"{sum(points(exercise).values()):g}" if exercise.coding else "",
            "graded": "make grade" if exercise.coding else "by a person",
        }
        for chapter in found
        for exercise in chapter.exercises
    ]


def template(rows: list[dict]) -> str:
    """A report to fill in by hand: one line for each exercise."""
    lines = ["# Report", "", "Student:", "", "| Exercise | Title | Points | Earned | Remark |", "|---|---|--:|--:|---|"]
    lines += [f"| `{row['label']}` | {row['kind']}: {row['title']} | {row['points'] or 'by hand'} | | |" for row in rows]
    return "\n".join(lines) + "\n"


def write(found: list[Chapter], out: Path) -> list[dict]:
    """Prove, then write; what was in ``out/student`` and ``out/teacher`` before is replaced.  Returns the table."""
    for chapter in found:
        for exercise in chapter.exercises:
            if exercise.coding:
                prove(exercise)
    for name, version in (("student", student), ("teacher", teacher)):
        shutil.rmtree(out / name, ignore_errors=True)
        for chapter in found:
            target = out / name / f"{chapter.name.removeprefix('notebooks/')}.ipynb"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(json.dumps(version(chapter), indent=1, ensure_ascii=False) + "\n", "utf8")
    rows = table(found)
    with (out / "teacher" / "exercises.csv").open("w", newline="", encoding="utf8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["chapter"])
        writer.writeheader()
        writer.writerows(rows)
    (out / "teacher" / "report.md").write_text(template(rows), "utf8")
    return rows


def run(found: list[Chapter]) -> None:
    """Prove by running: on a law that is not the book's, each solution passes all its checks, and the empty task none that is worth points.

    Raises:
        ValueError: for the first exercise of which this is not so.
    """
    from book._course.confine import Limits
    from book._course.grading import Grader, Ungradable
    from book._course.program import program

    grader = Grader(Limits())
    for chapter in found:
        for exercise in chapter.exercises:
            if exercise.coding:
                try:
                    attempt, idle = grader.law(program(chapter, exercise), "a student")
                except Ungradable as error:
                    raise ValueError(str(error)) from error
                if idle:
                    raise ValueError(
                        f"{exercise.label}: the empty task passes check {min(idle)}; let every check depend on the answer"
                    )
                print(
                    f"{exercise.label}: passes on {'a law of its own' if attempt is not None else 'the law of the book only'}",
                    flush=True,
                )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make course", description=__doc__.split("\n")[0])
    parser.add_argument("notebooks", nargs="*", type=Path, help="notebooks in the form of our chapters (default: the whole book)")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument(
        "--run", action="store_true", help="also run every solution, and every task, as the grader does (minutes for the book)"
    )
    options = parser.parse_args(arguments)
    try:
        found = chapters(options.notebooks)
        rows = write(found, options.out)
        if options.run:
            run(found)
    except ValueError as error:
        print(f"make course: {error}", file=sys.stderr)
        return 2
    coding = [row for row in rows if row["points"]]
    total = sum(float(row["points"]) for row in coding)
    print(
        f"{len(found)} chapters, {len(rows)} exercises: {len(coding)} in code ({total:g} points), whose tasks and solutions agree, and "
        f"{len(rows) - len(coding)} in words.\nThe sets are in {options.out}/student and {options.out}/teacher."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
