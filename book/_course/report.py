"""What grading writes: one Markdown report for each student, one row of a CSV, one table at the end."""

import csv
import io

WORST = ("ungradable", "forged", "tampered", "processes", "memory", "time", "ended", "unreadable")


def status(results: list[dict], problem: str = "") -> str:
    """One word for a row: the gravest thing that happened, or how much was solved."""
    found = {result["status"] for result in results}
    if problem:
        return "unreadable"
    for grave in WORST:
        if grave in found:
            return grave
    solved = sum(result["status"] == "passed" for result in results)
    return "complete" if solved == len(results) else "partial" if any(result["earned"] for result in results) else "nothing earned"


def row(record: dict, labels: list[str]) -> dict[str, str]:
    """The CSV's row of a student."""
    by_label = {result["label"]: result for result in record["results"]}
    earned, points = (sum(result[key] for result in record["results"]) for key in ("earned", "points"))
    return {
        "student": record["student"],
        "earned": f"{earned:g}",
        "points": f"{points:g}",
        "status": status(record["results"], record["problem"]),
        **{label: f"{by_label[label]['earned']:g}" if label in by_label else "" for label in labels},
    }


def table(records: list[dict], labels: list[str]) -> str:
    """All rows as CSV, by student."""
    text = io.StringIO()
    writer = csv.DictWriter(text, ["student", "earned", "points", "status", *labels], lineterminator="\n")
    writer.writeheader()
    writer.writerows(row(record, labels) for record in records)
    return text.getvalue()


def report(record: dict) -> str:
    """The student's report.  What comes from the submission is shown as code, so that it cannot pose as our words."""
    results = record["results"]
    earned, points = (sum(result[key] for result in results) for key in ("earned", "points"))
    lines = [f"# Report for `{record['student']}`", "", f"**{earned:g} of {points:g} points.**", ""]
    if record["problem"]:
        lines += ["The submission could not be read:", "", *_code(record["problem"]), ""]
    lines += ["| Exercise | Result | Earned | Points |", "|---|---|--:|--:|"]
    lines += [f"| `{r['label']}` | {r['status']} | {r['earned']:g} | {r['points']:g} |" for r in results]
    if record["unknown"]:
        lines += [
            "",
            "Answered, but no exercise that can be graded here (is the label right?):",
            "",
            *_code(" ".join(record["unknown"])),
        ]
    for result in results:
        lines += ["", f"## `{result['label']}`: {result['status']}", ""]
        if result["message"] and not result["checks"]:
            lines += [*_code(result["message"]), ""]
        for check in result["checks"]:
            mark = "passed" if check["passed"] else "FAILED"
            lines += [
                f"* **{mark}** `{check['name']}` (worth {check['points']:g})",
                "",
                *_code(check["message"], "      "),
                "",
            ]
        if result["law"] != "own" and result["checks"]:
            lines += ["Graded on the book's own law: the tolerances of this exercise do not hold on others.", ""]
        if result["output"].strip() and result["status"] not in ("passed", "missing", "not attempted"):
            lines += ["The end of what it printed:", "", *_code(result["output"][-800:]), ""]
    lines += ["", "Except where it says otherwise, the checks ran on a law of your own, which follows from your identifier.", ""]
    return "\n".join(lines)


def _code(text: str, indent: str = "    ") -> list[str]:
    shown = "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in text.replace("\r", "\n"))
    return [f"{indent}{line}" for line in shown.split("\n") if line.strip()][-20:] or [f"{indent}(nothing)"]
