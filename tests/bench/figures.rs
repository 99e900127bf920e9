//! Figures, and the file that they land in.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// One thing that was measured, beside what it is compared with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// A floor, a limit or a naive way; docs/benchmarks.md says which.
    pub(crate) baseline: f64,
    /// The value by the baseline; none when the baseline is zero.
    pub(crate) ratio: Option<f64>,
}

impl Figure {
    /// A figure. Digits beyond the fourth behind the point are noise and go.
    pub(crate) fn new(
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        baseline: f64,
    ) -> Self {
        let ratio = (baseline != 0.0).then(|| rounded(value / baseline));
        Self {
            name: name.into(),
            value: rounded(value),
            unit,
            baseline: rounded(baseline),
            ratio,
        }
    }
}

/// The value that so much of the sorted samples does not exceed (nearest rank); zero of none.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * count(sorted.len())).ceil().max(1.0);
    let found = (1..).zip(sorted).find(|(place, _)| count(*place) >= rank);
    found.map_or(0.0, |(_, value)| *value)
}

/// `<name>_p50_s`, `<name>_p99_s` and `<name>_max_s` of samples in seconds, each beside a limit.
pub(crate) fn distribution(name: &str, mut seconds: Vec<f64>, limit: f64) -> Vec<Figure> {
    seconds.sort_by(f64::total_cmp);
    [("p50", 0.5), ("p99", 0.99), ("max", 1.0)]
        .map(|(word, share)| {
            let value = percentile(&seconds, share);
            Figure::new(format!("{name}_{word}_s"), value, "s", limit)
        })
        .to_vec()
}

/// A count as a number to reckon with.
#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "nothing here counts to 2^52"
)]
pub(crate) const fn count(of: usize) -> f64 {
    of as f64
}

/// Prints a figure as a line.
pub(crate) fn print(figure: &Figure) {
    let Figure {
        name,
        value,
        unit,
        baseline,
        ratio,
    } = figure;
    let ratio = ratio.map_or_else(|| "-".to_owned(), |ratio| ratio.to_string());
    println!("{name:<44} {value:>12} {unit:<10} baseline {baseline:>10}  ratio {ratio}");
}

/// Writes all of them to `target/bench/results.json`.
pub(crate) fn write(figures: &[Figure]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    fs::create_dir_all(&folder).unwrap();
    let text = serde_json::to_string_pretty(figures).unwrap();
    fs::write(folder.join("results.json"), text + "\n").unwrap();
}

fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}
