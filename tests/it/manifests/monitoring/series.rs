//! What rules, dashboard and page name is what the operator counts: all of it, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use dicomenc::clock::{Clock as _, SystemClock};
use dicomenc::metrics::{
    self, CodeClass, KeyAccess, KeySource, KubeWrite, Metrics, ObjectReport, Quota, Ready,
    ReconcileOutcome, SweepOutcome,
};
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::{alerts, dashboard, queries, rules, series, spec, text};

/// The metrics that the operator has, without what the kind of a metric puts at the end of its
/// name. The registry's text leaves out what has no value yet; its other form has all names.
fn registered() -> BTreeSet<String> {
    let mut registry = metrics::registry();
    let _metrics = Metrics::register(&mut registry);
    let shown = format!("{registry:?}");
    let descriptors = shown.split("Descriptor { name: \"").skip(1);
    descriptors
        .map(|descriptor| {
            let (name, rest) = descriptor.split_once('"').expect("a name ends");
            let unit = rest.contains("unit: Some(Seconds)");
            format!("dicomenc_{name}{}", if unit { "_seconds" } else { "" })
        })
        .collect()
}

/// The kind of each metric by its name, as Prometheus gets them from an operator to which everything
/// has happened once.
fn scraped() -> BTreeMap<String, String> {
    let mut registry = metrics::registry();
    let all = Metrics::register(&mut registry);
    let (at, moment) = (Timestamp::UNIX_EPOCH, Duration::from_secs(1));
    let clock = SystemClock::new();
    all.objects.reconciled(ReconcileOutcome::Settled, moment);
    all.objects
        .object_reported("imaging", "radiology", EVERYTHING);
    all.arm
        .arm_called("Microsoft.KeyVault", "GET", CodeClass::Success, moment);
    all.arm.azure_written("set_key_url");
    all.arm
        .arm_quota_left(Quota::Reads, None, 1, clock.monotonic());
    all.vaults.called(CodeClass::Success);
    all.vaults
        .read(KeySource::Vault, 1, Some(SignedDuration::from_secs(10)));
    all.sweeps.beat(at);
    all.sweeps.swept("vaults", SweepOutcome::Complete, at);
    all.sweeps.oldest_sweeps(&BTreeMap::from([("vaults", at)]));
    all.kube.kube_written(KubeWrite::Status);
    let text = metrics::encode(&registry).expect("it can be written");
    let kinds = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    kinds
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect()
}

/// Every time and reason that a status can have.
const EVERYTHING: ObjectReport = ObjectReport {
    ready: Ready::False,
    stalled: Some("KeyDisabled"),
    key_access: KeyAccess::Lost,
    key_access_reason: Some("KeyDisabled"),
    lost_since: Some(Timestamp::UNIX_EPOCH),
    recoverable_until: Some(Timestamp::UNIX_EPOCH),
    verified_at: Some(Timestamp::UNIX_EPOCH),
    key_expires: Some(Timestamp::UNIX_EPOCH),
    grant_in_force: Some(Timestamp::UNIX_EPOCH),
};

/// The names under which Prometheus keeps a metric of this kind.
fn kept_as(name: &str, kind: &str) -> Vec<String> {
    let ends: &[&str] = match kind {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        _ => &[""],
    };
    ends.iter().map(|end| format!("{name}{end}")).collect()
}

#[test]
fn everything_that_the_operator_counts_is_known_here_with_its_kind() {
    assert_eq!(scraped().into_keys().collect::<BTreeSet<_>>(), registered());
}

#[test]
fn rules_and_dashboard_ask_for_nothing_that_the_operator_does_not_tell() {
    let spec = spec();
    let recorded: BTreeSet<String> = rules(&spec)
        .iter()
        .filter_map(|rule| rule["record"].as_str())
        .map(str::to_owned)
        .collect();
    let kinds = scraped();
    let known = kinds.iter().flat_map(|(name, kind)| kept_as(name, kind));
    let known: BTreeSet<String> = known.chain(recorded).collect();
    let asked = rules(&spec)
        .into_iter()
        .map(|rule| rule["expr"].as_str().expect("a rule asks").to_owned());
    for query in asked.chain(queries(&dashboard())) {
        for name in series(&query) {
            assert!(
                known.contains(&name),
                "{name} in {query}; there are {known:?}"
            );
        }
    }
}

#[test]
fn the_page_explains_every_metric_and_every_alert() {
    let page = text("docs/monitoring.md");
    let told: BTreeSet<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next())
        .map(str::to_owned)
        .collect();
    let of_metrics = told.iter().filter(|name| name.starts_with("dicomenc_"));
    let of_metrics: BTreeSet<String> = of_metrics.cloned().collect();
    let kinds = scraped();
    let known: BTreeSet<String> = kinds
        .iter()
        .map(|(name, kind)| match kind.as_str() {
            // its three series are one metric
            "histogram" => name.clone(),
            kind => kept_as(name, kind).concat(),
        })
        .collect();
    assert_eq!(of_metrics, known);
    let spec = spec();
    let alerts: BTreeSet<&str> = alerts(&spec).into_iter().map(|(name, _)| name).collect();
    let of_alerts = told.iter().map(String::as_str);
    let of_alerts: BTreeSet<&str> = of_alerts.filter(|name| name.starts_with("Dicom")).collect();
    assert_eq!(of_alerts, alerts);
}
