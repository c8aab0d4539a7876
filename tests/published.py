"""A published data set in the hands of others: mlcroissant validates it and streams every record of every record set,
`datasets` loads every configuration and decodes every image. Prints what it found, as JSON.

    python tests/published.py DIR
"""

import io
import json
import subprocess
import sys
from pathlib import Path

try:
    import datasets
    import mlcroissant
    import PIL.Image
    import yaml
except ImportError as e:
    print(f"skipped: {e}; `make setup` installs it", file=sys.stderr)
    sys.exit(77)

directory = Path(sys.argv[1])
cache = sys.argv[2]
datasets.disable_progress_bars()

program = Path(sys.executable).parent / "mlcroissant"
done = subprocess.run([program, "validate", "--jsonld", "croissant.json"], cwd=directory, capture_output=True, text=True)
assert done.returncode == 0, done.stderr
assert "Found the following" not in done.stderr, done.stderr

metadata = json.loads((directory / "croissant.json").read_text())
for field in (
    "rai:dataCollection rai:dataBiases rai:personalSensitiveInformation rai:dataLimitations rai:dataUseCases "
    "rai:dataSocialImpact rai:hasSyntheticData prov:wasDerivedFrom prov:wasGeneratedBy"
).split():
    assert metadata[field] not in ("", [], None), field

croissant = mlcroissant.Dataset(jsonld=str(directory / "croissant.json"))
streamed = {}
pictures = 0
for record_set in croissant.metadata.record_sets:
    rows = 0
    for record in croissant.records(record_set.id):
        rows += 1
        image = record.get(f"{record_set.id}/image")
        if image is not None:
            assert isinstance(image, PIL.Image.Image)
            pictures += 1
    streamed[record_set.id] = rows

front = yaml.safe_load((directory / "README.md").read_text().split("---\n")[1])
loaded = {}
shown = 0
for config in front["configs"]:
    name = config["config_name"]
    data = datasets.load_dataset(str(directory), name, cache_dir=cache, split="test")
    declared = next(info for info in front["dataset_info"] if info["config_name"] == name)
    assert list(data.features) == [f["name"] for f in declared["features"]], name
    loaded[name] = len(data)
    if "image" in data.features:
        assert isinstance(data.features["image"], datasets.Image), name
        for row in data:
            if row["image"] is None:
                assert row["status"] != "ok" and row["reason"], row
                continue
            assert row["image"].size == (row["width"], row["height"]) or row["format"] == "jpeg", row
            shown += 1
default = datasets.load_dataset(str(directory), cache_dir=cache, split="test")
assert len(default) == loaded["generations"]
assert loaded == streamed, (loaded, streamed)
assert shown == pictures, (shown, pictures)
print(json.dumps({"tables": loaded, "images": shown}))
