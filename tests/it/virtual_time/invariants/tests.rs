//! A checker that catches nothing proves nothing: each rule is broken on purpose in a forged list.

use std::time::Duration;

use http::Method;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{busiest_minute, unquiet, violations};
use crate::virtual_time::estate::{IDENTITY, SERVICE, VAULT, clinic, object, object_with};
use crate::virtual_time::rig::{Rig, Settings};
use crate::virtual_time::trace::{AzureCall, Entry, KubeCall, Truth, What};

const CMK: &str = "/properties/encryption/customerManagedKeyEncryption/keyEncryptionKeyUrl";

/// So long that the last change of the world is no evidence any more when the key is set.
const PROPAGATION_WAIT: SignedDuration = SignedDuration::from_secs(90);

/// A sound list, from a run.
async fn sound() -> Vec<Entry> {
    let identity = json!({ "type": "UserAssigned", "userAssignedIdentityId": IDENTITY });
    let object = object_with("radiology", &json!({ "identity": identity }));
    let mut settings = Settings::brisk();
    settings.propagation_wait = PROPAGATION_WAIT;
    let rig = Rig::with_objects(clinic(), settings, &[object]);
    rig.until_ready("radiology", Duration::from_mins(5)).await;
    rig.since(0)
}

fn broken(trace: &[Entry]) -> Vec<String> {
    violations(trace, PROPAGATION_WAIT)
}

fn azure_call(entry: &mut Entry) -> Option<&mut AzureCall> {
    match &mut entry.what {
        What::Azure(call) => Some(call),
        What::Kube(_) | What::Changed(..) => None,
    }
}

/// The call of this kind.
fn written(trace: &mut [Entry], wanted: impl Fn(&AzureCall) -> bool) -> &mut AzureCall {
    let mut calls = trace.iter_mut().filter_map(azure_call);
    calls.find(|call| call.is_write() && wanted(call)).unwrap()
}

fn put(trace: &mut [Entry]) -> &mut AzureCall {
    written(trace, |call| {
        call.is_of_service() && call.method == Method::PUT
    })
}

fn grant(trace: &mut [Entry]) -> &mut AzureCall {
    written(trace, AzureCall::is_of_assignment)
}

fn truth(call: &mut AzureCall) -> &mut Truth {
    call.truth.as_mut().unwrap()
}

/// Sets a value in all rows of a table of the estate.
fn all(truth: &mut Truth, table: &str, place: &str, value: &Value) {
    for row in truth.estate[table].as_array_mut().unwrap() {
        *row.pointer_mut(place).unwrap() = value.clone();
    }
}

/// The rule, what is wrong, and how to make it so.
type Forgery = (&'static str, &'static str, fn(&mut Vec<Entry>));

fn caught(sound: &[Entry], forgeries: &[Forgery]) {
    assert_eq!(broken(sound), Vec::<String>::new());
    for (rule, what, forge) in forgeries {
        let mut forged = sound.to_vec();
        forge(&mut forged);
        let found = broken(&forged);
        assert!(
            found.iter().any(|words| words.starts_with(rule)),
            "{rule} is not caught when {what}: {found:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_broken_precondition_of_a_key_is_caught() {
    caught(
        &sound().await,
        &[
            ("I1", "the identity is gone", |trace| {
                all(truth(put(trace)), "services", "/principal", &Value::Null);
            }),
            ("I1", "the key is disabled", |trace| {
                let place = "/keys/0/versions/0/attributes/enabled";
                all(truth(put(trace)), "vaults", place, &json!(false));
            }),
            ("I1", "the key expires tomorrow", |trace| {
                let place = "/keys/0/versions/0/attributes";
                let soon = json!({ "enabled": true, "exp": 1_772_438_400 });
                all(truth(put(trace)), "vaults", place, &soon);
            }),
            ("I1", "the key is deleted", |trace| {
                let place = "/keys/0/deleted";
                all(truth(put(trace)), "vaults", place, &json!("2026-01-01"));
            }),
            ("I1", "the key is EC", |trace| {
                let place = "/keys/0/versions/0/type";
                all(truth(put(trace)), "vaults", place, &json!("EC"));
            }),
            ("I1", "the key has 4096 bits", |trace| {
                let place = "/keys/0/versions/0/size";
                all(truth(put(trace)), "vaults", place, &json!(4096));
            }),
            ("I1", "the key may not unwrap", |trace| {
                let place = "/keys/0/versions/0/operations";
                all(truth(put(trace)), "vaults", place, &json!(["wrapKey"]));
            }),
            ("I1", "purge protection is off", |trace| {
                let place = "/purgeProtection";
                all(truth(put(trace)), "vaults", place, &json!(false));
            }),
            ("I1", "soft delete is off", |trace| {
                all(truth(put(trace)), "vaults", "/softDelete", &json!(false));
            }),
            ("I1", "the vault is in another tenant", |trace| {
                all(truth(put(trace)), "vaults", "/tenant", &json!("other"));
            }),
            ("I1", "the firewall is closed", |trace| {
                let place = "/trustedServicesPass";
                all(truth(put(trace)), "vaults", place, &json!(false));
            }),
            ("I1", "the vault has access policies", |trace| {
                all(truth(put(trace)), "vaults", "/rbac", &json!(false));
            }),
            ("I1", "the grant is another's", |trace| {
                let place = "/principal";
                all(truth(put(trace)), "roleAssignments", place, &json!("x"));
            }),
            ("I1", "the grant is too young", |trace| {
                let young = json!("2026-03-01T08:00:30Z");
                all(truth(put(trace)), "roleAssignments", "/created", &young);
            }),
            ("I1", "the grant is not in effect", |trace| {
                let place = "/inEffect";
                all(truth(put(trace)), "roleAssignments", place, &json!(false));
            }),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn each_careless_write_to_a_service_is_caught() {
    caught(
        &sound().await,
        &[
            ("I4", "the version is not on record", |trace| {
                for object in &mut truth(put(trace)).objects {
                    object["status"]["keyVersions"].take();
                }
            }),
            ("I5", "a property is lost", |trace| {
                let properties = put(trace).body["properties"].as_object_mut();
                properties.unwrap().shift_remove("corsConfiguration");
            }),
            ("I5", "a number is rounded", |trace| {
                put(trace).body["properties"]["notYetInvented"]["factor"] = json!(1.1);
            }),
            ("I5", "a tag is added", |trace| {
                put(trace).body["tags"]["ours"] = json!("yes");
            }),
            ("I6", "the identity is dropped", |trace| {
                put(trace).body["identity"] = json!({ "type": "None" });
            }),
            ("I6", "an attached identity is nulled", |trace| {
                put(trace).body["identity"]["userAssignedIdentities"][IDENTITY].take();
            }),
            ("I7", "the key is emptied", |trace| {
                *put(trace).body.pointer_mut(CMK).unwrap() = json!("");
            }),
            ("I7", "the encryption is left out", |trace| {
                let properties = put(trace).body["properties"].as_object_mut();
                properties.unwrap().shift_remove("encryption");
            }),
            ("I8", "the read is three seconds old", |trace| {
                let place = trace
                    .iter()
                    .rposition(|entry| entry.azure().is_some_and(AzureCall::is_write));
                for entry in &mut trace[..place.unwrap()] {
                    entry.at -= SignedDuration::from_secs(3);
                }
            }),
            ("I8", "nothing was read", |trace| {
                trace.retain(|entry| {
                    entry
                        .azure()
                        .is_none_or(|call| call.is_write() || !call.is_of_service())
                });
            }),
            ("I9", "an operation runs", |trace| {
                let place = "/provisioningState";
                all(truth(put(trace)), "services", place, &json!("Updating"));
            }),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn each_wrong_assignment_is_caught() {
    caught(
        &sound().await,
        &[
            ("I10", "the type of the principal is left out", |trace| {
                grant(trace).body["properties"]["principalType"].take();
            }),
            ("I10", "the name is drawn", |trace| {
                let call = grant(trace);
                let (head, _) = call.url.split_once("/roleAssignments/").unwrap();
                let name = "1e7d09a1-7c7c-4d20-9ae9-0c2f6a3b7c55";
                call.url = format!("{head}/roleAssignments/{name}?api-version=2022-04-01");
            }),
            ("I10", "a second name is used", |trace| {
                let mut again = trace.clone();
                let call = grant(&mut again);
                let (head, _) = call.url.split_once("/roleAssignments/").unwrap();
                let name = "00000000-0000-5000-9000-000000000001";
                call.url = format!("{head}/roleAssignments/{name}?api-version=2022-04-01");
                trace.extend(again);
            }),
            ("I10", "it is a greater role", |trace| {
                let role = "/x/00482a5a-887f-4fb3-b363-3b7fe8e74483";
                grant(trace).body["properties"]["roleDefinitionId"] = json!(role);
            }),
            ("I11", "the principal is nobody's", |trace| {
                let who = json!("12121212-1212-1212-1212-121212121212");
                grant(trace).body["properties"]["principalId"] = who;
            }),
        ],
    );
}

#[tokio::test(start_paused = true)]
async fn each_write_on_nobodys_behalf_is_caught() {
    caught(
        &sound().await,
        &[
            ("I3", "something is deleted", |trace| {
                grant(trace).method = Method::DELETE;
            }),
            ("I3", "a vault is written", |trace| {
                let call = grant(trace);
                call.url = format!("https://management.azure.com{VAULT}?api-version=2026-02-01");
            }),
            ("I4", "a version is forgotten", |trace| {
                let patch = json!({ "metadata": { "uid": "u" }, "status": { "keyVersions": [{ "url": "a" }] } });
                for body in [patch, json!({ "metadata": { "uid": "u" }, "status": {} })] {
                    let entry = status_patch(trace[0].at, body);
                    trace.push(entry);
                }
            }),
            ("I12", "the object is suspended", |trace| {
                for object in &mut truth(put(trace)).objects {
                    object["spec"]["suspend"] = json!(true);
                }
            }),
            ("I12", "the object only observes", |trace| {
                for object in &mut truth(grant(trace)).objects {
                    object["spec"]["mode"] = json!("Observe");
                }
            }),
            ("I12", "an older object asks for another key", |trace| {
                let mut older = object_with("older", &json!({ "key": { "name": "other" } }));
                older["metadata"]["creationTimestamp"] = json!("2020-01-01T00:00:00Z");
                truth(put(trace)).objects.push(older);
            }),
            ("I12", "there is no object", |trace| {
                truth(grant(trace)).objects.clear();
            }),
            ("I22", "a token goes to another host", |trace| {
                let call = grant(trace);
                call.url = call
                    .url
                    .replace("management.azure.com", "management.azure.com.evil.example");
            }),
            ("I22", "a token goes out in the clear", |trace| {
                let call = put(trace);
                call.url = call.url.replace("https://", "http://");
            }),
            ("I22", "the login gets a token", |trace| {
                let mut calls = trace.iter_mut().filter_map(azure_call);
                let login = calls.find(|call| call.is_login()).unwrap();
                login.audience = Some("https://management.azure.com".to_owned());
            }),
            ("I22", "the token for ARM goes to a vault", |trace| {
                let call = put(trace);
                call.method = Method::GET;
                "https://clinic-keys.vault.azure.net/keys".clone_into(&mut call.url);
            }),
        ],
    );
}

fn status_patch(at: Timestamp, body: Value) -> Entry {
    let call = KubeCall {
        method: Method::PATCH,
        path: "/x/dicomencryptions/radiology/status".to_owned(),
        body,
        status: Some(200),
    };
    Entry {
        at,
        what: What::Kube(call),
    }
}

#[tokio::test(start_paused = true)]
async fn every_write_of_an_idle_operator_is_caught_but_the_hourly_sign_of_life() {
    let mut trace = sound().await;
    let (start, write) = (trace[0].clone(), grant(&mut trace).clone());
    let at = |minutes: i64, what: What| Entry {
        at: start.at + SignedDuration::from_mins(minutes),
        what,
    };
    let alive = |hour: u32, ready: &str| {
        let access = json!({ "verifiedAt": format!("hour {hour}") });
        let body = json!({ "status": { "ready": ready, "keyAccess": access } });
        status_patch(start.at, body).what
    };
    let quiet = [at(0, alive(0, "True")), at(60, alive(1, "True"))];
    assert_eq!(unquiet(&quiet), Vec::<String>::new());
    for loud in [
        at(61, What::Azure(write)),
        at(61, alive(1, "True")),
        at(120, alive(2, "False")),
        at(
            120,
            What::Kube(KubeCall {
                method: Method::POST,
                path: "/apis/events.k8s.io/v1/namespaces/default/events".to_owned(),
                body: Value::Null,
                status: Some(201),
            }),
        ),
    ] {
        let mut disturbed = quiet.to_vec();
        disturbed.push(loud.clone());
        assert_eq!(unquiet(&disturbed).len(), 1, "{loud}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_busiest_minute_is_found_wherever_it_begins() {
    let rig = Rig::with_objects(clinic(), Settings::brisk(), &[object("radiology")]);
    rig.pass(Duration::from_secs(10)).await;
    let entries = rig.since(0);
    let read = entries.iter().find(|entry| {
        entry
            .azure()
            .is_some_and(|call| call.path() == SERVICE.to_lowercase())
    });
    let read = read.unwrap();
    let seconds = [0, 50, 70, 80, 109, 200];
    let trace = seconds.map(|second| Entry {
        at: read.at + SignedDuration::from_secs(second),
        ..read.clone()
    });
    assert_eq!(busiest_minute(&trace), 4);
}
