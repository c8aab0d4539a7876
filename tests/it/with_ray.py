"""Embedding with a Ray of its own: `python with_ray.py DEMO`, where DEMO is a small demonstration. `tests/it/ray.rs` runs it."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest
from pathlib import Path

import msdata.ray
import pyarrow
import pyarrow.parquet
import ray

DEMO = Path(sys.argv[1]).resolve()
ENCODER = "builtin-texture"


def generations():
    """The images of the demonstration with their keys."""
    rows = [json.loads(line) for line in DEMO.joinpath("generations.jsonl").read_text().splitlines()]
    return [{**{key: row[key] for key in ("model", "prompt_id", "seed")}, "path": str(DEMO / row["path"])} for row in rows]


def embedded(dataset, key="path"):
    """The hash and the vector of each row, by its key."""
    rows = dataset.take_all()
    found = {row[key]: (row["blake3"], tuple(row[ENCODER])) for row in rows}
    assert len(found) == len(rows) and all(row["status"] == "ok" for row in rows)
    return found


def processes():
    """The workers of this test: the number of each, of its parent, and the seconds that it has computed."""
    found = []
    for directory in Path("/proc").iterdir():
        try:
            if not directory.name.isdigit() or b"worker\0--stdio" not in directory.joinpath("cmdline").read_bytes():
                continue
            if f"MSDATA_HOME={os.environ['MSDATA_HOME']}".encode() not in directory.joinpath("environ").read_bytes():
                continue
            fields = directory.joinpath("stat").read_text().rsplit(")", 1)[1].split()
            seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            found.append((int(directory.name), int(fields[1]), seconds))
        except OSError:
            pass  # it has just ended
    return found


class Ray(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        temporary = tempfile.TemporaryDirectory()
        cls.addClassCleanup(temporary.cleanup)
        cls.dir = Path(temporary.name)
        # More than the actors take: the rest are for the readers.
        ray.init(num_cpus=8, include_dashboard=False, logging_level="error", log_to_driver=False, _temp_dir=str(cls.dir / "ray"))
        cls.addClassCleanup(ray.shutdown)
        ray.data.DataContext.get_current().enable_progress_bars = False
        cls.rows = generations()
        cls.paths = [row["path"] for row in cls.rows]
        cls.files = [Path(path).read_bytes() for path in cls.paths]
        cls.known = embedded(cls.embed(ray.data.from_items(cls.rows)))

    @staticmethod
    def embed(dataset, **options):
        return msdata.ray.embed(dataset, **{"encoder": ENCODER, "batch_size": 32, **options})

    def test_vectors_and_hashes_are_those_of_the_data_set(self):
        data = msdata.open(DEMO)
        vectors = data.embeddings(ENCODER).arrow
        vectors = vectors.filter(pyarrow.compute.equal(vectors["kind"], "generation")).to_pylist()
        vectors = {(row["model"], row["prompt_id"], row["seed"]): tuple(row["embedding"]) for row in vectors}
        hashes = data.sql("SELECT model, prompt_id, seed, blake3 FROM generations").to_pylist()
        hashes = {(row["model"], row["prompt_id"], row["seed"]): row["blake3"] for row in hashes}
        self.assertEqual(len(self.known), len(self.rows))
        for row in self.rows:
            key = (row["model"], row["prompt_id"], row["seed"])
            self.assertEqual(self.known[row["path"]], (hashes[key], vectors[key]))

    def test_bytes_are_what_paths_are(self):
        found = self.embed(ray.data.read_binary_files(self.paths, include_paths=True), concurrency=(1, 2))
        self.assertEqual(embedded(found), self.known)
        self.assertEqual(found.columns()[:2], ["path", "status"], "the bytes do not come back")

    def test_images_in_parquet_are_what_files_are(self):
        kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
        images = [{"bytes": file, "path": path} for file, path in zip(self.files, self.paths)]
        pyarrow.parquet.write_table(pyarrow.table({"image": pyarrow.array(images, kind)}), self.dir / "structs.parquet")
        self.assertEqual(embedded(self.embed(ray.data.read_parquet(str(self.dir / "structs.parquet")))), self.known)
        # An image that is null is a row; one with a path alone is read from there.
        images = [None, {"bytes": None, "path": self.paths[0]}]
        pyarrow.parquet.write_table(pyarrow.table({"n": [0, 1], "image": pyarrow.array(images, kind)}), self.dir / "nulls.parquet")
        nothing, one = sorted(self.embed(ray.data.read_parquet(str(self.dir / "nulls.parquet"))).take_all(), key=lambda row: row["n"])
        self.assertEqual((nothing["status"], nothing["reason"]), ("missing", "neither a path nor bytes were given"))
        self.assertEqual((one["blake3"], tuple(one[ENCODER])), self.known[self.paths[0]])
        columns = {"path": self.paths, "image": pyarrow.array(self.files, pyarrow.binary())}
        pyarrow.parquet.write_table(pyarrow.table(columns), self.dir / "columns.parquet")
        self.assertEqual(embedded(self.embed(ray.data.read_parquet(str(self.dir / "columns.parquet")))), self.known)

    def test_images_in_tars_are_what_files_are(self):
        with tarfile.open(self.dir / "images.tar", "w") as tar:
            for at, file in enumerate(self.files):
                member = tarfile.TarInfo(f"{at}.png")
                member.size = len(file)
                tar.addfile(member, io.BytesIO(file))
        tar = str(self.dir / "images.tar")
        found = embedded(self.embed(ray.data.read_webdataset(tar, decoder=None)), "__key__")
        self.assertEqual({self.paths[int(key)]: value for key, value in found.items()}, self.known)

    def test_decoded_pixels_are_refused(self):
        for dataset, advice in (
            (ray.data.from_items([{"image": [[[0, 0, 0]]]}]), "read_binary_files(…, include_paths=True)"),
            (ray.data.from_items([{"png": [[[0, 0, 0]]]}]), "read_webdataset(…, decoder=None)"),
        ):
            with self.assertRaises(Exception) as caught:
                self.embed(dataset).take_all()
            self.assertIn("holds decoded pixels", str(caught.exception))
            self.assertIn(advice, str(caught.exception))

    def test_what_the_program_refuses_is_an_error(self):
        with self.assertRaises(Exception) as caught:
            self.embed(ray.data.from_items([{"file": "a.png"}])).take_all()
        self.assertIn("no column says where the images are", str(caught.exception))

    def test_an_image_that_is_missing_is_a_row(self):
        [row] = self.embed(ray.data.from_items([{"path": "/nowhere.png", "n": 7}])).take_all()
        self.assertEqual((row["n"], row["status"], row["reason"], row[ENCODER]), (7, "missing", "no such file", None))

    def test_shards_are_those_of_a_plain_loop(self):
        files = [f"--{name}={DEMO / name}.jsonl" for name in ("subjects", "prompts", "generations")]
        program = os.environ["MSDATA_PROGRAM"]
        for plan in ("ray", "loop"):
            subprocess.run([program, "shard", "plan", *files, f"--encoder={ENCODER}", "--shards=3", self.dir / f"{plan}-shards"], check=True)
        msdata.ray.run(self.dir / "ray-shards")
        for shard in range(3):
            subprocess.run([program, "shard", "run", self.dir / "loop-shards", str(shard)], check=True)
        made = {path.name: path.read_bytes() for path in self.dir.joinpath("ray-shards").iterdir()}
        self.assertEqual(made, {path.name: path.read_bytes() for path in self.dir.joinpath("loop-shards").iterdir()})
        self.assertEqual(len(made), 7)
        # What is broken is made again, what is finished is not.
        paths = [self.dir / f"ray-shards/shard-{shard:05}.parquet" for shard in range(3)]
        paths[1].write_bytes(b"torn")
        before = [path.stat().st_mtime_ns for path in paths]
        msdata.ray.run(self.dir / "ray-shards", threads=2)
        changed = [path.stat().st_mtime_ns != time for path, time in zip(paths, before)]
        self.assertEqual((changed, paths[1].read_bytes()), ([False, True, False], made[paths[1].name]))
        # Every shard that cannot be made is named.
        for shard in (0, 2):
            self.dir.joinpath(f"ray-shards/tasks-{shard:05}.parquet").write_bytes(b"torn")
        with self.assertRaises(msdata.Error) as caught:
            msdata.ray.run(self.dir / "ray-shards")
        for shard in (0, 2):
            self.assertIn(f"tasks-{shard:05}.parquet", caught.exception.message)
        with self.assertRaises(msdata.Error) as caught:
            msdata.ray.run(self.dir)
        self.assertIn("there is no plan in", caught.exception.message)

    def killed(self, victim):
        """What comes of a run during which `victim` of a worker's process and its actor's is killed."""
        rows = [{"path": path, "n": n} for n, path in enumerate(self.paths * max(1, 1200 // len(self.paths)))]
        before = {number for number, _, _ in processes()}
        killed, over = [], threading.Event()

        def kill():
            while not over.is_set() and not killed:
                for number, parent, seconds in processes():
                    if number not in before and seconds > 0.5:
                        os.kill(victim(number, parent), signal.SIGKILL)
                        killed.append(number)
                        return
                time.sleep(0.01)

        killer = threading.Thread(target=kill)
        killer.start()
        found = self.embed(ray.data.from_items(rows, override_num_blocks=8), batch_size=16).materialize()
        over.set()
        killer.join()
        self.assertEqual(len(killed), 1, "the run was over before anything was killed")
        self.assertEqual(
            embedded(found, "n"), {row["n"]: self.known[row["path"]] for row in rows}, "a batch is lost, doubled or other"
        )

    def test_a_killed_worker_costs_its_batch(self):
        self.killed(lambda worker, actor: worker)

    def test_a_killed_actor_costs_its_batch(self):
        self.killed(lambda worker, actor: actor)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
