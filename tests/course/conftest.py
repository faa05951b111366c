"""One lesson, and twenty submissions to it graded once."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import lesson
import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def one(tmp_path_factory) -> Path:
    """The lesson's notebook."""
    return lesson.lesson(tmp_path_factory.mktemp("lesson"))


@pytest.fixture(scope="session")
def grade(one):
    """``make grade`` as the Makefile calls it, on the lesson."""

    def run(folder, out, *more):
        command = [
            sys.executable,
            "-m",
            "book._course.grade",
            folder,
            "--notebooks",
            one,
            "--out",
            out,
            "--seconds",
            "3",
            "--memory",
            "400",
            *more,
        ]
        environment = {**os.environ, "SECRET_TOKEN": "do not tell"}
        return subprocess.run([*map(str, command)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=1500)

    return run


@pytest.fixture(scope="session")
def graded(tmp_path_factory, grade):
    """Everything that came out of grading the twenty."""
    folder = tmp_path_factory.mktemp("course")
    bystander = folder / "bystander.txt"
    bystander.write_text("mine")
    lesson.hand_in(folder / "in")
    before = {path: path.read_bytes() for path in (folder / "in").rglob("*") if path.is_file()}
    done = grade(folder / "in", folder / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    with (folder / "out" / "grades.csv").open() as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    records = {path.stem: json.loads(path.read_text()) for path in (folder / "out").glob("*.json")}
    return SimpleNamespace(rows=rows, records=records, done=done, folder=folder, before=before)
