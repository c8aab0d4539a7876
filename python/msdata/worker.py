"""A worker: embeds images without a data set, for programs that hold the rows themselves."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from collections.abc import Sequence
from os import PathLike
from types import TracebackType
from typing import Any

import pyarrow
import pyarrow.ipc

from ._program import GRACE, Error, Flag, Said, environment, find_program, words

logger = logging.getLogger("msdata")


class Worker:
    """The program `msdata worker --stdio` with its encoders opened, which answers tables until it is closed.

        with msdata.Worker(encoder="dinov2-small") as worker:
            vectors = worker.embed(pyarrow.table({"path": ["a.png", "b.jpg"]}))

    Keyword arguments are the flags of the command: `device`, `threads`, `batch`, `transparency`, `crop`.
    """

    def __init__(self, *, encoder: str | PathLike[str] | Sequence[str | PathLike[str]], **flags: Flag) -> None:
        encoders = [encoder] if isinstance(encoder, (str, os.PathLike)) else encoder
        arguments = [find_program(), "worker", "--stdio", *words({"encoder": encoders, **flags})]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=environment())
        self._said = Said()
        self._listener = threading.Thread(target=self._said.listen, args=(self._process.stderr,), daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def embed(self, images: Any) -> Any:
        """Returns a `pyarrow.Table` with a row for each row of `images`, a Table or RecordBatch, in their order: its columns
        without `bytes`, what each image is, and its vectors. An image that cannot be used is a row that says why.

        Raises Error where the columns are not what a worker takes, or the program ends; it cannot be used then any more.
        """
        if isinstance(images, pyarrow.RecordBatch):
            images = pyarrow.Table.from_batches([images])
        images = images.combine_chunks()
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        answers: list[pyarrow.RecordBatch] = []
        try:
            with pyarrow.ipc.new_stream(stdin, images.schema) as writer:
                # One after another: two pipes that nobody empties would wait for each other.
                for batch in images.to_batches():
                    writer.write_batch(batch)
                    stdin.flush()
                    if not answers:
                        reader = pyarrow.ipc.open_stream(stdout)
                    answers.append(reader.read_next_batch())
            stdin.flush()
            if not answers:
                reader = pyarrow.ipc.open_stream(stdout)
            rest = reader.read_all()  # reads the mark at the end of the answer
        except (OSError, ValueError, StopIteration, pyarrow.ArrowException) as fault:
            self._end()
            status = self._process.returncode
            if status == 0:
                raise Error(f"the worker ended before it had answered: {fault}") from fault
            raise self._said.error(status, b"") from fault
        while self._said.warnings:
            logger.warning("%s", self._said.warnings.pop(0))
        return pyarrow.Table.from_batches(answers, rest.schema)

    def close(self) -> None:
        """Ends the program."""
        self._end()

    def _end(self) -> None:
        process = self._process
        try:
            if process.stdin is not None:
                process.stdin.close()
        except OSError:
            pass  # it has ended by itself
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._listener.join()
        if process.stdout is not None:
            process.stdout.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()
