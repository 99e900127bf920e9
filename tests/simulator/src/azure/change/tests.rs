//! Words and the changes that they mean.

use serde_json::json;

use super::{Change, KeyChange};
use crate::azure::{
    FaultAnswer, FaultRule,
    rig::{KEY, Rig},
};

mod causes;

fn parse(words: &str) -> Result<Change, String> {
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    Change::parse(&words)
}

#[test]
fn words_that_mean_nothing_are_answered_with_what_would_be_right() {
    let cases = [
        ("", "begin with key, vault"),
        (
            "key clinic-keys/dicom-cmk broken",
            "disabled|enabled|deleted",
        ),
        ("key dicom-cmk disabled", "<vault>/<key>"),
        ("key a/b/c/d disabled", "<vault>/<key>/<version>"),
        ("key", "write: key"),
        ("vault clinic-keys off", "firewall-closed"),
        ("identity x", "on|off"),
        ("role-assignments clinic-keys", "removed"),
        ("service radiology key", "key removed"),
        ("health radiology", "degraded"),
        ("throttling on soon", "throttling on 5"),
        ("control-plane bad", "broken|ok"),
        ("deny-assignments clinic-keys", "added"),
        ("role-assignments clinic-keys added operator", "<role>"),
        ("key clinic-keys/dicom-cmk expires-in soon", "20d, 12h"),
        ("health radiology late 5", "30m or 45s"),
        ("foreign-resources many", "no number"),
        ("faults GET", "drop-before"),
        ("faults GET x status many", "no number"),
        ("faults GET x reset twice", "skip <n>"),
    ];
    for (words, help) in cases {
        let error = parse(words).unwrap_err();
        assert!(error.contains(help), "{words}: {error}");
    }
}

#[test]
fn words_become_values_that_survive_json() {
    let change = parse("key clinic-keys/dicom-cmk/0123 not-yet-valid").unwrap();
    let expected = Change::Key {
        vault: "clinic-keys".to_owned(),
        key: "dicom-cmk".to_owned(),
        version: Some("0123".to_owned()),
        to: KeyChange::NotYetValid,
    };
    assert_eq!(change, expected);
    for words in [
        "key clinic-keys/dicom-cmk new-version",
        "vault clinic-keys firewall-closed",
        "identity imaging/clinic/radiology off",
        "role-assignments clinic-keys removed 33333333-3333-3333-3333-333333333333",
        "role-assignments clinic-keys added operator Key Vault Reader",
        "role-assignments clinic-keys conditional",
        "key clinic-keys/dicom-cmk unwrap-forbidden",
        "deny-assignments clinic-keys added",
        "deny-assignments clinic-keys removed",
        "key clinic-keys/dicom-cmk expires-in 20d",
        "health radiology late 5m",
        "foreign-resources 5000",
        "service radiology provisioning Failed",
        "service radiology operation-canceled",
        "service radiology tags a=b",
        "service radiology deleted",
        "health radiology degraded",
        "throttling on 30",
        "throttling off",
        "control-plane broken",
        "faults PUT dicomservices throttled none skip 1 times 2",
        "faults any any silence",
        "faults off",
    ] {
        let parsed = parse(words).unwrap();
        let text = serde_json::to_string(&parsed).unwrap();
        assert_eq!(
            serde_json::from_str::<Change>(&text).unwrap(),
            parsed,
            "{text}"
        );
    }
}

#[test]
fn a_fault_rule_is_read_with_all_its_parts() {
    let rule = FaultRule {
        method: Some("PUT".to_owned()),
        path: Some("dicomservices".to_owned()),
        skip: 1,
        times: Some(2),
        answer: FaultAnswer::Delay { milliseconds: 1500 },
    };
    assert_eq!(
        parse("faults PUT dicomservices delay 1500 skip 1 times 2"),
        Ok(Change::Fault(rule))
    );
}

#[test]
fn changes_of_what_is_not_there_say_what_there_is() {
    let cases = [
        ("key other/dicom-cmk disabled", "clinic-keys"),
        ("key clinic-keys/other disabled", "dicom-cmk"),
        (
            "key clinic-keys/dicom-cmk/0123 disabled",
            "the versions are",
        ),
        ("key clinic-keys/dicom-cmk recovered", "not deleted"),
        ("vault other deleted", "clinic-keys"),
        ("vault clinic-keys recovered", "no deleted vault"),
        ("identity other deleted", "radiology-identity"),
        ("identity other off", "imaging/clinic/radiology"),
        ("role-assignments other removed", "/subscriptions/"),
        (
            "role-assignments clinic-keys added operator Boss",
            "Key Vault Reader",
        ),
        ("deny-assignments other added", "/subscriptions/"),
        ("service radiology key http://x", "https://<vault>"),
    ];
    for (words, help) in cases {
        let mut rig = Rig::new();
        let change = parse(words).unwrap();
        let error = rig.azure.apply(&change, rig.now).unwrap_err().to_string();
        assert!(error.contains(help), "{words}: {error}");
    }
}

#[test]
fn somebody_elses_hand_on_the_service_shows() {
    let mut rig = Rig::encrypted();
    let before = rig.get(&Rig::service()).text("/etag").to_owned();
    rig.set("service clinic/radiology key https://clinic-keys.vault.azure.net/keys/other/0123");
    let service = rig.get(&Rig::service());
    assert!(service.text(KEY).ends_with("/other/0123"));
    assert_ne!(service.text("/etag"), before);
    rig.pass(60);
    assert_eq!(rig.data_plane(), 500);
    rig.set("service radiology key removed");
    rig.set("service radiology tags owner=me");
    let left = rig.get(&Rig::service());
    assert_eq!(
        (left.text(KEY), left.at("/tags")),
        ("", &json!({ "owner": "me" }))
    );
    assert_eq!(rig.data_plane(), 200);
    rig.set("service radiology deleted");
    assert_eq!(rig.get(&Rig::service()).status, 404);
}
