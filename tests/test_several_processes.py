"""The watcher of processes: it hands out what they print, leaves nobody waiting for one who has failed, and says where they stood."""

import pytest
import several_processes
from several_processes import together

RANK = "import os, pathlib, signal, sys, time\nrank, here = int(os.environ['RANK']), pathlib.Path(os.environ['HERE'])\n"
WAITING = """
def patient():
    {first}
    here.touch()
    time.sleep(600)

def gone():
    while not here.exists():
        time.sleep(0.01)
    sys.exit("gone")

gone() if rank == 0 else patient()
"""


def test_each_knows_its_rank_and_how_many_there_are(tmp_path):
    words = together(["-c", f"{RANK}print(rank, os.environ['WORLD_SIZE'], here)"], 3, tmp_path, {"HERE": "so"})
    assert [text.split() for text in words] == [["0", "3", "so"], ["1", "3", "so"], ["2", "3", "so"]]


@pytest.mark.parametrize(
    ("first", "end"), [("pass", "exit -6\nFatal Python error"), ("signal.signal(signal.SIGABRT, signal.SIG_IGN)", "exit -9\n")]
)
def test_who_waits_for_one_that_failed_is_stopped(tmp_path, monkeypatch, first, end):
    monkeypatch.setattr(several_processes, "LAST_WORDS", 1)
    script = tmp_path / "script.py"
    script.write_text(RANK + WAITING.format(first=first))
    with pytest.raises(AssertionError, match=r"did not end: \[1\] of 2 processes") as caught:
        together([script], 2, tmp_path, {"HERE": tmp_path / "here"}, leaving=0.5)
    words = str(caught.value)
    assert "process 0, exit 1\ngone" in words and f"process 1, {end}" in words
    assert ("in patient" in words) == ("Fatal" in end)  # where it was, if it could still say so


def test_nobody_is_waited_for_longer_than_agreed(tmp_path):
    with pytest.raises(AssertionError, match=r"did not end: \[0, 1\] of 2 processes"):
        together(["-c", "import time; time.sleep(600)"], 2, tmp_path, {}, patience=0.5)


def test_a_failure_shows_what_everyone_printed(tmp_path):
    with pytest.raises(AssertionError, match=r"(?s)process 0, exit 0\nfine.*process 1, exit 1\nwrong"):
        together(["-c", f"{RANK}sys.exit('wrong') if rank else print('fine')"], 2, tmp_path, {"HERE": "so"})
