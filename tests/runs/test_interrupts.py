"""Signals that come while Python cannot hear of them, and those that are held back."""

import signal
import subprocess
import sys

import pytest

from unreset.runs.interrupts import EXIT_CODE, Again, deferred

BUSY = """
import hashlib, threading, time
from unreset.runs.interrupts import Alone, deferred

def tell():
    time.sleep(0.5)  # by then it counts
    print("begun", flush=True)

{alone}
with deferred() as asked, asked.at_once(lambda: "saved by another thread"):
    threading.Thread(target=tell, daemon=True).start()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # minutes without Python
"""


@pytest.mark.slow
@pytest.mark.parametrize(("sign", "alone"), [(signal.SIGTERM, ""), (signal.SIGINT, "Alone()")])
def test_what_python_cannot_hear_of_is_ended_from_another_thread(sign, alone):
    code = BUSY.format(alone=alone)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **streams) as process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(sign)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == EXIT_CODE
    assert errors == "unreset: interrupted: saved by another thread\n"


def test_a_first_signal_is_held_back_and_a_second_is_not():
    before = signal.getsignal(signal.SIGTERM)
    with deferred() as asked:
        assert not asked.is_set()
        signal.raise_signal(signal.SIGTERM)
        assert asked.is_set()
        with pytest.raises(Again):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("early", [True, False])
def test_none_is_held_back_while_nothing_changes(early):
    saved = []

    def practise():
        with deferred() as asked:
            if early:
                signal.raise_signal(signal.SIGINT)
            with asked.at_once(lambda: saved.append(1) or "go on there"):
                signal.raise_signal(signal.SIGINT)
                pytest.fail("it was held back")

    with pytest.raises(KeyboardInterrupt, match="go on there"):
        practise()
    assert saved == [1]
