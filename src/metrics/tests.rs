use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::clock::Monotonic;

fn scrape(registry: &Registry) -> Vec<String> {
    let body = encode(registry).unwrap();
    body.lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

fn series(lines: &[String], name: &str) -> Vec<String> {
    lines
        .iter()
        .filter(|line| line.starts_with(name))
        .cloned()
        .collect()
}

#[test]
fn each_thing_that_happens_shows_under_its_own_name() {
    let mut registry = registry();
    let metrics = Metrics::register(&mut registry);
    let at = Timestamp::from_second(1_770_000_000).unwrap();

    metrics
        .objects
        .reconciled(ReconcileOutcome::Stepped, Duration::from_millis(20));
    metrics.arm.arm_called(
        "Microsoft.KeyVault",
        "GET",
        CodeClass::of(Some(404)),
        Duration::from_millis(300),
    );
    metrics.arm.azure_written("set_key_url");
    metrics
        .arm
        .arm_quota_left(Quota::Writes, None, 11_999, Monotonic::ORIGIN);
    metrics.sweeps.beat(at);
    metrics.sweeps.swept("vaults", SweepOutcome::Complete, at);
    let oldest = BTreeMap::from([("dicom_services", at)]);
    metrics.sweeps.oldest_sweeps(&oldest);
    metrics.kube.kube_written(KubeWrite::Lease);
    metrics.kube.leading(true);

    let lines = scrape(&registry);
    for expected in [
        r#"dicomenc_reconciles_total{outcome="stepped"} 1"#,
        "dicomenc_reconcile_seconds_count 1",
        r#"dicomenc_arm_calls_total{provider="Microsoft.KeyVault",method="GET",code="4xx"} 1"#,
        "dicomenc_arm_call_seconds_sum 0.3",
        r#"dicomenc_arm_quota_remaining{quota="writes"} 11999"#,
        r#"dicomenc_azure_writes_total{step="set_key_url"} 1"#,
        r#"dicomenc_sweeps_total{scope="vaults",outcome="complete"} 1"#,
        r#"dicomenc_sweep_last_success_timestamp_seconds{scope="vaults"} 1770000000"#,
        r#"dicomenc_sweep_oldest_success_timestamp_seconds{scope="dicom_services"} 1770000000"#,
        "dicomenc_heartbeat_timestamp_seconds{} 1770000000",
        r#"dicomenc_kube_writes_total{kind="lease"} 1"#,
        "dicomenc_leader 1",
        concat!(
            r#"dicomenc_build_info{version=""#,
            env!("CARGO_PKG_VERSION"),
            r#""} 1"#
        ),
    ] {
        assert!(
            lines.iter().any(|line| line == expected),
            "{expected} in {lines:#?}"
        );
    }
}

#[test]
fn only_a_complete_sweep_moves_the_time_of_the_last_success() {
    let mut registry = registry();
    let metrics = SweepMetrics::register(&mut registry);
    let at = |second| Timestamp::from_second(second).unwrap();

    metrics.swept("vaults", SweepOutcome::Complete, at(1_000));
    metrics.swept("vaults", SweepOutcome::Partial, at(2_000));
    metrics.swept("vaults", SweepOutcome::Failed, at(2_000));

    assert_eq!(
        series(&scrape(&registry), "dicomenc_sweep_last"),
        [r#"dicomenc_sweep_last_success_timestamp_seconds{scope="vaults"} 1000"#]
    );
}

#[test]
fn the_times_of_what_nobody_needs_any_more_go() {
    let mut registry = registry();
    let metrics = SweepMetrics::register(&mut registry);
    let at = Timestamp::from_second(1_000).unwrap();
    metrics.swept("vaults", SweepOutcome::Complete, at);
    metrics.oldest_sweeps(&BTreeMap::from([("vaults", at), ("identities", at)]));
    metrics.oldest_sweeps(&BTreeMap::from([("identities", at)]));
    assert_eq!(
        series(&scrape(&registry), "dicomenc_sweep_"),
        [r#"dicomenc_sweep_oldest_success_timestamp_seconds{scope="identities"} 1000"#]
    );
}

#[test]
fn a_replica_that_stands_by_has_no_heartbeat() {
    let mut registry = registry();
    SweepMetrics::register(&mut registry);
    let lines = scrape(&registry);
    assert_eq!(series(&lines, "dicomenc_heartbeat"), Vec::<String>::new());
}

#[test]
fn of_several_subscriptions_the_one_with_the_fewest_requests_left_is_shown() {
    let mut registry = registry();
    let metrics = ArmMetrics::register(&mut registry);
    let at = |seconds| Monotonic::from_origin(Duration::from_secs(seconds));
    let shown = |left: &str| {
        [format!(
            r#"dicomenc_arm_quota_remaining{{quota="reads"}} {left}"#
        )]
    };
    let [small, large] = [1, 2].map(|number| Some(Uuid::from_u128(number)));

    metrics.arm_quota_left(Quota::Reads, small, 40, at(0));
    metrics.arm_quota_left(Quota::Reads, large, 240, at(10));
    assert_eq!(
        series(&scrape(&registry), "dicomenc_arm_quota"),
        shown("40")
    );

    // nobody asks the small one any more
    metrics.arm_quota_left(Quota::Reads, large, 230, at(900));
    assert_eq!(
        series(&scrape(&registry), "dicomenc_arm_quota"),
        shown("230")
    );
}

#[test]
fn every_status_code_has_a_class() {
    for (code, class) in [
        (Some(200), CodeClass::Success),
        (Some(202), CodeClass::Success),
        (Some(302), CodeClass::Redirect),
        (Some(403), CodeClass::Refused),
        (Some(429), CodeClass::Throttled),
        (Some(500), CodeClass::Broken),
        (Some(999), CodeClass::Broken),
        (None, CodeClass::NoAnswer),
    ] {
        assert_eq!(CodeClass::of(code), class, "{code:?}");
    }
}
