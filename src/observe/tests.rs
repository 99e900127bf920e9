//! The observer at work on a small Azure, in virtual time.

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use self::{
    estate::{
        ENCRYPTION_USER, SUBSCRIPTION, TENANT, assignment_id, assignment_json, assignments_path,
        current_path, denials_path, desired, error, group_health_path, health_json, health_path,
        key_url, list, service, service_json, uid, vault, vault_json, vaults_path, version_json,
        version_path, wants, workspace_list,
    },
    world::{Reply, World},
};
use super::value::Value;
use crate::{
    azure::{DicomServiceId, VaultId},
    domain::{
        fact::{Seen, TroubleKind},
        observed::{Attached, Health},
        wants::Want,
    },
};

mod absences;
mod canary;
mod cost;
mod estate;
mod keys;
mod lists;
mod numbers;
mod probes;
mod thrift;
mod troubles;
mod world;

fn two_objects() -> Vec<(DicomServiceId, VaultId)> {
    vec![
        (service("clinic", "radiology"), vault("clinic-keys")),
        (service("clinic", "cardiology"), vault("heart-keys")),
    ]
}

fn is_present(world: &World, want: &Want) -> bool {
    matches!(world.fact(want).seen, Seen::Present { .. })
}

fn health_of(world: &World, service: &DicomServiceId) -> Health {
    let fact = world.fact(&Want::Health(service.clone()));
    fact.last_value().and_then(Value::health).unwrap()
}

fn assignments_of(world: &World, vault: &VaultId) -> usize {
    let fact = world.fact(&Want::Assignments(vault.clone()));
    fact.last_value()
        .and_then(Value::assignments)
        .unwrap()
        .len()
}

/// What is said of the roles that are assigned at an object's vault.
fn key_use(world: &World, (service, vault): &(DicomServiceId, VaultId)) -> Vec<Option<bool>> {
    let wants = wants(service, vault).into_iter().collect();
    let observed = world.observer.observed(&desired(service, vault), &wants);
    let rows = observed.assignments[vault].last_value().unwrap();
    rows.iter().map(|row| row.gives_key_use).collect()
}

/// How old the sweeps of one kind are, in seconds.
fn age(world: &World, kind: &str) -> i64 {
    let ages = world.observer.sweeps();
    let found = ages.iter().find(|age| age.kind == kind);
    found.unwrap().oldest.as_secs()
}

/// A world that has read everything once, and has said so.
async fn settled(objects: &[(DicomServiceId, VaultId)]) -> World {
    let mut world = World::new().sweeping();
    world.estate(objects);
    world.watch(objects);
    world.pass(2).await;
    world.azure.asked();
    world
}

#[tokio::test(start_paused = true)]
async fn what_an_object_wants_is_read_at_once_and_the_object_is_called() {
    let objects = two_objects();
    let mut world = World::new().sweeping();
    world.estate(&objects);
    world.watch(&objects);
    assert_eq!(world.pass(1).await, [uid(1), uid(2)]);
    for (service, vault) in &objects {
        for want in wants(service, vault) {
            assert!(is_present(&world, &want), "{want:?}");
        }
    }
    // one list serves both objects
    for path in [
        assignments_path(),
        vaults_path(),
        health_path(),
        workspace_list(&objects[0].0),
    ] {
        assert_eq!(world.azure.count(&path), 1, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_time_alone_calls_nobody() {
    let mut world = settled(&two_objects()).await;
    let before = world.fact(&Want::Tenant(SUBSCRIPTION)).at();
    assert_eq!(world.pass(3_600).await, Vec::<String>::new());
    assert!(world.fact(&Want::Tenant(SUBSCRIPTION)).at() > before);
}

#[tokio::test(start_paused = true)]
async fn a_changed_service_calls_its_object_and_no_other() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    let rows = [
        service_json(&objects[0].0, 1),
        service_json(&objects[1].0, 77),
    ];
    world
        .azure
        .json(&workspace_list(&objects[0].0), list(&rows));
    assert_eq!(world.pass(122).await, [uid(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_disabled_key_calls_all_objects_that_use_it() {
    let shared = vault("clinic-keys");
    let objects = vec![
        (service("clinic", "radiology"), shared.clone()),
        (service("clinic", "cardiology"), shared.clone()),
        (service("clinic", "oncology"), vault("other-keys")),
    ];
    let mut world = settled(&objects).await;
    world
        .azure
        .json(&version_path(&shared), version_json(&shared, false));
    assert_eq!(world.pass(62).await, [uid(1), uid(2)]);
}

#[tokio::test(start_paused = true)]
async fn a_changed_role_assignment_calls_the_object_whose_identity_has_it() {
    let shared = vault("clinic-keys");
    let objects = vec![
        (service("clinic", "radiology"), shared.clone()),
        (service("clinic", "cardiology"), shared.clone()),
    ];
    let mut world = settled(&objects).await;
    let scope = shared.to_string();
    let mut rows = vec![
        assignment_json(&scope, 1, 1, ENCRYPTION_USER),
        assignment_json(&scope, 2, 2, ENCRYPTION_USER),
        assignment_json(&scope, 3, 2, "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"),
    ];
    world.azure.json(&assignments_path(), list(&rows));
    assert_eq!(world.pass(62).await, [uid(2)]);
    // of no interest to anybody
    rows.push(assignment_json(&scope, 4, 999, ENCRYPTION_USER));
    world.azure.json(&assignments_path(), list(&rows));
    assert_eq!(world.pass(62).await, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_custom_role_is_read_and_a_change_of_it_calls_its_holder() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    let role = "00000000-0000-0000-0000-0000000000aa";
    let scope = objects[0].1.to_string();
    let path = format!(
        "/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"
    );
    let definition = |actions: &[&str]| json!({"id": path, "properties": {"permissions": [{"dataActions": actions}]}});
    world
        .azure
        .json(&path, definition(&["Microsoft.KeyVault/vaults/keys/*"]));
    let rows = [
        assignment_json(&scope, 1, 1, ENCRYPTION_USER),
        assignment_json(&scope, 2, 1, role),
        // a principal that is nobody's: its role is not read
        assignment_json(&scope, 3, 500, "00000000-0000-0000-0000-0000000000bb"),
    ];
    world.azure.json(&assignments_path(), list(&rows));
    assert_eq!(world.pass(62).await, [uid(1)]);
    assert_eq!(key_use(&world, &objects[0]), [Some(true), Some(true), None]);
    let asked = world.azure.asked();
    let names_role = |asked_for: &&String| asked_for.contains("roledefinitions");
    assert_eq!(asked.iter().filter(names_role).count(), 1);

    let reader = definition(&["Microsoft.KeyVault/vaults/keys/read"]);
    world.azure.json(&path, reader);
    assert_eq!(world.pass(331).await, [uid(1)]);
    assert_eq!(
        key_use(&world, &objects[0]),
        [Some(true), Some(false), None]
    );

    world.azure.remove(&path);
    assert_eq!(world.pass(331).await, [uid(1)]);
    assert_eq!(
        key_use(&world, &objects[0]),
        [Some(true), Some(false), None]
    );
}

#[tokio::test(start_paused = true)]
async fn all_that_was_read_is_put_together_for_an_object() {
    let objects = two_objects();
    let world = settled(&objects).await;
    let (service, vault) = &objects[1];
    let all = wants(service, vault).into_iter().collect();
    let observed = world.observer.observed(&desired(service, vault), &all);
    let now = world.clock.now();
    assert_eq!(observed.tenant.value(now), Some(&TENANT));
    assert_eq!(observed.tenant.interval.as_secs(), 300);
    let principal = Uuid::from_u128(2);
    let read = observed
        .service
        .value(now)
        .map(|read| read.identity.clone());
    assert_eq!(read, Some(Attached::System { principal }));
    assert_eq!(observed.service.interval.as_secs(), 120);
    assert_eq!(observed.health.interval.as_secs(), 30);
    assert_eq!(observed.identity, None);
    assert!(observed.vaults[vault].value(now).is_some());
    assert!(observed.versions[&key_url(vault)].value(now).is_some());
    let key = (vault.clone(), "dicom-cmk".parse().unwrap());
    assert_eq!(observed.listings[&key].value(now).map(Vec::len), Some(1));
    let rows = observed.assignments[vault].value(now).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].age.map(|age| age.as_secs()), Some(3_600));
    assert!(observed.health.value(now).is_some());
    // what nobody watches is unread, not absent
    let other = estate::vault("other-keys");
    let nobody = BTreeSet::from([Want::Vault(other.clone())]);
    let unread = world.observer.observed(&desired(service, &other), &nobody);
    assert_eq!(unread.vaults[&other].seen, Seen::Unread);
    assert!(unread.listings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_two_objects_want_is_read_until_the_last_of_them_is_gone() {
    let shared = vault("clinic-keys");
    let objects = vec![
        (service("clinic", "radiology"), shared.clone()),
        (service("clinic", "cardiology"), shared.clone()),
    ];
    let mut world = settled(&objects).await;
    world.observer.forget(&uid(1));
    world.pass(120).await;
    assert!(world.azure.count(&vaults_path()) >= 1);
    world
        .observer
        .watch(&uid(2), &BTreeSet::from([Want::Tenant(SUBSCRIPTION)]));
    world.azure.asked();
    world.pass(600).await;
    let tenant = format!("/subscriptions/{SUBSCRIPTION}");
    let asked: BTreeSet<String> = world.azure.asked().into_iter().collect();
    assert_eq!(asked, BTreeSet::from([tenant]));
    world.observer.forget(&uid(2));
    world.pass(3_600).await;
    assert_eq!(world.azure.asked(), Vec::<String>::new());
    assert_eq!(world.observer.sweeps(), []);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_the_sweeps_is_told_by_kind_and_grows_when_azure_is_silent() {
    let objects = two_objects();
    let mut world = settled(&objects).await;
    world.pass(600).await;
    assert!(age(&world, "vaults") <= 66);
    world.azure.put(&vaults_path(), Reply::Silence);
    world.pass(300).await;
    assert!(age(&world, "vaults") >= 300);
    assert!(age(&world, "keys") <= 66);
}

#[tokio::test(start_paused = true)]
async fn the_sweeps_end_when_they_are_told_to() {
    let mut world = settled(&two_objects()).await;
    world.end();
    world.pass(600).await;
    assert_eq!(world.azure.asked(), Vec::<String>::new());
}
