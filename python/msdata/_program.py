"""The program `msdata`: where it is, how it is run, and what it says in Python's terms."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Number
from pathlib import Path
from typing import IO, Any, Union

#: A value of a flag. True is a bare flag, None and False are none; a sequence is a flag that is repeated, or a list of
#: numbers; a mapping is `KEY=VALUE`, repeated.
Flag = Union[None, bool, int, float, str, "os.PathLike[str]", Sequence[Any], Mapping[Any, Any]]

#: Seconds that the program has to stop by itself.
GRACE = 5.0


class Error(Exception):
    """What the program refused or could not do.

    `message` says what is wrong and where, `hint` what to do next (or None), `status` is the exit status: 1 failed and
    nothing half-written, 2 wrong usage, 130 interrupted.
    """

    def __init__(self, message: str, hint: str | None = None, status: int = 1) -> None:
        super().__init__(message, hint, status)
        self.message = message
        self.hint = hint
        self.status = status

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class DataWarning(UserWarning):
    """What the program warned of: something about what the numbers mean."""


class IncompleteWarning(DataWarning):
    """Everything that could be done is done, but some images are missing or unusable (exit status 3)."""


@dataclass(frozen=True)
class Summary:
    """What a command said when its work was done; `complete` is False where some images are missing or unusable."""

    lines: tuple[str, ...] = ()
    complete: bool = True
    output: bytes = field(default=b"", repr=False)

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def __repr__(self) -> str:
        return str(self)


def find_program() -> str:
    """Returns the path of the program: what `MSDATA_PROGRAM` names, else the one that was installed with this package,
    else the one on `PATH`."""
    named = os.environ.get("MSDATA_PROGRAM")
    if named:
        if shutil.which(named) is None:
            raise Error(f"MSDATA_PROGRAM names {named}, which is not a program", "unset it, or name the program `msdata`")
        return named
    here = Path(__file__).resolve().parent.parent
    user = sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))
    places = [sysconfig.get_path("scripts"), os.path.dirname(sys.executable), user, str(here / "bin"), os.environ.get("PATH", "")]
    found = shutil.which("msdata", path=os.pathsep.join(places))
    if found is None:
        raise Error(
            f"the program `msdata` is not in {', '.join(places[:-1])} or on PATH",
            "install the wheel, which has it inside; or set MSDATA_PROGRAM to its path",
        )
    return found


def environment() -> dict[str, str]:
    """Returns the program's environment: with the ONNX Runtime of this Python, unless another is named."""
    variables = dict(os.environ)
    if not variables.get("ORT_DYLIB_PATH"):
        package = importlib.util.find_spec("onnxruntime")  # finds it without importing it
        for place in package.submodule_search_locations or () if package else ():
            if any(Path(place, "capi").glob("libonnxruntime*")):
                variables["ORT_DYLIB_PATH"] = os.path.join(place, "capi")
    return variables


def words(flags: Mapping[str, Flag]) -> list[str]:
    """Returns flags as the command line has them; an underscore at the end, as of `from_`, is not part of the name."""
    found: list[str] = []
    for name, value in flags.items():
        flag = "--" + name.rstrip("_").replace("_", "-")
        if value is None or value is False:
            continue
        if value is True:
            found.append(flag)
        elif isinstance(value, Mapping):
            found += [f"{flag}={_word(key)}={_word(item)}" for key, item in value.items()]
        elif isinstance(value, (str, os.PathLike, Number)) or not isinstance(value, Iterable):
            found.append(f"{flag}={_word(value)}")
        else:
            items = [_word(item) for item in value]
            if not items:
                raise ValueError(f"{name} is an empty list")
            if flag == "--from":
                found += [flag, *items]  # the one flag with two values
            elif all(isinstance(item, Number) for item in value):
                found.append(f"{flag}={','.join(items)}")
            else:
                found += [f"{flag}={item}" for item in items]
    return found


def _word(value: object) -> str:
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def run(
    command: Sequence[str], flags: Mapping[str, Flag], *things: str | os.PathLike[str], stacklevel: int = 3
) -> Summary:
    """Runs a command with its flags, and the things that it is about, to its end.

    Raises Error where it fails. Warns of what it warns of, `stacklevel` calls up. KeyboardInterrupt ends it at a safe
    point: what was finished is kept.
    """
    arguments = [find_program(), "--progress=json", *command, *words(flags), "--", *(os.fspath(thing) for thing in things)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=environment())
    assert process.stdout is not None and process.stderr is not None
    said = Said()
    listener = threading.Thread(target=said.listen, args=(process.stderr,), daemon=True)
    listener.start()
    try:
        output = process.stdout.read()
        status = process.wait()
    except BaseException:
        _stop(process)
        raise
    finally:
        process.stdout.close()
    listener.join()
    for warning in said.warnings:
        warnings.warn(warning, DataWarning, stacklevel)
    if status == 3:
        warnings.warn("\n".join(said.lines) or "some images are missing or unusable", IncompleteWarning, stacklevel)
    elif status != 0:
        raise said.error(status, output)
    return Summary(tuple(said.lines), status == 0, output)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the program. A terminal and Jupyter interrupt it together with this process; whoever interrupts this process
    alone is passed on."""
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Said:
    """What the program said on standard error."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []
        self.errors: list[str] = []
        self.hints: list[str] = []

    def listen(self, stream: IO[bytes]) -> None:
        progress = _Progress()
        for raw in stream:
            line = raw.decode("utf-8", "replace").rstrip("\n")
            if line.startswith('{"stage":'):
                progress.show(json.loads(line))
            elif line.startswith("error: "):
                self.errors.append(line.removeprefix("error: "))
            elif line.startswith("hint: ") or self.hints:
                self.hints.append(line.removeprefix("hint: "))
            elif self.errors:
                self.errors.append(line)
            elif line.startswith("warning: "):
                self.warnings.append(line.removeprefix("warning: "))
            elif line:
                self.lines.append(line)
        progress.end()
        stream.close()

    def error(self, status: int, output: bytes) -> Error:
        if status < 0:
            return Error(f"the program was ended by {signal.Signals(-status).name}", status=status)
        message, hint = "\n".join(self.errors).strip(), "\n".join(self.hints)
        if status == 2:  # wrong usage: then follow a tip, perhaps, and the usage of the command
            message, *rest = message.split("\n\n")
            hint = "\n".join(part.strip().removeprefix("tip: ") for part in rest if part.strip().startswith("tip: "))
        if not message:  # checks say what they found on standard output
            message = output.decode("utf-8", "replace").strip() or "\n".join(self.lines)
        return Error(message, hint or None, status)


class _Progress:
    """One line that tells how far the work has come, in a terminal or a notebook; elsewhere nothing."""

    def __init__(self) -> None:
        self.stream = sys.stderr
        self.wanted = "ipykernel" in sys.modules or (self.stream is not None and self.stream.isatty())
        self.width = 0

    def show(self, progress: Mapping[str, Any]) -> None:
        total, rate, left = progress["total"], progress["per_second"], progress["seconds_left"]
        text = f"{progress['stage']} {progress['done']}" + (f"/{total}" if total is not None else "")
        text += (f", {rate:g}/s" if rate else "") + (f", {left:.0f} s left" if left else "")
        self.write(text)

    def end(self) -> None:
        if self.width:
            self.write("")
            self.write("")

    def write(self, text: str) -> None:
        if self.wanted:
            # Blanks cover the line before: Jupyter does not know the sequences that erase one.
            self.stream.write("\r" + text.ljust(self.width))
            self.stream.flush()
            self.width = len(text)
