"""Executes a notebook from top to bottom in a directory. A cell that fails is an error.

    notebook.py NOTEBOOK DIR            executes it
    notebook.py NOTEBOOK DIR --write    and writes it with its outputs, except for those too large to keep
"""

import re
import sys

import nbclient
import nbformat

path, directory, *write = sys.argv[1:]
notebook = nbformat.read(path, as_version=4)
nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": directory}}).execute()

cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
assert cells and all(cell.execution_count for cell in cells), "a cell was not executed"
kinds = {kind for cell in cells for output in cell.outputs for kind in output.get("data", {})}
assert {"text/html", "image/svg+xml"} <= kinds, f"tables and figures show themselves, and here are {kinds}"
assert "<iframe" in str(cells), "the page shows itself"

if write == ["--write"]:
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "<iframe" in str(output.get("data", {})):
                output.data.pop("text/html")
            if "text" in output:  # a warning names the file of its cell, which is a temporary one
                output.text = re.sub(r"\S*/ipykernel_\S+\.py:\d+: ", "", output.text)
    notebook.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
                         "language_info": {"name": "python"}}
    nbformat.write(notebook, path)
