"""Ten million images do not go through one process: embedding with Ray. Needs `pip install msdata[ray]`.

    import msdata.ray
    import ray

    images = ray.data.read_binary_files("s3://bucket/images", include_paths=True)
    msdata.ray.embed(images, encoder="dinov2-small", concurrency=8).write_parquet("s3://bucket/vectors")

The vectors are those of one machine with devices of the same kind, to the last digit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.compute
import ray
import ray.data
import ray.exceptions

from ._program import Error, Flag, Summary
from ._program import run as run_program
from .worker import Worker

__all__ = ["embed", "run"]

#: Columns of WebDataset samples that hold an image: they are named after the files' extensions.
EXTENSIONS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")

#: How often a batch or a shard is tried whose program is killed: by hand, or because the machine has no memory left.
ATTEMPTS = 3


def embed(
    dataset: ray.data.Dataset,
    *,
    encoder: str | PathLike[str] | Sequence[str | PathLike[str]],
    concurrency: int | tuple[int, int] = 2,
    threads: int = 1,
    num_gpus: float = 0,
    device: str | None = None,
    batch_size: int = 256,
    ray_remote_args: Mapping[str, Any] | None = None,
    **flags: Flag,
) -> ray.data.Dataset:
    """Returns the dataset with what each image is, and a column of vectors for each encoder.

    Images are found in a column `path`, `bytes` (as `ray.data.read_binary_files` gives them) or `image` (a struct of bytes
    and path, as Hugging Face's Parquet files have it), or in those of `ray.data.read_webdataset(…, decoder=None)`. Other
    columns are kept. An image that cannot be used is a row whose `reason` says why.

    `concurrency` workers run at a time; each is an actor that takes `threads` CPUs and `num_gpus` GPUs of Ray's. Leave CPUs
    for the readers. Other keyword arguments are flags of `msdata worker`: `batch`, `transparency`, `crop`.
    """
    options = {**flags, "encoder": encoder, "threads": threads, "device": device or ("cuda" if num_gpus else "cpu")}
    return dataset.map_batches(
        _Embedder,
        fn_constructor_args=(options,),
        batch_format="pyarrow",
        batch_size=batch_size,
        compute=_pool(concurrency),
        num_cpus=threads,
        num_gpus=num_gpus,
        udf_modifying_row_count=False,
        **(ray_remote_args or {}),
    )


def run(
    directory: str | PathLike[str],
    *,
    threads: int = 1,
    num_gpus: float = 0,
    device: str | None = None,
    **flags: Flag,
) -> None:
    """Embeds every shard that `msdata shard plan` has cut, as many at a time as Ray has CPUs and GPUs for. The directory
    must be the same on every machine. A finished shard is left as it is, so that the same call goes on after an interruption.

    Raises Error where shards could not be embedded, once all others are done.
    """
    plan = Path(directory).absolute()
    try:
        shards = len(json.loads(plan.joinpath("plan.json").read_bytes())["shards"])
    except FileNotFoundError as fault:
        raise Error(f"there is no plan in {plan}", f"make one with `msdata shard plan … {plan}`") from fault
    options: dict[str, Flag] = {**flags, "threads": threads, "device": device or ("cuda" if num_gpus else "cpu")}
    task = ray.remote(num_cpus=threads, num_gpus=num_gpus)(_run_shard)
    under_way = [task.remote(str(plan), shard, options) for shard in range(shards)]
    faults = []
    while under_way:
        done, under_way = ray.wait(under_way)
        for shard in done:
            try:
                ray.get(shard)
            except ray.exceptions.RayError as fault:
                faults.append(fault)
    if faults:
        causes = [getattr(fault, "cause", None) or fault for fault in faults]
        raise Error("\n".join(str(cause) for cause in causes), "the same call goes on with what is left")


def _pool(concurrency: int | tuple[int, int]) -> ray.data.ActorPoolStrategy:
    if isinstance(concurrency, int):
        return ray.data.ActorPoolStrategy(size=concurrency)
    fewest, most = concurrency
    return ray.data.ActorPoolStrategy(min_size=fewest, max_size=most)


class _Embedder:
    """An actor's side: one worker, and another when it is killed."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = options
        self.worker = Worker(**options)

    def __call__(self, table: Any) -> Any:
        images = _with_images(table)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self.worker.embed(images)
            except Error as fault:
                if fault.status >= 0 or attempt == ATTEMPTS:
                    raise
                self.worker = Worker(**self.options)
        raise AssertionError("unreachable")


def _run_shard(directory: str, shard: int, options: Mapping[str, Flag]) -> Summary:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return run_program(["shard", "run"], options, directory, str(shard))
        except Error as fault:
            if fault.status >= 0 or attempt == ATTEMPTS:
                raise
    raise AssertionError("unreachable")


def _with_images(table: Any) -> Any:
    """Returns a table whose images are in columns `path` and `bytes`, wherever they were."""
    names = table.column_names
    if "bytes" in names or ("path" in names and "image" not in names):
        return table
    if "image" in names:
        kind = table.schema.field("image").type
        if pyarrow.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            image = table.column("image")
            table = table.drop_columns(["image"])
            # Unlike `field`, this knows that nothing in a null is given.
            for part in ("bytes", "path"):
                if kind.get_field_index(part) >= 0 and part not in names:
                    table = table.append_column(part, pyarrow.compute.struct_field(image, part))
            return table
        if _is_binary(kind):
            return table.rename_columns(["bytes" if name == "image" else name for name in names])
        raise Error(
            f"column image holds decoded pixels ({kind}), and what msdata hashes and decodes is the file",
            "read the files as they are: `ray.data.read_binary_files(…, include_paths=True)`, or rows with a column `path`",
        )
    samples = [name for name in names if name.rsplit(".", 1)[-1].lower() in EXTENSIONS]
    decoded = [name for name in samples if not _is_binary(table.schema.field(name).type)]
    if decoded:
        raise Error(
            f"column {decoded[0]} holds decoded pixels, and what msdata hashes and decodes is the file",
            "read it with `ray.data.read_webdataset(…, decoder=None)`",
        )
    if samples:
        given = pyarrow.compute.coalesce(*(table.column(name).cast(pyarrow.large_binary()) for name in samples))
        table = table.drop_columns(samples).append_column("bytes", given)
    return table


def _is_binary(kind: Any) -> bool:
    return any(test(kind) for test in (pyarrow.types.is_binary, pyarrow.types.is_large_binary, pyarrow.types.is_binary_view))
