"""Holds pairings, thresholds and areas against SciPy and NumPy.

    region_measures.py FOUND.json     raises where they differ; prints how many were compared
"""

import json
import sys

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import mannwhitneyu


def gain(rows, pairing, threshold):
    pairs = [(i, j) for i, j in enumerate(pairing) if j is not None]
    regions = [j for _, j in pairs]
    assert len(set(regions)) == len(regions), "one region, one subject"
    assert threshold is None or all(rows[i, j] >= threshold for i, j in pairs), "below the threshold"
    return sum(max(0.0, rows[i, j]) - (threshold or 0.0) for i, j in pairs)


def best(rows, threshold):
    """The greatest gain, with a further column for each row that is worth the threshold."""
    worth = np.maximum(rows, 0.0)
    if threshold is not None:
        worth = np.where(rows >= threshold, worth - threshold, -1e3)
        worth = np.hstack([worth, np.zeros((len(rows), len(rows)))])
    chosen = linear_sum_assignment(worth, maximize=True)
    return worth[chosen].sum()


found = json.load(open(sys.argv[1]))
for matrix in found["matrices"]:
    rows = np.array(matrix["rows"])
    assert sum(j is not None for j in matrix["pairing"]) == min(rows.shape)
    assert abs(gain(rows, matrix["pairing"], None) - best(rows, None)) < 1e-8, "not the best pairing"
    for at in matrix["at"]:
        threshold, pairing = at["threshold"], at["pairing"]
        assert abs(gain(rows, pairing, threshold) - best(rows, threshold)) < 1e-8, f"not the best at {threshold}"
        present = sum(j is not None for j in pairing)
        if threshold >= 0:
            assert present == sum(value >= threshold for value in matrix["thresholds"]), f"another number at {threshold}"
        # A threshold a little lower is better by as much for each pair: those at the threshold are among them.
        below = best(rows, threshold - 1e-5) - best(rows, threshold)
        assert threshold <= 0 or below > (present - 0.5) * 1e-5, "at the threshold is present"
for sample in found["samples"]:
    requested, decoys = np.array(sample["requested"]), np.array(sample["decoys"])
    area = mannwhitneyu(requested.round(9), decoys.round(9)).statistic / (len(requested) * len(decoys))
    assert abs(area - sample["auc"]) < 1e-12, f"{area} is not {sample['auc']}"
    assert abs(np.percentile(decoys, 99) - sample["threshold"]) < 1e-12
print(f"{len(found['matrices'])} matrices, {len(found['samples'])} samples")
