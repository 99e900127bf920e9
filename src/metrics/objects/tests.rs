use super::super::{encode, registry};
use super::*;

const GOOD: ObjectReport = ObjectReport {
    ready: Ready::True,
    key_access: KeyAccess::Accessible,
    ..ObjectReport::UNKNOWN
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// What is said of one object, and how many there are of each kind, in order.
fn series(registry: &Registry, object: &str) -> Vec<String> {
    let body = encode(registry).unwrap();
    let object = format!(r#"name="{object}""#);
    let mut lines: Vec<String> = body
        .lines()
        .filter(|line| !line.starts_with('#') && line.contains(&object))
        .map(|line| line.replace(&format!(r#"namespace="imaging",{object}"#), ".."))
        .collect();
    lines.sort();
    lines
}

#[test]
fn an_object_has_one_key_access_series_which_moves_with_its_state_and_goes_with_it() {
    let mut registry = registry();
    let metrics = ObjectMetrics::register(&mut registry);
    let lost = ObjectReport {
        ready: Ready::False,
        key_access: KeyAccess::Lost,
        ..GOOD
    };

    metrics.object_reported("imaging", "radiology", GOOD);
    metrics.object_reported("imaging", "cardiology", GOOD);
    metrics.object_reported("imaging", "radiology", GOOD);
    metrics.object_reported("imaging", "radiology", lost);
    assert_eq!(
        series(&registry, "cardiology"),
        [r#"dicomenc_key_access{..,state="Accessible"} 1"#]
    );
    assert_eq!(
        series(&registry, "radiology"),
        [r#"dicomenc_key_access{..,state="Lost"} 1"#]
    );
    let counted = |expected: &str| {
        encode(&registry)
            .unwrap()
            .lines()
            .any(|line| line == expected)
    };
    assert!(counted(r#"dicomenc_objects{ready="False"} 1"#));
    assert!(counted(r#"dicomenc_objects{ready="True"} 1"#));

    metrics.object_gone("imaging", "radiology");
    metrics.object_gone("imaging", "radiology");
    assert_eq!(series(&registry, "radiology"), Vec::<String>::new());
    assert_eq!(series(&registry, "cardiology").len(), 1);
    assert!(counted(r#"dicomenc_objects{ready="False"} 0"#));
}

#[test]
fn each_time_and_reason_of_a_status_has_a_series_while_the_status_has_it() {
    let mut registry = registry();
    let metrics = ObjectMetrics::register(&mut registry);
    let lost = ObjectReport {
        ready: Ready::False,
        stalled: Some("KeyDisabled"),
        key_access: KeyAccess::Lost,
        key_access_reason: Some("KeyDisabled"),
        lost_since: Some(at(1_000)),
        recoverable_until: Some(at(2_800)),
        verified_at: Some(at(900)),
        key_expires: Some(at(9_000)),
        grant_in_force: Some(at(1_600)),
    };
    metrics.object_reported("imaging", "radiology", lost);
    assert_eq!(
        series(&registry, "radiology"),
        [
            "dicomenc_grant_in_force_timestamp_seconds{..} 1600",
            "dicomenc_key_access_lost_timestamp_seconds{..} 1000",
            r#"dicomenc_key_access_reason{..,reason="KeyDisabled"} 1"#,
            "dicomenc_key_access_recoverable_until_timestamp_seconds{..} 2800",
            "dicomenc_key_access_verified_timestamp_seconds{..} 900",
            r#"dicomenc_key_access{..,state="Lost"} 1"#,
            "dicomenc_key_expiry_timestamp_seconds{..} 9000",
            r#"dicomenc_stalled{..,reason="KeyDisabled"} 1"#,
        ]
    );

    let recovering = ObjectReport {
        stalled: None,
        key_access: KeyAccess::Recovering,
        key_access_reason: Some("AwaitingRecovery"),
        recoverable_until: None,
        grant_in_force: None,
        ..lost
    };
    metrics.object_reported("imaging", "radiology", recovering);
    assert_eq!(
        series(&registry, "radiology"),
        [
            "dicomenc_key_access_lost_timestamp_seconds{..} 1000",
            r#"dicomenc_key_access_reason{..,reason="AwaitingRecovery"} 1"#,
            "dicomenc_key_access_verified_timestamp_seconds{..} 900",
            r#"dicomenc_key_access{..,state="Recovering"} 1"#,
            "dicomenc_key_expiry_timestamp_seconds{..} 9000",
        ]
    );

    metrics.object_gone("imaging", "radiology");
    assert_eq!(series(&registry, "radiology"), Vec::<String>::new());
}

#[test]
fn a_time_that_moves_stays_in_its_one_series() {
    let mut registry = registry();
    let metrics = ObjectMetrics::register(&mut registry);
    for second in [1_000, 4_600] {
        let report = ObjectReport {
            verified_at: Some(at(second)),
            ..GOOD
        };
        metrics.object_reported("imaging", "radiology", report);
    }
    let verified = "dicomenc_key_access_verified_timestamp_seconds{..} 4600".to_owned();
    assert!(series(&registry, "radiology").contains(&verified));
    assert_eq!(series(&registry, "radiology").len(), 2);
}
