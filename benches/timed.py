"""Runs a command, with its seconds and its peak memory; tables of what was run.

Import nothing large here or in what imports this: until it starts the program, a child counts the memory of its parent
as its own.
"""
import os
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass


@dataclass
class Run:
    seconds: float
    processor: float  # seconds of all its threads, in the kernel too
    mebibytes: float
    status: int  # negative: the signal that ended it
    said: str  # the error, else the last line on standard error
    late: bool = False  # it was ended because it took too long

    @property
    def done(self):
        # 3: done, with images missing or unusable; 1 and no error: a check that found something.
        return self.status in (0, 3) or (self.status == 1 and not self.said)


def timed(arguments, limit, **options):
    """Runs a command to its end, or ends it after `limit` seconds."""
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, **options)
        late = threading.Event()

        def end():
            late.set()
            process.kill()

        timer = threading.Timer(limit, end)
        timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        timer.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        lines = [line.strip() for line in errors.read().decode(errors="replace").splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("error")), lines[-1] if lines else "")
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode, said, late.is_set())


def digits(value):
    """Three digits or so: 0.012, 0.34, 5.6, 78."""
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 1 else f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def markdown(head, rows):
    """A table whose first column is text and whose others are numbers."""
    line = lambda cells: "| " + " | ".join(cells) + " |\n"
    return line(head) + "|---|" + "---:|" * (len(head) - 1) + "\n" + "".join(map(line, rows))
