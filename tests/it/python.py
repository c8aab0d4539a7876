"""The package `msdata` on a small demonstration, held against the program that it runs.

    python.py DEMO [TEST…]      with MSDATA_PROGRAM, and the package on PYTHONPATH
"""

import io
import json
import os
import pty
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import unittest.mock
import warnings
from pathlib import Path

import duckdb
import numpy
import pandas
import polars
import pyarrow
import pyarrow.parquet

import msdata
from msdata import _program

DEMO = Path(sys.argv[1])
PROGRAM = os.environ["MSDATA_PROGRAM"]
MODELS = ["simulated-bleeding", "simulated-cloning", "simulated-faithful"]


def program(*arguments):
    """What the program itself writes to standard output."""
    return subprocess.run([PROGRAM, "-d", DEMO, *arguments], check=True, capture_output=True).stdout


class WithData(unittest.TestCase):
    def setUp(self):
        # Every report by the built-in encoder warns that the thresholds are DINOv2's.
        warnings.simplefilter("ignore", msdata.DataWarning)
        self.data = msdata.open(DEMO)
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = Path(directory.name)


class Tables(WithData):
    def test_a_report_has_the_numbers_of_the_programs_json(self):
        table = self.data.report(by=["model", "scene_type"], ci=90, models=MODELS[:2])
        expected = json.loads(program("report", "--by", "model,scene_type", "--ci", "90", "--models", ",".join(MODELS[:2]), "--format", "json"))
        rows = table.to_pylist()
        self.assertEqual(len(rows), 6)
        for row, one in zip(rows, expected["rows"], strict=True):
            self.assertEqual((row["model"], row["scene_type"], row["images"]), (one["model"], one["scene_type"], one["images"]))
            self.assertEqual(row["similarity_builtin-texture"], one["similarity"]["builtin-texture"])
            self.assertEqual(row["similarity_builtin-texture_low"], one["ci"]["similarity"]["builtin-texture"][0])
        types = {field.name: field.type for field in table.arrow.schema}
        self.assertEqual((types["model"], types["images"]), (pyarrow.string(), pyarrow.int64()))
        self.assertTrue(all(types[name] == pyarrow.float64() for name in table.columns if name.startswith("similarity")))

    def test_a_control_is_a_flag_and_a_mean_that_does_not_exist_is_a_null_among_numbers(self):
        directory = self.dir / "copy"
        shutil.copytree(DEMO, directory, ignore=shutil.ignore_patterns("page", "generated", "subjects"))
        subprocess.run([PROGRAM, "-d", directory, "controls", "make"], check=True, capture_output=True)
        data = msdata.Dataset(directory)
        by_model = {row["model"]: row for row in data.report(by="model").to_pylist()}
        self.assertEqual({model for model, row in by_model.items() if row["control"] is True}, {"control:composite", "control:crop"})
        self.assertEqual(by_model[MODELS[0]]["control"], False)

    def test_comparisons_and_leaderboards(self):
        pairs = self.data.compare(MODELS[2], MODELS[1], whole=True, measure="cscr@0.05").to_pandas()
        self.assertEqual(pairs[["a", "b", "prompts"]].values.tolist(), [[MODELS[2], MODELS[1], 15]])
        self.assertTrue((pairs.low <= pairs.difference).all() and (pairs.difference <= pairs.high).all() and (pairs.difference < 0).all())
        board = self.data.leaderboard(whole=True, measure="cscr@0.05").to_polars()
        self.assertEqual(board["model"].to_list()[0], MODELS[2])
        self.assertEqual(self.data.compare(baseline=MODELS[0], whole=True).arrow["b"].unique().to_pylist(), [MODELS[0]])

    def test_queries_are_typed_and_null_is_null(self):
        query = "SELECT 1 AS n, 0.5 AS x, 'a' AS t, NULL AS empty UNION ALL SELECT NULL, 2, NULL, NULL"
        table = self.data.sql(query)
        self.assertEqual([str(field.type) for field in table.arrow.schema], ["int64", "double", "string", "null"])
        self.assertEqual(table.to_pylist(), [
            {"n": 1, "x": 0.5, "t": "a", "empty": None}, {"n": None, "x": 2.0, "t": None, "empty": None},
        ])
        self.assertEqual(len(self.data.sql("SELECT * FROM generations WHERE seed = -1")), 0)
        self.assertIn("\n(2 rows)", repr(table))
        self.assertIn("<td>0.5</td>", table._repr_html_())
        self.assertIn("<td>&lt;b&gt;</td>", self.data.sql("SELECT '<b>' AS x")._repr_html_())

    def test_scores(self):
        scores = self.data.scores(encoder="builtin-texture", model=MODELS[0])
        # 3 scene types × (2 + 4 + 6 + 8 + 10) subjects.
        self.assertEqual(len(scores), 90 * len(self.data.sql("SELECT DISTINCT seed FROM generations")))
        self.assertEqual(scores.arrow["model"].unique().to_pylist(), [MODELS[0]])
        self.assertEqual(len(self.data.scores(of="image", model="it's nobody")), 0)

    def test_embeddings_are_the_vectors_that_the_scores_were_computed_from(self):
        table = self.data.embeddings("builtin-texture").arrow
        vectors = table["embedding"].combine_chunks()
        self.assertTrue(pyarrow.types.is_fixed_size_list(vectors.type))
        self.assertEqual(vectors.type.value_type, pyarrow.float32())
        of_images = sum(kind != "region" for kind in table["kind"].to_pylist())
        self.assertEqual(of_images, self.data.sql("SELECT count(*) AS n FROM embeddings").to_pylist()[0]["n"])
        matrix = vectors.flatten().to_numpy().reshape(len(vectors), -1).astype(float)
        matrix /= numpy.linalg.norm(matrix, axis=1, keepdims=True)
        score = self.data.scores().to_pylist()[0]
        rows = table.drop_columns("embedding").to_pylist()
        image = next(i for i, row in enumerate(rows) if row["kind"] == "generation"
                     and all(row[key] == score[key] for key in ("model", "prompt_id", "seed")))
        reference = next(i for i, row in enumerate(rows) if row["kind"] == "reference" and row["subject_id"] == score["subject_id"])
        self.assertAlmostEqual(matrix[image] @ matrix[reference], score["similarity"], places=6)

    def test_libraries_that_speak_arrow_take_a_table(self):
        table = self.data.report(by="model")
        relation = table.arrow  # noqa: F841 (DuckDB finds it by its name)
        self.assertEqual(polars.DataFrame(table).shape, (3, len(table.columns)))
        self.assertEqual(duckdb.sql("SELECT sum(images) FROM relation").fetchall()[0][0], self.data.sql("SELECT count(*) AS n FROM generations").to_pylist()[0]["n"])

    def test_parquet_is_what_arrow_is(self):
        for command in (["report", "--by", "model,subject_count"], ["compare", "--all"], ["compare", "--leaderboard"], ["audit"],
                        ["sql", "SELECT * FROM subject_scores"], ["sql", "SELECT * FROM prompts WHERE prompt_id = ''"],
                        ["encoders", "list"]):
            with self.subTest(command=command):
                arrow = pyarrow.ipc.open_stream(program(*command, "--format", "arrow")).read_all()
                parquet = program(*command, "--format", "parquet")
                self.assertEqual(pyarrow.parquet.read_table(io.BytesIO(parquet)).to_pylist(), arrow.to_pylist())
                self.assertEqual(polars.read_parquet(parquet).shape, arrow.shape)
                if "encoders" not in command:
                    out = self.dir / "table.parquet"
                    program(*command, "--format", "parquet", "--out", out)
                    self.assertEqual(out.read_bytes(), parquet)
                    self.assertEqual(pandas.read_parquet(out).shape, arrow.shape)
                    self.assertEqual(len(duckdb.sql(f"FROM '{out}'").fetchall()), arrow.num_rows)

    def test_no_bytes_go_to_a_terminal(self):
        for command, format in ((["report"], "arrow"), (["sql", "SELECT 1"], "parquet"), (["encoders", "list"], "arrow"),
                                (["plot", "cscr"], "png")):
            with self.subTest(command=command):
                master, slave = pty.openpty()
                ended = subprocess.run([PROGRAM, "-d", DEMO, *command, "--format", format], stdout=slave, stderr=subprocess.PIPE)
                os.close(slave)
                os.close(master)
                self.assertEqual(ended.returncode, 2)
                self.assertIn(f"`--format {format}` writes bytes, which a terminal cannot show", ended.stderr.decode())


class Others(WithData):
    def test_the_page_and_figures_show_themselves(self):
        page = self.data.show(max_size="2MB", title="<Mine>")
        self.assertIn("&lt;Mine&gt;", page.html)
        shown = page._repr_html_()
        self.assertTrue(shown.startswith("<iframe") and shown.endswith("></iframe>") and "srcdoc=" in shown)
        self.assertEqual(shown.count('"'), 8, "the page's own quotes are escaped")
        figure = self.data.plot("cscr", width="page")
        self.assertTrue(figure._repr_svg_().startswith("<svg") and figure._repr_png_() is None)
        figure.save(self.dir / "cscr.svg")
        self.assertEqual((self.dir / "cscr.svg").read_bytes(), figure.data)
        self.assertTrue(self.data.plot("cscr", format="png")._repr_png_().startswith(b"\x89PNG"))
        self.assertTrue(self.data.page(self.dir / "page").samefile(self.dir / "page/index.html"))

    def test_a_data_set_of_ones_own_from_a_table_of_vectors(self):
        data = msdata.init(self.dir / "own", relative=True)
        vectors = self.data.embeddings("builtin-texture").arrow
        vectors = vectors.filter(pyarrow.compute.not_equal(vectors["kind"], "region"))
        vectors = vectors.set_column(0, "encoder", pyarrow.array(["mine"] * len(vectors)))
        vectors = vectors.select([name for name in vectors.column_names if not name.startswith("region_")])
        manifests = {name: DEMO / f"{name}.jsonl" for name in ("subjects", "prompts", "generations")}
        done = data.ingest(no_embed=True, embeddings=vectors, **manifests)
        self.assertTrue(done.complete)
        self.assertIn("vectors: ", str(done))
        mine, theirs = data.scores().to_pandas(), self.data.scores().to_pandas()
        numpy.testing.assert_array_equal(mine.similarity, theirs.similarity)
        self.assertIn("scored 0 generations", str(data.score()))
        self.assertEqual(len(data.digest()), 64)
        self.assertTrue(str(data.verify()).splitlines()[-1].startswith("sound: "))
        self.assertTrue(data.export(self.dir / "tables").joinpath("image_scores.parquet").is_file())
        with self.assertRaises(msdata.Error) as caught:
            msdata.init(self.dir / "own")
        self.assertIn("already holds a data set", caught.exception.message)

    def test_a_metric_of_ones_own_from_pandas(self):
        directory = self.dir / "copy"
        shutil.copytree(DEMO, directory, ignore=shutil.ignore_patterns("page", "generated", "subjects"))
        data = msdata.open(directory)
        rows = data.sql("SELECT model, prompt_id, seed FROM generations").to_pandas()
        rows["hpsv2"] = [None if at < 12 else at / 100 for at in range(len(rows))]
        rows = rows.sample(frac=1, random_state=1)  # the index of pandas is no metric
        unknown = pandas.concat([rows, rows[:1].assign(prompt_id="nowhere")])
        with self.assertRaises(msdata.Error) as caught:
            data.ingest(scores=unknown, metric="hpsv2:higher")
        self.assertRegex(caught.exception.message, rf"scores.parquet: row {len(unknown)}: .*nowhere")
        done = data.ingest(scores=rows, metric="hpsv2:higher")
        self.assertIn(f"metric hpsv2: {len(rows) - 12} values, 12 missing", done.lines)
        found = data.report(by="model").to_pandas().set_index("model")
        expected = rows.groupby("model").hpsv2.mean()
        pandas.testing.assert_series_equal(found.metric_hpsv2, expected, check_names=False)
        pairs = data.compare(MODELS[0], MODELS[1], whole=True, measure="hpsv2").to_pylist()
        self.assertEqual([pair["measure"] for pair in pairs], ["hpsv2"])
        data.ingest(scores=polars.DataFrame(rows), metric="hpsv2:higher")

    def test_faults_of_a_data_set_are_an_error_that_lists_them(self):
        data = msdata.init(self.dir / "data")
        next((self.dir / "data").glob("catalog.sqlite")).write_bytes(b"no catalog")
        with self.assertRaises(msdata.Error) as caught:
            data.verify()
        self.assertEqual(caught.exception.status, 1)


class Failures(WithData):
    def refused(self, call):
        with self.assertRaises(msdata.Error) as caught:
            call()
        return caught.exception

    def test_an_error_has_message_hint_and_status(self):
        error = self.refused(lambda: msdata.open(self.dir / "nowhere"))
        self.assertEqual((error.message, error.status), (f"{self.dir}/nowhere is not a data set: it has no catalog.sqlite", 1))
        self.assertEqual(error.hint, f"make one with `msdata init {self.dir}/nowhere`")
        self.assertEqual(str(error), f"{error.message}\nhint: {error.hint}")
        error = self.refused(lambda: self.data.report(threshold=0.4))
        self.assertEqual((error.message, error.status), ("unexpected argument '--threshold' found", 2))
        self.assertEqual(error.hint, "a similar argument exists: '--thresholds'")
        error = self.refused(lambda: self.data.compare(MODELS[0]))
        self.assertEqual(error.status, 2)
        error = self.refused(lambda: self.data.embeddings("dinov2-small"))
        self.assertEqual((error.message, error.hint), ("the data set has no encoder called dinov2-small", "it has builtin-texture"))
        error = self.refused(lambda: self.data.sql("SELECT 1 AS x UNION ALL SELECT 'a'"))
        self.assertIn("column `x` holds texts and numbers", error.message)
        error = self.refused(lambda: self.data.sql("--format"))
        self.assertTrue(error.message.startswith("query refused: "), "a query is no flag, whatever it begins with")

    def test_every_bad_row_is_in_the_message(self):
        rows = self.dir / "subjects.jsonl"
        rows.write_text('{"subject_id": "a"}\n{"subject_id": "b", "label": "b", "references": []}\n')
        error = self.refused(lambda: msdata.init(self.dir / "data").ingest(subjects=rows))
        self.assertTrue(error.message.startswith("2 bad rows; nothing was written\n"), error.message)
        self.assertIn("subjects.jsonl:1: ", error.message)
        self.assertIn("subjects.jsonl:2: ", error.message)
        self.assertEqual(error.hint, "fix these rows and run the command again")

    def test_missing_images_are_a_warning_and_the_results_are_kept(self):
        (self.dir / "subjects.jsonl").write_text('{"subject_id": "a", "label": "a", "references": ["gone.png"]}\n')
        data = msdata.init(self.dir / "data")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            done = data.ingest(subjects=self.dir / "subjects.jsonl")
        self.assertFalse(done.complete)
        [warning] = [one for one in caught if one.category is msdata.IncompleteWarning]
        self.assertEqual(Path(warning.filename), Path(__file__), "the warning points at the caller")
        self.assertEqual(data.sql("SELECT subject_id FROM subjects").to_pylist(), [{"subject_id": "a"}])

    def test_warnings_of_the_program_are_warnings(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.data.report()
        self.assertEqual({Path(one.filename).name for one in caught}, {"python.py"})
        self.assertTrue(any("the thresholds were chosen for DINOv2" in str(one.message) for one in caught))


class Workers(WithData):
    def test_the_documented_example_runs(self):
        page = (Path(__file__).parents[2] / "docs/worker.md").read_text()
        example = page.split("```python\n")[1].split("```")[0]
        images = self.data.sql("SELECT path, prompt_id, seed, model FROM generations ORDER BY path LIMIT 2").to_pylist()
        for name, image in zip(("a.png", "b.jpg"), images, strict=True):
            shutil.copy(DEMO / image["path"], self.dir / name)
        here, found = os.getcwd(), {}
        self.addCleanup(os.chdir, here)
        os.chdir(self.dir)
        exec(example, found)
        os.chdir(here)
        known = {(row["model"], row["prompt_id"], row["seed"]): row["embedding"]
                 for row in self.data.embeddings("builtin-texture").to_pylist() if row["kind"] == "generation"}
        for vector, image in zip(found["vectors"], images, strict=True):
            self.assertEqual(vector.tolist(), known[image["model"], image["prompt_id"], image["seed"]])
        self.assertEqual(found["answer"].column_names[:3], ["name", "path", "status"])

    def test_tables_of_any_shape_are_answered_one_after_another(self):
        file = next(DEMO.glob("generated/**/*.png"))
        with msdata.Worker(encoder="builtin-texture", threads=1) as worker:
            empty = worker.embed(pyarrow.table({"path": pyarrow.array([], pyarrow.string())}))
            self.assertEqual((empty.num_rows, empty.column_names[-1]), (0, "builtin-texture"))
            table = pyarrow.table({"path": pyarrow.chunked_array([[str(file)], [None, "gone"]])})
            answer = worker.embed(table)
            self.assertEqual(answer["status"].to_pylist(), ["ok", "missing", "missing"])
            batch = pyarrow.record_batch({"bytes": [file.read_bytes()], "key": [1]})
            self.assertEqual(worker.embed(batch)["builtin-texture"].to_pylist(), answer["builtin-texture"].to_pylist()[:1])

    def test_a_worker_that_refuses_or_is_killed_is_an_error(self):
        worker = msdata.Worker(encoder="builtin-texture")
        with self.assertRaises(msdata.Error) as caught:
            worker.embed(pyarrow.table({"file": ["a.png"]}))
        self.assertIn("no column says where the images are", caught.exception.message)
        self.assertEqual((caught.exception.status, caught.exception.hint.split()[0]), (1, "docs/worker.md"))
        worker = msdata.Worker(encoder="builtin-texture")
        os.kill(worker.pid, signal.SIGKILL)
        with self.assertRaises(msdata.Error) as caught:
            worker.embed(pyarrow.table({"path": ["a.png"]}))
        self.assertEqual(caught.exception.status, -signal.SIGKILL)
        with self.assertRaises(msdata.Error) as caught:
            msdata.Worker(encoder="nobody").embed(pyarrow.table({"path": ["a.png"]}))
        self.assertIn("is neither an encoder", caught.exception.message)


class TheProgram(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.dir = Path(directory.name)

    def stand_in(self, script):
        """A program that says what it is told to, in the place of the real one."""
        path = self.dir / "msdata"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return unittest.mock.patch.dict(os.environ, MSDATA_PROGRAM=str(path))

    def test_keyword_arguments_are_flags(self):
        flags = {"by": ["model", "seed"], "thresholds": [0.4, numpy.float64(0.5)], "seeds": range(2), "ci": True, "curve": False, "tau": None,
                 "no_embed": True, "rename": {"a": "A"}, "out": Path("x y"), "alpha": 0.1, "from_": ("xverse", "dir"), "html": "-d"}
        self.assertEqual(_program.words(flags), [
            "--by=model", "--by=seed", "--thresholds=0.4,0.5", "--seeds=0,1", "--ci", "--no-embed", "--rename=a=A", "--out=x y",
            "--alpha=0.1", "--from", "xverse", "dir", "--html=-d",
        ])
        self.assertRaises(ValueError, _program.words, {"by": []})

    def test_the_module_is_the_program(self):
        own = subprocess.run([PROGRAM, "--version"], check=True, capture_output=True).stdout
        self.assertEqual(subprocess.run([sys.executable, "-m", "msdata", "--version"], check=True, capture_output=True).stdout, own)
        wrong = subprocess.run([sys.executable, "-m", "msdata", "nothing"], capture_output=True)
        self.assertEqual(wrong.returncode, 2)

    def test_a_program_that_is_not_there_is_an_error_with_advice(self):
        with unittest.mock.patch.dict(os.environ, MSDATA_PROGRAM=str(self.dir / "gone")):
            self.assertRaisesRegex(msdata.Error, "MSDATA_PROGRAM names .*gone", msdata.open, self.dir)
        with unittest.mock.patch.dict(os.environ, MSDATA_PROGRAM="", PATH=str(self.dir)):
            with self.assertRaises(msdata.Error) as caught:
                msdata.open(self.dir)
        self.assertIn("install the wheel", caught.exception.hint)

    def test_onnx_runtime_is_that_of_this_python_unless_another_is_named(self):
        with unittest.mock.patch.dict(os.environ, ORT_DYLIB_PATH=""):
            self.assertTrue(any(Path(_program.environment()["ORT_DYLIB_PATH"]).glob("libonnxruntime*")))
        self.assertNotIn("onnxruntime", sys.modules, "it is found without being imported")
        with unittest.mock.patch.dict(os.environ, ORT_DYLIB_PATH="/elsewhere"):
            self.assertEqual(_program.environment()["ORT_DYLIB_PATH"], "/elsewhere")

    def test_progress_is_one_line_that_is_rewritten(self):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        line = '{"stage":"images","done":%s,"total":1000,"per_second":2.0,"seconds_left":%s}'
        script = "\n".join(f"echo '{line % (done, left)}' >&2" for done, left in (("10", "495.0"), ("1000", "0.0")))
        for stream, expected in (
            (Terminal(), "\rimages 10/1000, 2/s, 495 s left\rimages 1000/1000, 2/s          \r" + " " * 21 + "\r"),
            (io.StringIO(), ""),
        ):
            with self.stand_in(script), unittest.mock.patch.object(sys, "stderr", stream):
                self.assertEqual(_program.run(["embed"], {}).lines, ())
            self.assertEqual(stream.getvalue(), expected)

    def test_an_interrupt_ends_the_program(self):
        script = f"trap 'echo stopped > {self.dir}/stopped; exit 130' INT\ntouch {self.dir}/begun\nfor n in $(seq 400); do sleep 0.05; done"

        def interrupt():
            while not (self.dir / "begun").exists():
                time.sleep(0.01)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        # Where this runs in the background of a shell, interrupts are ignored, by the program as well.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        self.addCleanup(signal.signal, signal.SIGINT, before)
        with self.stand_in(script), unittest.mock.patch.object(_program, "GRACE", 2.0):
            threading.Thread(target=interrupt, daemon=True).start()
            self.assertRaises(KeyboardInterrupt, _program.run, ["embed"], {})
        self.assertEqual((self.dir / "stopped").read_text(), "stopped\n")

    def test_a_program_that_was_killed_is_an_error(self):
        with self.stand_in("kill -KILL $$"):
            self.assertRaisesRegex(msdata.Error, "ended by SIGKILL", _program.run, ["embed"], {})


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]])
