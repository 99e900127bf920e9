//! The CRD on a real API server: what `kubectl apply` takes, and what it says to the rest.

use serde_json::{Value, json};

use crate::cluster::cluster;

const SERVICE: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.HealthcareApis/workspaces/clinic/dicomservices/radiology";
const VAULT: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.KeyVault/vaults/clinic-keys";
const HSM: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.KeyVault/managedHSMs/clinic-hsm";
const IDENTITY: &str = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.ManagedIdentity/userAssignedIdentities/radiology-identity";
const VERSION: &str = "0123456789abcdef0123456789abcdef";

#[test]
fn a_ten_line_object_is_accepted() {
    let namespace = cluster().namespace("schema");
    let output = cluster().apply(&namespace, TEN_LINES);
    assert!(output.success, "{}", output.stderr);
}

/// All in one list, of which kubectl tells each item's fate: the server judges every one.
#[test]
fn what_cannot_work_is_refused_at_once_with_what_to_write_instead() {
    let cases = wrong();
    let refused = refusals(&cases);
    for (place, (change, sentence)) in cases.iter().enumerate() {
        let said = &refused[place];
        assert!(said.contains(sentence), "{change}: {said}");
    }
}

#[test]
fn other_ways_to_write_the_same_are_accepted() {
    let namespace = cluster().namespace("accepted");
    let url = |path: &str| format!("https://clinic-keys.vault.azure.net{path}");
    let by_url = |own: String| json!({ "key": { "name": null, "url": own } });
    let right = [
        json!({ "dicomServiceId": SERVICE.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions") }),
        json!({ "identity": { "type": "UserAssigned", "userAssignedIdentityId": IDENTITY } }),
        json!({ "key": { "version": VERSION, "replaceExisting": true } }),
        by_url(url("/keys/dicom-cmk")),
        by_url(url(&format!("/keys/dicom-cmk/{VERSION}"))),
        by_url(url(":443/keys/dicom-cmk/")),
        json!({ "access": { "role": "KeyVaultCryptoOfficer", "scope": "Key", "management": "Observe" } }),
        json!({ "mode": "Observe", "onDrift": "Report", "suspend": true, "deletionPolicy": "Detach" }),
    ];
    let objects: Vec<Value> = right
        .iter()
        .enumerate()
        .map(|(place, change)| object(place, change))
        .collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    let output = cluster().apply(&namespace, &list.to_string());
    assert!(output.success, "{}", output.stderr);
}

#[test]
fn the_service_of_an_object_cannot_be_changed_but_its_case_can() {
    let namespace = cluster().namespace("immutable");
    let edit = |service: &str| {
        let object = object(0, &json!({ "dicomServiceId": service }));
        cluster().apply(&namespace, &object.to_string())
    };
    assert!(edit(SERVICE).success);
    assert!(edit(&SERVICE.replace("imaging", "IMAGING")).success);
    let other = edit(&SERVICE.replace("radiology", "cardiology"));
    let sentence =
        "dicomServiceId cannot be changed; delete this object (nothing changes in Azure)";
    assert!(other.stderr.contains(sentence), "{}", other.stderr);
}

/// What is wrong about each object, and a part of what its author is told.
fn wrong() -> Vec<(Value, &'static str)> {
    let no_service = "is not the ARM id of a DICOM service; write /subscriptions/<guid>";
    let services = [
        "radiology".to_owned(),
        VAULT.to_owned(),
        SERVICE.replace("dicomservices", "fhirservices"),
        SERVICE.replace("11111111-", ""),
    ];
    let services = services.map(|id| (json!({ "dicomServiceId": id }), no_service));
    let no_identity = "is not the ARM id of a user-assigned identity; write /subscriptions/<guid>";
    let others = [
        (
            json!({ "identity": { "type": "UserAssigned" } }),
            "type UserAssigned needs userAssignedIdentityId: write the ARM id",
        ),
        (
            json!({ "identity": { "userAssignedIdentityId": IDENTITY } }),
            "remove it, or write type UserAssigned",
        ),
        (
            json!({ "identity": { "type": "UserAssigned", "userAssignedIdentityId": VAULT } }),
            no_identity,
        ),
        (
            json!({ "identity": { "type": "None" } }),
            "supported values: \"SystemAssigned\", \"UserAssigned\"",
        ),
        (
            json!({ "access": { "role": "Owner" } }),
            "\"KeyVaultCryptoServiceEncryptionUser\"",
        ),
        (
            json!({ "deletionPolicy": "Revert" }),
            "supported values: \"Detach\"",
        ),
        (json!({ "mode": "Plan" }), "supported values: "),
    ];
    let keys = wrong_keys().into_iter().chain(wrong_urls());
    let keys = keys.map(|(key, sentence)| (json!({ "key": key }), sentence));
    services.into_iter().chain(others).chain(keys).collect()
}

fn wrong_keys() -> [(Value, &'static str); 8] {
    let url = "https://clinic-keys.vault.azure.net/keys/dicom-cmk";
    let no_vault = "is not the ARM id of a vault; write /subscriptions/<guid>";
    let once = "write either name (with an optional version) or url";
    [
        (json!({ "vaultId": SERVICE }), no_vault),
        (
            json!({ "vaultId": format!("{VAULT}/keys/dicom-cmk") }),
            no_vault,
        ),
        (
            json!({ "vaultId": HSM }),
            "a managed HSM is not supported yet",
        ),
        (
            json!({ "name": "dicom_cmk" }),
            "write 1 to 127 letters, digits and dashes",
        ),
        (
            json!({ "version": "latest" }),
            "write its 32 hexadecimal digits, or leave it out",
        ),
        (json!({ "name": null }), once),
        (json!({ "url": url }), once),
        (
            json!({ "name": null, "version": VERSION, "url": url }),
            "version goes with name; with url, write the version at the end of the url",
        ),
    ]
}

fn wrong_urls() -> [(Value, &'static str); 6] {
    let no_url = "is not a Key Identifier of a vault in a known cloud; write https://<vault>";
    let urls = [
        ("https://clinic-keys.example.org/keys/dicom-cmk", no_url),
        ("http://clinic-keys.vault.azure.net/keys/dicom-cmk", no_url),
        (
            "https://clinic-keys.vault.azure.net/secrets/dicom-cmk",
            no_url,
        ),
        (
            "https://clinic-keys.vault.azure.net/keys/dicom-cmk/7",
            no_url,
        ),
        (
            "https://other-keys.vault.azure.net/keys/dicom-cmk",
            "url and vaultId name different vaults",
        ),
        (
            "https://clinic-keys.managedhsm.azure.net/keys/dicom-cmk",
            "a managed HSM is not supported yet",
        ),
    ];
    urls.map(|(url, sentence)| (json!({ "name": null, "url": url }), sentence))
}

/// What the API server says to each; fails where it says nothing.
fn refusals(cases: &[(Value, &'static str)]) -> Vec<String> {
    let namespace = cluster().namespace("refused");
    let objects: Vec<Value> = cases
        .iter()
        .enumerate()
        .map(|(place, (change, _))| object(place, change))
        .collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    let output = cluster().apply(&namespace, &list.to_string());
    let left = cluster().run(&["get", "dicomencryptions", "-n", &namespace, "-o", "name"]);
    assert_eq!(left, "", "{}", output.stderr);
    let said = |place: usize| {
        let begin = format!("\"case-{place}\" is invalid: ");
        let rest = output
            .stderr
            .split_once(&begin)
            .map_or("", |(_, rest)| rest);
        let end = rest.find("is invalid: ").unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default().to_owned()
    };
    let all: Vec<String> = (0..cases.len()).map(said).collect();
    assert!(all.iter().all(|own| !own.is_empty()), "{}", output.stderr);
    all
}

/// The ten lines with a change, under a name of its own; null takes a field out.
fn object(place: usize, change: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "dicomenc.io/v1alpha1",
        "kind": "DicomEncryption",
        "metadata": { "name": format!("case-{place}") },
        "spec": {
            "dicomServiceId": SERVICE,
            "identity": { "type": "SystemAssigned" },
            "key": { "vaultId": VAULT, "name": "dicom-cmk" },
        },
    });
    json_patch::merge(&mut object["spec"], change);
    object
}

const TEN_LINES: &str = "\
apiVersion: dicomenc.io/v1alpha1
kind: DicomEncryption
metadata: { name: radiology }
spec:
  dicomServiceId: /subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.HealthcareApis/workspaces/clinic/dicomservices/radiology
  identity: { type: SystemAssigned }
  key:
    vaultId: /subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/imaging/providers/Microsoft.KeyVault/vaults/clinic-keys
    name: dicom-cmk
";
