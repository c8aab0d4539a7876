//! Pairings and measures of regions, held to SciPy and to what an independent implementation found in real images.

use crate::support::lab::{err, python, shared};
use msdata::score::{Similarities, auc, default_threshold, doubled_regions, pair, pair_above, presence_thresholds};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Numbers that look drawn, in [-1, 1], of so many steps.
struct Draws(u64);

impl Draws {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn cosine(&mut self, steps: u64) -> f64 {
        (self.bits() % (2 * steps + 1)) as f64 / steps as f64 - 1.0
    }
}

fn similarities(rows: &[Vec<f64>]) -> Similarities {
    Similarities::new(rows.len(), rows.first().map_or(0, Vec::len), |i, j| Some(rows[i][j]))
}

/// Larger matrices, with and without ties, by `scipy.optimize.linear_sum_assignment`: π, and T with its further columns. And
/// quantiles by NumPy, areas by `scipy.stats.mannwhitneyu`.
#[test]
fn scipy_finds_the_same() {
    let Some(python) = python() else { return };
    let mut draws = Draws(14);
    let mut matrices = Vec::new();
    for (subjects, regions) in [(10, 10), (10, 60), (60, 10), (100, 100), (7, 2_000), (30, 31), (1, 50), (50, 1)] {
        for steps in [1, 5, 100, 1_000_000] {
            let rows: Vec<Vec<f64>> = (0..subjects).map(|_| (0..regions).map(|_| draws.cosine(steps)).collect()).collect();
            let found = similarities(&rows);
            let at: Vec<Value> = [-1.0, 0.0, 0.2, 0.6, 0.99]
                .iter()
                .map(|threshold| json!({"threshold": threshold, "pairing": pair_above(&found, *threshold)}))
                .collect();
            let thresholds = presence_thresholds(&found);
            matrices.push(json!({"rows": rows, "pairing": pair(&found), "at": at, "thresholds": thresholds}));
        }
    }
    let mut samples = Vec::new();
    for (requested, decoys, steps) in [(1, 1, 5), (30, 200, 5), (95, 788, 1_000_000), (400, 399, 40)] {
        let mut draw = |count: usize| -> Vec<f64> { (0..count).map(|_| draws.cosine(steps)).collect() };
        let (requested, decoys) = (draw(requested), draw(decoys));
        let threshold = default_threshold(&mut decoys.clone());
        samples.push(json!({"requested": requested, "decoys": decoys, "auc": auc(&requested, &decoys), "threshold": threshold}));
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("found.json");
    std::fs::write(&path, json!({"matrices": matrices, "samples": samples}).to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/region_measures.py");
    let output = Command::new(python).arg(script).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "32 matrices, 4 samples");
}

/// The cosines, pairings and doubled regions that an independent implementation found in the real images, of two face encoders
/// and of one for objects.
#[test]
fn pairings_in_real_images() {
    let Some(expected) = shared("regions/expected") else { return };
    // Images that have regions and request someone, less those whose best two pairings are nearly equal.
    for (set, certain) in [("faces-face-128", 97), ("faces-faceres-1024", 101), ("objects-efficientnet-lite0", 186)] {
        let found: Value = serde_json::from_slice(&std::fs::read(expected.join(set).join("expected.json")).unwrap()).unwrap();
        let [mut compared, mut pairs, mut doubtful, mut differ, mut doubled] = [0; 5];
        for generation in found["generations"].as_array().unwrap() {
            let texts =
                |key: &str| -> Vec<&str> { generation[key].as_array().unwrap().iter().map(|v| v.as_str().unwrap()).collect() };
            let requested = texts("requested");
            let regions = generation["regions"].as_u64().unwrap() as usize;
            let cosine = |subject: usize, region: usize| generation["cosine"][region][subject].as_f64().unwrap();
            let similarities = Similarities::new(requested.len(), regions, |i, j| Some(cosine(i, j)));
            let pairing = pair(&similarities);
            assert_eq!(pairing, pair_above(&similarities, -1.0));
            let mut theirs = vec![None; requested.len()];
            for pair in generation["assignment"].as_array().unwrap() {
                let subject = requested.iter().position(|id| pair["subject_id"] == *id).unwrap();
                theirs[subject] = Some(pair["region"].as_u64().unwrap() as usize);
            }
            let total = |pairing: &[Option<usize>]| -> f64 {
                pairing.iter().enumerate().filter_map(|(i, j)| Some(cosine(i, (*j)?))).sum()
            };
            let what = format!("{set}: {} {}", generation["model"], generation["prompt_id"]);
            assert_eq!(pairing.iter().flatten().count(), requested.len().min(regions), "{what}");
            assert!(total(&pairing) > total(&theirs) - 1e-9 && total(&pairing) < total(&theirs) + 1e-5, "{what}");
            // `null` where there is one pairing only.
            if generation["margin"].as_f64().is_none_or(|margin| margin > 5e-4) {
                assert_eq!(pairing, theirs, "{what}");
                pairs += pairing.iter().flatten().count();
                compared += usize::from(pairing.iter().any(Option::is_some));
                let missing: Vec<&str> =
                    requested.iter().zip(&pairing).filter(|(_, region)| region.is_none()).map(|(id, _)| *id).collect();
                assert_eq!(texts("missing"), missing, "{what}");
            } else {
                doubtful += 1;
                differ += usize::from(pairing != theirs);
            }
            let their_doubled: Vec<usize> =
                generation["double"].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as usize).collect();
            assert_eq!(doubled_regions(&similarities), their_doubled, "{what}");
            doubled += their_doubled.len();
        }
        eprintln!(
            "{set}: {compared} pairings of {pairs} pairs equal, {doubled} doubled regions; {differ} of {doubtful} nearly tied ones differ"
        );
        assert_eq!(compared, certain, "{set}");
        assert!(pairs > 190 && doubled > 50, "{set}: {pairs}, {doubled}");
    }
}
