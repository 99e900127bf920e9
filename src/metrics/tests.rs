use super::*;

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
fn an_object_has_one_key_access_series_which_moves_with_its_state_and_goes_with_it() {
    let mut registry = registry();
    let metrics = ObjectMetrics::register(&mut registry);

    metrics.object_reported("imaging", "radiology", Ready::True, KeyAccess::Accessible);
    metrics.object_reported("imaging", "cardiology", Ready::True, KeyAccess::Accessible);
    metrics.object_reported("imaging", "radiology", Ready::True, KeyAccess::Accessible);
    metrics.object_reported("imaging", "radiology", Ready::False, KeyAccess::Lost);
    let lines = scrape(&registry);
    let mut access = series(&lines, "dicomenc_key_access{");
    access.sort();
    assert_eq!(
        access,
        [
            r#"dicomenc_key_access{namespace="imaging",name="cardiology",state="Accessible"} 1"#,
            r#"dicomenc_key_access{namespace="imaging",name="radiology",state="Lost"} 1"#,
        ]
    );
    let mut objects = series(&lines, "dicomenc_objects{");
    objects.sort();
    assert_eq!(
        objects,
        [
            r#"dicomenc_objects{ready="False"} 1"#,
            r#"dicomenc_objects{ready="True"} 1"#
        ]
    );

    metrics.object_gone("imaging", "radiology");
    metrics.object_gone("imaging", "radiology");
    let after = scrape(&registry);
    assert_eq!(
        series(&after, "dicomenc_key_access{"),
        [r#"dicomenc_key_access{namespace="imaging",name="cardiology",state="Accessible"} 1"#]
    );
    assert!(
        after.contains(&r#"dicomenc_objects{ready="False"} 0"#.to_owned()),
        "{after:#?}"
    );
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
    metrics.arm.arm_quota_left(Quota::Writes, 11_999);
    metrics
        .sweeps
        .swept(SweepScope::Vault, SweepOutcome::Complete, at);
    metrics.sweeps.oldest_sweep(SweepScope::Workspace, Some(at));
    metrics.kube.kube_written(KubeWrite::Lease);
    metrics.kube.leading(true);

    let lines = scrape(&registry);
    for expected in [
        r#"dicomenc_reconciles_total{outcome="stepped"} 1"#,
        "dicomenc_reconcile_seconds_count 1",
        r#"dicomenc_arm_calls_total{provider="Microsoft.KeyVault",method="GET",code="4xx"} 1"#,
        "dicomenc_arm_call_seconds_sum 0.3",
        r#"dicomenc_arm_quota_remaining{quota="writes"} 11999"#,
        r#"dicomenc_sweeps_total{scope="vault",outcome="complete"} 1"#,
        r#"dicomenc_sweep_last_success_timestamp_seconds{scope="vault"} 1770000000"#,
        r#"dicomenc_sweep_oldest_success_timestamp_seconds{scope="workspace"} 1770000000"#,
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
    let (first, second) = (
        Timestamp::from_second(1_000).unwrap(),
        Timestamp::from_second(2_000).unwrap(),
    );

    metrics.swept(SweepScope::Vault, SweepOutcome::Complete, first);
    metrics.swept(SweepScope::Vault, SweepOutcome::Partial, second);
    metrics.swept(SweepScope::Vault, SweepOutcome::Failed, second);
    metrics.oldest_sweep(SweepScope::Vault, Some(first));
    metrics.oldest_sweep(SweepScope::Vault, None);

    let lines = scrape(&registry);
    assert_eq!(
        series(&lines, "dicomenc_sweep_last"),
        [r#"dicomenc_sweep_last_success_timestamp_seconds{scope="vault"} 1000"#]
    );
    assert_eq!(
        series(&lines, "dicomenc_sweep_oldest"),
        Vec::<String>::new()
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
