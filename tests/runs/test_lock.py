"""One writer at a time: whoever comes second is told who was first, and the dead hold nothing."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from unreset.errors import Failure, UnresetError
from unreset.runs import lock
from unreset.runs.lock import locked

HOLD = """
import sys
from pathlib import Path
from unreset.runs.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    input()
"""

FORK = """
    import os, time
    if not os.fork():
        print(os.getpid(), flush=True)
        time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the folder."""
    words = [sys.executable, "-c", HOLD, str(tmp_path)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    with process:
        yield process
        process.kill()


def refusal(folder):
    with pytest.raises(UnresetError) as refused, locked(folder):
        pass
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_the_second_is_told_of_the_first_and_a_killed_one_holds_nothing(tmp_path, holder):
    expected = f"{tmp_path} is being written to by process {holder.pid} on {socket.gethostname()} "
    assert refusal(tmp_path).startswith(expected)
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(tmp_path):
        assert json.loads((tmp_path / lock.FILE).read_text())["process"] == os.getpid()
    with locked(tmp_path):
        pass


def test_a_thread_may_enter_again_and_another_may_not(tmp_path):
    with ThreadPoolExecutor(1) as other:
        with locked(tmp_path), locked(tmp_path):
            assert f"process {os.getpid()}" in other.submit(refusal, tmp_path).result()
        with locked(tmp_path):  # what was entered twice is left
            pass

        def enter():
            with locked(tmp_path):
                return True

        assert other.submit(enter).result()


def test_it_is_left_where_something_breaks(tmp_path):
    with pytest.raises(ValueError, match="broken"), locked(tmp_path):
        raise ValueError("broken")
    with ThreadPoolExecutor(1) as other:
        other.submit(lambda: locked(tmp_path).__enter__()).result()


def test_a_forked_child_of_a_killed_process_holds_nothing(tmp_path):
    """As the workers of a vectorised environment, which may outlive it."""
    fork = HOLD.replace('print("held", flush=True)', FORK)
    words = [sys.executable, "-c", fork, str(tmp_path)]
    parent = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    try:
        with locked(tmp_path):
            os.kill(child, 0)  # it is still there
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_link_in_its_place_is_not_followed(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / lock.FILE).symlink_to("mine.txt")
    with pytest.raises(Failure, match=r"\.lock is no ordinary file"), locked(tmp_path):
        pass
    assert (tmp_path / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_in_its_place_is_named(tmp_path, make):
    make(tmp_path / lock.FILE)
    with pytest.raises(Failure, match=r"\.lock is no ordinary file"), locked(tmp_path):
        pass


def test_a_copy_of_hard_links_is_another_folder(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
    with locked(theirs):
        pass
    (theirs / lock.FILE).write_text("theirs")
    os.link(theirs / lock.FILE, ours / lock.FILE)
    with locked(ours), ThreadPoolExecutor(1) as other:
        assert (theirs / lock.FILE).read_text() == "theirs"
        assert f"process {os.getpid()}" in other.submit(refusal, ours).result()
        with locked(theirs):
            pass


def test_a_file_that_was_replaced_before_it_was_locked_holds_nothing(tmp_path, monkeypatch):
    take, taken = lock._lock, []

    def late(descriptor):
        if not taken:  # between opening and locking it
            (tmp_path / lock.FILE).unlink()
        taken.append(descriptor)
        take(descriptor)

    monkeypatch.setattr(lock, "_lock", late)
    with locked(tmp_path), ThreadPoolExecutor(1) as other:
        assert json.loads((tmp_path / lock.FILE).read_text())["process"] == os.getpid()
        assert f"process {os.getpid()}" in other.submit(refusal, tmp_path).result()


def test_what_is_closed_lets_nobody_in(tmp_path):
    with locked(tmp_path), lock.closed(tmp_path):
        assert "once it has ended" in refusal(tmp_path)
    with locked(tmp_path):
        pass


# A file system that knows no locks.


@pytest.fixture
def lockless(monkeypatch):
    def unknown(_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(lock, "_lock", unknown)


def claim(folder, **changed):
    mine = json.loads(lock._record()) | changed
    (folder / ".lock-claim").write_text(json.dumps(mine))


def test_without_locks_it_is_held_by_a_file(tmp_path, lockless):
    with locked(tmp_path), ThreadPoolExecutor(1) as other:
        assert f"process {os.getpid()}" in other.submit(refusal, tmp_path).result()
    assert not (tmp_path / ".lock-claim").exists()
    claim(tmp_path)  # of this process, which lives
    refusal(tmp_path)


@pytest.mark.parametrize("dead", [{"process": 2**22 + 1}, {"began": "another, of this number"}])
def test_without_locks_what_a_dead_process_left_is_taken_over(tmp_path, lockless, dead):
    claim(tmp_path, **dead)
    with locked(tmp_path):
        assert json.loads((tmp_path / ".lock-claim").read_text())["process"] == os.getpid()
    assert os.listdir(tmp_path) == [lock.FILE]


def test_without_locks_another_machine_is_believed_until_a_person_knows_better(tmp_path, lockless):
    claim(tmp_path, host="elsewhere", process=1)
    wanted = f"process 1 on elsewhere .*remove {re.escape(str(tmp_path))}/.lock-claim"
    assert re.search(wanted, refusal(tmp_path))
    (tmp_path / ".lock-claim").write_text("cut sh")
    assert "another process" in refusal(tmp_path)
