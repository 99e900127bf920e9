//! Who is there, who acts, and who is to be called.

use serde_json::json;

use super::*;

fn object(name: &str, age: i64, uid: &str, mode: &str) -> DicomEncryption {
    let created = Timestamp::from_second(1_800_000_000 - age)
        .unwrap()
        .to_string();
    serde_json::from_value(json!({
        "apiVersion": "dicomenc.io/v1alpha1", "kind": "DicomEncryption",
        "metadata": { "name": name, "namespace": "imaging", "uid": uid, "creationTimestamp": created },
        "spec": {
            "dicomServiceId": if age > 50 { "/SUBSCRIPTIONS/a" } else { "/subscriptions/A" },
            "identity": { "type": "SystemAssigned" },
            "key": { "vaultId": "/v", "name": "k" },
            "mode": mode,
        },
    }))
    .unwrap()
}

fn roster(objects: &[&DicomEncryption]) -> Roster {
    let roster = Roster::default();
    for object in objects {
        roster.note(&Event::Apply((*object).clone()));
    }
    roster
}

fn names(objects: &[ObjectRef<DicomEncryption>]) -> Vec<&str> {
    objects.iter().map(|object| object.name.as_str()).collect()
}

#[test]
fn the_older_object_acts_and_the_other_one_names_it() {
    let old = object("old", 100, "b", "Manage");
    let young = object("young", 10, "a", "Manage");
    let roster = roster(&[&young, &old]);
    assert_eq!(roster.rival(&old), None);
    assert_eq!(roster.rival(&young), Some("imaging/old".to_owned()));
}

#[test]
fn of_two_of_the_same_age_the_smaller_uid_acts() {
    let first = object("first", 10, "a", "Manage");
    let second = object("second", 10, "b", "Manage");
    let roster = roster(&[&second, &first]);
    assert_eq!(roster.rival(&first), None);
    assert_eq!(roster.rival(&second), Some("imaging/first".to_owned()));
}

#[test]
fn an_observer_is_nobodys_rival_and_neither_is_what_is_being_deleted() {
    let observer = object("old", 100, "a", "Observe");
    let mut going = object("going", 90, "c", "Manage");
    going.metadata.deletion_timestamp = going.metadata.creation_timestamp.clone();
    let young = object("young", 10, "b", "Manage");
    let roster = roster(&[&young, &observer, &going]);
    assert_eq!(roster.rival(&observer), None);
    assert_eq!(roster.rival(&young), None);
}

#[test]
fn what_changes_or_goes_calls_the_others_that_name_its_service() {
    let (old, young) = (
        object("old", 100, "a", "Manage"),
        object("young", 10, "b", "Manage"),
    );
    let roster = roster(&[&old]);
    assert_eq!(
        names(&roster.note(&Event::Apply(young.clone())).namesakes),
        ["old"]
    );
    let noted = roster.note(&Event::Delete(old));
    assert_eq!(names(&noted.namesakes), ["young"]);
    assert_eq!(noted.gone.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(roster.rival(&young), None);
    assert_eq!(roster.find("a"), None);
    assert_eq!(roster.find("b").unwrap().name, "young");
}

#[test]
fn an_object_that_was_made_anew_for_another_service_leaves_the_first_one() {
    let old = object("old", 100, "a", "Manage");
    let young = object("young", 10, "b", "Manage");
    let roster = roster(&[&old, &young]);
    let mut moved = old;
    moved.spec.dicom_service_id = "/subscriptions/other".to_owned();
    roster.note(&Event::Apply(moved));
    assert_eq!(roster.rival(&young), None);
}

#[test]
fn what_a_new_list_leaves_out_is_gone() {
    let (old, young) = (
        object("old", 100, "a", "Manage"),
        object("young", 10, "b", "Manage"),
    );
    let roster = roster(&[&old, &young]);
    roster.note(&Event::Init);
    assert_eq!(
        roster.note(&Event::InitApply(young.clone())),
        Noted::default()
    );
    let noted = roster.note(&Event::InitDone);
    assert_eq!(noted.gone.keys().collect::<Vec<_>>(), ["a"]);
    assert_eq!(names(&noted.namesakes), ["young"]);
    assert_eq!(roster.rival(&young), None);
}
