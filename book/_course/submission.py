"""What students hand in: a folder with one file or one folder for each, named by the student's identifier.

``ada.ipynb`` is a notebook of the student set, ``ada.py`` a plain file, ``ada/`` holds one or several of either.  An answer is a code cell
that begins with ``# answer: label``, or in a plain file everything from that line to the next such line; the rest is not looked at.
Nothing is executed here.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from book._course.chapter import source

MARK = re.compile(r"^# answer:[ \t]*(\S+)[ \t]*$", re.MULTILINE)
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
LARGEST_FILE, LARGEST_ANSWER = 5 * 2**20, 100_000
KINDS = (".ipynb", ".py")


class Unreadable(ValueError):
    """A submission from which no answer can be taken."""


@dataclass(frozen=True)
class Submission:
    """One student's files, in order of their names."""

    identifier: str
    files: tuple[Path, ...]

    def digest(self) -> str:
        """Of everything handed in; what cannot be read counts as empty."""
        digest = hashlib.sha256()
        for path in self.files:
            readable = path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST_FILE
            digest.update(path.name.encode() + b"\0" + (path.read_bytes() if readable else b""))
        return digest.hexdigest()

    def answers(self) -> dict[str, str]:
        """The submitted code by the label of the exercise; several cells of one exercise are joined.

        Raises:
            Unreadable: for no files, links, files that are too large or no notebooks, and an exercise answered in two files.
        """
        found: dict[str, str] = {}
        if not self.files:
            raise Unreadable("there is no .ipynb or .py file in it")
        for path in self.files:
            if path.is_symlink():
                raise Unreadable(f"{path.name} is a link; hand in the file itself")
            if path.stat().st_size > LARGEST_FILE:
                raise Unreadable(
                    f"{path.name} has {path.stat().st_size / 2**20:.0f} MB, more than 5; clear the outputs of the notebook"
                )
            for label, code in _answers_in(path).items():
                if label in found:
                    raise Unreadable(f"{label} is answered in two files; hand in one answer")
                if len(code) > LARGEST_ANSWER:
                    raise Unreadable(f"the answer to {label} has more than {LARGEST_ANSWER:,} characters")
                found[label] = code
        return found


def _answers_in(path: Path) -> dict[str, str]:
    try:
        text = path.read_text("utf8")
    except UnicodeDecodeError as error:
        raise Unreadable(f"{path.name} is not text in UTF-8") from error
    cells = [text]
    if path.suffix == ".ipynb":
        try:
            cells = [source(cell) for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
            cells = [text for text in cells if MARK.match(text.lstrip())]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Unreadable(f"{path.name} is not a notebook: {type(error).__name__}: {str(error)[:80]}") from error
    found: dict[str, list[str]] = {}
    for cell in cells:
        _, *rest = MARK.split(cell)
        for label, code in zip(rest[::2], rest[1::2], strict=True):
            found.setdefault(label, []).append(code.strip("\n"))
    return {label: "\n\n".join(codes) for label, codes in found.items()}


def find(folder: Path) -> list[Submission]:
    """All submissions in ``folder``, by identifier.

    Raises:
        ValueError: for a folder that does not exist or is empty, names that cannot be identifiers, and two of one student.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}; give the folder with the submissions: make grade DIR=path/to/folder")
    entries = sorted(
        path for path in folder.iterdir() if not path.name.startswith((".", "__")) and (path.is_dir() or path.suffix in KINDS)
    )
    if not entries:
        raise ValueError(
            f"{folder} holds no submission; one is an .ipynb or .py file, or a folder, named by the student's identifier"
        )
    found: dict[str, list[Submission]] = {}
    for entry in entries:
        identifier = entry.name if entry.is_dir() else entry.stem
        inside = tuple(sorted(p for p in entry.rglob("*") if p.suffix in KINDS and ".ipynb_checkpoints" not in p.parts))
        files = inside if entry.is_dir() and not entry.is_symlink() else (entry,)
        found.setdefault(identifier.lower(), []).append(Submission(identifier, files))
    bad = [group[0].identifier for group in found.values() if not IDENTIFIER.fullmatch(group[0].identifier)]
    if bad:
        raise ValueError(
            f"not identifiers: {', '.join(map(repr, bad))}; rename to at most 64 letters, digits and _ . @ -, beginning with a letter or digit"
        )
    twice = [
        " and ".join(s.files[0].name if s.files else s.identifier for s in group) for group in found.values() if len(group) > 1
    ]
    if twice:
        raise ValueError(f"two submissions of one student: {'; '.join(twice)}; keep one of each, or put both files into one folder")
    return [group[0] for group in found.values()]
