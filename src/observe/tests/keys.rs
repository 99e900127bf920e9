//! Keys at their vault, and through Azure Resource Manager where the vault is closed to us.

use k8s_openapi::jiff::Timestamp;

use super::world::forbidden;
use super::*;
use crate::domain::{
    fact::Fact,
    observed::{DeletedKey, KeySource, KeyVersionFacts},
};

const VERSION: &str = "0123456789abcdef0123456789abcdef";

/// A place below the key of a vault, at its own host.
fn place(vault: &VaultId, path: &str) -> String {
    format!("{}.vault.azure.net/{path}", vault.name())
}

fn versions(vault: &VaultId) -> String {
    place(vault, "keys/dicom-cmk/versions")
}

fn bundle_place(vault: &VaultId) -> String {
    place(vault, &format!("keys/dicom-cmk/{VERSION}"))
}

fn row(vault: &VaultId, attributes: &serde_json::Value) -> serde_json::Value {
    json!({"kid": format!("https://{}", bundle_place(vault)), "attributes": attributes})
}

fn bundle(vault: &VaultId, attributes: &serde_json::Value) -> serde_json::Value {
    let kid = format!("https://{}", bundle_place(vault));
    json!({"attributes": attributes, "key": {
        "kid": kid, "kty": "RSA", "key_ops": ["wrapKey", "unwrapKey"],
        // 256 bytes
        "n": "z".repeat(342),
    }})
}

fn good() -> serde_json::Value {
    json!({"enabled": true, "updated": 100, "recoveryLevel": "Recoverable"})
}

fn gone() -> Reply {
    Reply::Status(404, error("KeyNotFound", "not there"))
}

/// Opens the host of a vault to us.
pub(super) fn open(world: &World, vault: &VaultId) {
    let azure = &world.azure;
    azure.json(&versions(vault), list(&[row(vault, &good())]));
    azure.json(&bundle_place(vault), bundle(vault, &good()));
    azure.put(&place(vault, "deletedkeys/dicom-cmk"), gone());
}

fn disable(world: &World, vault: &VaultId) {
    let attributes = json!({"enabled": false, "updated": 200, "recoveryLevel": "Recoverable"});
    let azure = &world.azure;
    azure.json(&versions(vault), list(&[row(vault, &attributes)]));
    azure.put(&bundle_place(vault), forbidden("KeyDisabled"));
}

fn key_wants(vault: &VaultId) -> [Want; 3] {
    let name = || "dicom-cmk".parse().unwrap();
    [
        Want::Version(vault.clone(), key_url(vault)),
        Want::Listing(vault.clone(), name()),
        Want::DeletedKey(vault.clone(), name()),
    ]
}

/// One object whose key is read at its vault.
async fn direct() -> (World, VaultId) {
    let vault = vault("clinic-keys");
    let mut world = World::new().sweeping();
    let objects = [(service("clinic", "radiology"), vault.clone())];
    world.estate(&objects);
    open(&world, &vault);
    let wants = key_wants(&vault).into_iter().collect();
    world.observer.watch(&uid(1), &wants);
    world.pass(2).await;
    world.azure.asked();
    world.azure.asked_elsewhere();
    (world, vault)
}

fn version(world: &World, vault: &VaultId) -> Fact<Value> {
    world.fact(&key_wants(vault)[0])
}

fn facts(world: &World, vault: &VaultId) -> KeyVersionFacts {
    let fact = version(world, vault);
    fact.last_value().and_then(Value::version).unwrap()
}

fn source(world: &World, vault: &VaultId) -> Option<KeySource> {
    let wants = key_wants(vault).into_iter().collect();
    let desired = desired(&service("clinic", "radiology"), vault);
    let observed = world.observer.observed(&desired, &wants);
    observed.key_sources.get(vault).cloned()
}

fn is_absent(world: &World, want: &Want) -> bool {
    matches!(world.fact(want).seen, Seen::Absent { .. })
}

#[tokio::test(start_paused = true)]
async fn a_key_is_read_at_its_vault_where_that_lets_us_and_arm_is_not_asked() {
    let (mut world, vault) = direct().await;
    assert_eq!(source(&world, &vault), Some(KeySource::VaultDataPlane));
    let read = facts(&world, &vault);
    assert_eq!((read.key_type.as_str(), read.size), ("RSA", Some(2048)));
    assert_eq!(read.operations, ["wrapKey", "unwrapKey"]);
    assert!(read.attributes.enabled);
    assert_eq!(read.attributes.purgeable, Some(false));
    assert_eq!(version(&world, &vault).interval.as_secs(), 10);
    assert!(is_absent(&world, &key_wants(&vault)[2]));

    assert_eq!(world.pass(100).await, Vec::<String>::new());
    assert_eq!(world.azure.asked(), Vec::<String>::new());
    let asked = world.azure.asked_elsewhere();
    assert!((9..=11).contains(&asked.len()), "{asked:?}");
    assert!(asked.iter().all(|place| *place == versions(&vault)));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_disabled_is_seen_within_the_interval_of_vaults() {
    let (mut world, vault) = direct().await;
    disable(&world, &vault);
    assert_eq!(world.pass(11).await, [uid(1)]);
    let read = facts(&world, &vault);
    assert!(!read.attributes.enabled);
    // what the list leaves out is still known
    assert_eq!((read.key_type.as_str(), read.size), ("RSA", Some(2048)));
    assert_eq!(world.azure.asked(), Vec::<String>::new());
    open(&world, &vault);
    assert_eq!(world.pass(11).await, [uid(1)]);
    assert!(facts(&world, &vault).attributes.enabled);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_never_seen_enabled_gets_its_details_through_arm() {
    let vault = vault("clinic-keys");
    let mut world = World::new().sweeping();
    world.estate(&[(service("clinic", "radiology"), vault.clone())]);
    disable(&world, &vault);
    let wants = key_wants(&vault).into_iter().collect();
    world.observer.watch(&uid(1), &wants);
    assert_eq!(world.pass(2).await, [uid(1)]);
    let read = facts(&world, &vault);
    assert_eq!((read.attributes.enabled, read.size), (false, Some(2048)));
    assert_eq!(world.azure.count(&version_path(&vault)), 1);
    world.azure.asked();
    world.pass(100).await;
    assert_eq!(world.azure.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_lists_leave_out_is_read_again_after_a_change_and_every_five_minutes() {
    let (mut world, vault) = direct().await;
    let reads = |of: &World| {
        let asked = of.azure.asked_elsewhere();
        let place = bundle_place(&vault);
        asked.into_iter().filter(|asked| *asked == place).count()
    };
    let changed = json!({"enabled": true, "updated": 300});
    let mut without = bundle(&vault, &changed);
    without["key"]["key_ops"] = json!(["wrapKey"]);
    world
        .azure
        .json(&versions(&vault), list(&[row(&vault, &changed)]));
    world.azure.json(&bundle_place(&vault), without);
    assert_eq!(world.pass(11).await, [uid(1)]);
    assert_eq!(facts(&world, &vault).operations, ["wrapKey"]);
    assert_eq!(reads(&world), 1);
    world.pass(280).await;
    assert_eq!(reads(&world), 0);
    world.pass(30).await;
    assert_eq!(reads(&world), 1);
}

#[tokio::test(start_paused = true)]
async fn a_closed_firewall_sends_us_to_arm_with_its_reason_and_the_vault_is_tried_again() {
    let (mut world, vault) = direct().await;
    world
        .azure
        .put(&versions(&vault), forbidden("ForbiddenByFirewall"));
    // where a key is read is told to those who want it
    assert_eq!(world.pass(11).await, [uid(1)]);
    match source(&world, &vault) {
        Some(KeySource::ControlPlane { why }) => {
            assert!(why.contains("ForbiddenByFirewall"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    let fact = version(&world, &vault);
    assert!(matches!(fact.seen, Seen::Present { .. }));
    assert_eq!(fact.interval.as_secs(), 60);
    // ARM shows no deleted keys
    let deletion = world.fact(&key_wants(&vault)[2]).seen;
    assert!(matches!(deletion, Seen::Refused { .. }), "{deletion:?}");

    world.azure.asked();
    world.azure.asked_elsewhere();
    world.pass(240).await;
    assert_eq!(world.azure.asked_elsewhere(), Vec::<String>::new());
    let looks = world.azure.count(&version_path(&vault));
    assert!((3..=5).contains(&looks), "{looks}");
    world
        .azure
        .json(&version_path(&vault), version_json(&vault, false));
    assert_eq!(world.pass(62).await, [uid(1)]);
    world
        .azure
        .json(&version_path(&vault), version_json(&vault, true));

    open(&world, &vault);
    world.pass(120).await;
    assert_eq!(source(&world, &vault), Some(KeySource::VaultDataPlane));
    assert_eq!(version(&world, &vault).interval.as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_refuses_does_not_say_anything_about_the_key() {
    for reply in [
        forbidden("ForbiddenByRbac"),
        forbidden("AccessDenied"),
        Reply::Status(401, error("Unauthorized", "who")),
        Reply::Status(404, error("VaultNotFound", "no vault")),
        Reply::Status(404, json!("a page of a proxy")),
        Reply::Status(503, json!({})),
        Reply::Json(json!({"value": "no list"})),
        Reply::Silence,
    ] {
        let (mut world, vault) = direct().await;
        world.azure.put(&versions(&vault), reply.clone());
        for _ in 0..12 {
            world.pass(5).await;
            let now = world.clock.now();
            let fact = version(&world, &vault);
            assert!(fact.value(now).is_some(), "{reply:?} {fact:?}");
        }
        assert!(
            matches!(source(&world, &vault), Some(KeySource::ControlPlane { .. })),
            "{reply:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn one_failure_of_a_vault_is_no_reason_to_leave_it() {
    let (mut world, vault) = direct().await;
    let fails = Reply::Status(503, json!({}));
    world.azure.once(&versions(&vault), fails);
    assert_eq!(world.pass(25).await, Vec::<String>::new());
    assert_eq!(source(&world, &vault), Some(KeySource::VaultDataPlane));
    assert_eq!(world.azure.asked(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn one_404_of_a_key_is_no_absence() {
    let (mut world, vault) = direct().await;
    world.azure.once(&versions(&vault), gone());
    assert_eq!(world.pass(11).await, Vec::<String>::new());
    assert!(facts(&world, &vault).attributes.enabled);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_key_is_gone_with_the_days_that_are_left_and_comes_back() {
    let (mut world, vault) = direct().await;
    let [version, listing, deletion] = key_wants(&vault);
    world.azure.put(&versions(&vault), gone());
    world.azure.put(&bundle_place(&vault), gone());
    let mut shown = bundle(&vault, &good());
    shown["deletedDate"] = json!(1_000);
    shown["scheduledPurgeDate"] = json!(2_000);
    world
        .azure
        .json(&place(&vault, "deletedkeys/dicom-cmk"), shown);
    assert_eq!(world.pass(12).await, [uid(1)]);
    assert!(is_absent(&world, &version) && is_absent(&world, &listing));
    let read = world.fact(&deletion);
    let expected = DeletedKey {
        deleted_at: Timestamp::from_second(1_000).ok(),
        purge_at: Timestamp::from_second(2_000).ok(),
    };
    assert_eq!(
        read.last_value().and_then(Value::deleted_key),
        Some(expected)
    );
    // it goes on being absent, and ARM is not asked
    assert_eq!(world.pass(60).await, Vec::<String>::new());
    assert_eq!(world.azure.asked(), Vec::<String>::new());

    open(&world, &vault);
    assert_eq!(world.pass(12).await, [uid(1)]);
    assert!(facts(&world, &vault).attributes.enabled);
    assert!(is_absent(&world, &deletion));
}

#[tokio::test(start_paused = true)]
async fn a_purged_key_leaves_nothing() {
    let (mut world, vault) = direct().await;
    let [version, _, deletion] = key_wants(&vault);
    world.azure.put(&versions(&vault), gone());
    assert_eq!(world.pass(12).await, [uid(1)]);
    assert!(is_absent(&world, &version) && is_absent(&world, &deletion));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_gone_is_not_called_purged_while_its_deletion_cannot_be_read() {
    for reply in [forbidden("ForbiddenByRbac"), Reply::Status(500, json!({}))] {
        let (mut world, vault) = direct().await;
        let [version, _, deletion] = key_wants(&vault);
        world.azure.put(&versions(&vault), gone());
        world
            .azure
            .put(&place(&vault, "deletedkeys/dicom-cmk"), reply);
        world.pass(12).await;
        assert!(is_absent(&world, &version));
        let seen = world.fact(&deletion).seen;
        assert!(matches!(seen, Seen::Refused { .. }), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_a_list_leaves_out_is_gone_only_if_a_direct_look_says_so_too() {
    let (mut world, vault) = direct().await;
    let mut other = row(&vault, &good());
    other["kid"] = json!(
        other["kid"]
            .as_str()
            .unwrap()
            .replace(VERSION, &"f".repeat(32))
    );
    world.azure.json(&versions(&vault), list(&[other]));
    // the list is another one, and the version is still there
    assert_eq!(world.pass(25).await, [uid(1)]);
    assert!(matches!(version(&world, &vault).seen, Seen::Present { .. }));
    world.azure.put(&bundle_place(&vault), gone());
    assert_eq!(world.pass(11).await, [uid(1)]);
    let [version, listing, deletion] = key_wants(&vault);
    assert!(is_absent(&world, &version) && is_absent(&world, &deletion));
    assert!(is_present(&world, &listing));
}

#[tokio::test(start_paused = true)]
async fn a_probe_reads_a_key_at_its_vault_anew_with_its_details() {
    let (world, vault) = direct().await;
    let wants = key_wants(&vault).into_iter().collect();
    world
        .observer
        .probe(&wants, k8s_openapi::jiff::SignedDuration::ZERO)
        .await;
    let asked = world.azure.asked_elsewhere();
    assert!(asked.contains(&bundle_place(&vault)), "{asked:?}");
    assert!(asked.len() <= 4, "{asked:?}");
    assert_eq!(world.azure.asked(), Vec::<String>::new());
}

/// Twenty keys in each of two vaults, each read at its vault.
#[tokio::test(start_paused = true)]
async fn twenty_keys_in_a_vault_are_read_every_ten_seconds_within_one_percent_of_its_limit() {
    let mut world = World::new().sweeping();
    for (number, holder) in [vault("clinic-keys"), vault("heart-keys")]
        .iter()
        .enumerate()
    {
        let mut wants = BTreeSet::new();
        for key in 0..20 {
            let url = key_url(holder).to_string();
            let path = url.replace("dicom-cmk", &format!("key-{key}"));
            let bare = path.strip_prefix("https://").unwrap().to_owned();
            let list_path = bare.replace(VERSION, "versions");
            let shown = json!({"kid": path, "attributes": good()});
            world.azure.json(&list_path, list(&[shown]));
            world.azure.json(&bare, bundle(holder, &good()));
            wants.insert(Want::Version(holder.clone(), path.parse().unwrap()));
        }
        world.observer.watch(&uid(number), &wants);
    }
    world.pass(30).await;
    assert_eq!(world.azure.asked(), Vec::<String>::new());
    world.azure.asked_elsewhere();
    for _ in 0..90 {
        world.pass(10).await;
        let asked = world.azure.asked_elsewhere();
        let of = |host: &str| asked.iter().filter(|place| place.starts_with(host)).count();
        for host in ["clinic-keys.", "heart-keys."] {
            assert!((18..=40).contains(&of(host)), "{host} {}", of(host));
        }
    }
    let reading = world.observer.key_reading();
    assert_eq!((reading.vaults_direct, reading.vaults_through_arm), (2, 0));
    assert_eq!(reading.interval_direct.map(|pace| pace.as_secs()), Some(10));
}
