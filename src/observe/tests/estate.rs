//! What the small Azure of these tests holds: ids, paths and answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::world::World;
use crate::{
    azure::{DicomServiceId, KeyUrl, VaultId, VaultRole},
    crd::{AccessManagement, AssignmentScope, Mode, OnDrift, Revalidate},
    domain::{
        desired::{Desired, DesiredKey},
        fact::Fact,
        wants::Want,
    },
    observe::{source::Item, value::Value as Known},
};

pub(super) const SUBSCRIPTION: Uuid = Uuid::from_u128(0x1111_1111_1111_1111_1111_1111_1111_1111);
pub(super) const TENANT: Uuid = Uuid::from_u128(0x9999_9999_9999_9999_9999_9999_9999_9999);
pub(super) const ENCRYPTION_USER: &str = "e147488a-f6f5-4113-8e2d-b22465e65bf6";
const VERSION: &str = "0123456789abcdef0123456789abcdef";

pub(super) fn error(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message}})
}

pub(super) fn list(rows: &[Value]) -> Value {
    json!({ "value": rows })
}

pub(super) fn service(workspace: &str, name: &str) -> DicomServiceId {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/imaging/providers/Microsoft.HealthcareApis/workspaces/{workspace}/dicomservices/{name}")
        .parse()
        .unwrap()
}

pub(super) fn vault(name: &str) -> VaultId {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/imaging/providers/Microsoft.KeyVault/vaults/{name}")
        .parse()
        .unwrap()
}

pub(super) fn key_url(vault: &VaultId) -> KeyUrl {
    format!(
        "https://{}.vault.azure.net/keys/dicom-cmk/{VERSION}",
        vault.name()
    )
    .parse()
    .unwrap()
}

pub(super) fn workspace_list(service: &DicomServiceId) -> String {
    format!("{}/dicomservices", service.workspace())
}

pub(super) fn version_path(vault: &VaultId) -> String {
    format!("{vault}/keys/dicom-cmk/versions/{VERSION}")
}

pub(super) fn assignments_path() -> String {
    format!("/subscriptions/{SUBSCRIPTION}{ASSIGNMENTS}")
}

pub(super) fn denials_path() -> String {
    format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/denyAssignments")
}

pub(super) fn vaults_path() -> String {
    format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.KeyVault/vaults")
}

pub(super) fn health_path() -> String {
    format!("/subscriptions/{SUBSCRIPTION}{HEALTH}")
}

pub(super) fn group_health_path() -> String {
    format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/imaging{HEALTH}")
}

pub(super) fn current_path(service: &DicomServiceId) -> String {
    format!("{service}{HEALTH}/current")
}

pub(super) fn service_json(service: &DicomServiceId, principal: u128) -> Value {
    json!({
        "id": service.to_string(),
        "identity": {"type": "SystemAssigned", "principalId": Uuid::from_u128(principal).to_string()},
        "properties": {"provisioningState": "Succeeded"},
    })
}

pub(super) fn vault_json(vault: &VaultId) -> Value {
    json!({"id": vault.to_string(), "properties": {
        "tenantId": TENANT.to_string(), "enablePurgeProtection": true, "enableRbacAuthorization": true,
    }})
}

pub(super) fn version_json(vault: &VaultId, is_enabled: bool) -> Value {
    json!({"id": version_path(vault), "properties": {
        "kty": "RSA", "keySize": 2048, "keyOps": ["wrapKey", "unwrapKey"],
        "attributes": {"enabled": is_enabled}, "keyUriWithVersion": key_url(vault).to_string(),
    }})
}

pub(super) fn assignment_id(scope: &str, name: u128) -> String {
    format!("{scope}{ASSIGNMENTS}/{}", Uuid::from_u128(name))
}

pub(super) fn assignment_json(scope: &str, name: u128, principal: u128, role: &str) -> Value {
    json!({"id": assignment_id(scope, name), "properties": {
        "scope": scope, "principalId": Uuid::from_u128(principal).to_string(),
        "roleDefinitionId": format!("/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{role}"),
        "createdOn": "2026-03-01T07:00:00Z",
    }})
}

pub(super) fn health_json(service: &DicomServiceId, state: &str) -> Value {
    json!({"id": current_path(service), "properties": {
        "availabilityState": state, "summary": format!("it is {state}"),
    }})
}

/// All that one object wants.
pub(super) fn wants(service: &DicomServiceId, vault: &VaultId) -> Vec<Want> {
    vec![
        Want::Tenant(SUBSCRIPTION),
        Want::Service(service.clone()),
        Want::Vault(vault.clone()),
        Want::Version(vault.clone(), key_url(vault)),
        Want::Listing(vault.clone(), "dicom-cmk".parse().unwrap()),
        Want::Assignments(vault.clone()),
        Want::DenyAssignments(vault.clone()),
        Want::Health(service.clone()),
    ]
}

const ASSIGNMENTS: &str = "/providers/Microsoft.Authorization/roleAssignments";
const HEALTH: &str = "/providers/Microsoft.ResourceHealth/availabilityStatuses";

impl World {
    /// Puts up everything that these objects want, all of it well.
    pub(super) fn estate(&self, objects: &[(DicomServiceId, VaultId)]) {
        let azure = &self.azure;
        azure.json(
            &format!("/subscriptions/{SUBSCRIPTION}"),
            json!({"tenantId": TENANT.to_string()}),
        );
        let mut workspaces: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let mut vaults: BTreeMap<String, Value> = BTreeMap::new();
        let (mut grants, mut healths) = (Vec::new(), Vec::new());
        for (principal, (service, vault)) in (1_u128..).zip(objects) {
            let shown = service_json(service, principal);
            azure.json(&service.to_string(), shown.clone());
            workspaces
                .entry(workspace_list(service))
                .or_default()
                .push(shown);
            azure.json(&vault.to_string(), vault_json(vault));
            vaults.insert(vault.to_string(), vault_json(vault));
            let version = version_json(vault, true);
            azure.json(&version_path(vault), version.clone());
            azure.json(
                &format!("{vault}/keys/dicom-cmk/versions"),
                list(&[version]),
            );
            let scope = vault.to_string();
            let grant = assignment_json(&scope, principal, principal, ENCRYPTION_USER);
            azure.json(&assignment_id(&scope, principal), grant.clone());
            grants.push(grant);
            let health = health_json(service, "Available");
            azure.json(&current_path(service), health.clone());
            healths.push(health);
        }
        for (path, rows) in workspaces {
            azure.json(&path, list(&rows));
        }
        azure.json(
            &vaults_path(),
            list(&vaults.into_values().collect::<Vec<_>>()),
        );
        azure.json(&denials_path(), list(&[]));
        azure.json(&assignments_path(), list(&grants));
        azure.json(&health_path(), list(&healths));
    }

    /// Puts up a list whose first page has these rows, and which has so many pages.
    pub(super) fn pages(&self, path: &str, rows: &[Value], pages: usize) {
        for page in 1..=pages {
            let here = if page == 1 {
                path.to_owned()
            } else {
                format!("{path}/{page}")
            };
            let mut body = list(if page == 1 { rows } else { &[] });
            if page < pages {
                let next = page + 1;
                body["nextLink"] = json!(format!("https://management.azure.com{path}/{next}"));
            }
            self.azure.json(&here, body);
        }
    }

    /// Lets each object (by its number, from 1) want all of its own.
    pub(super) fn watch(&self, objects: &[(DicomServiceId, VaultId)]) {
        for (number, (service, vault)) in (1..).zip(objects) {
            let wants = wants(service, vault).into_iter().collect();
            self.observer.watch(&uid(number), &wants);
        }
    }

    /// What is known of a want.
    pub(super) fn fact(&self, want: &Want) -> Fact<Known> {
        let key = self.observer.keyed(Item::Want(want.clone()));
        self.observer.lock().fact(&key).unwrap().clone()
    }
}

pub(super) fn uid(number: usize) -> String {
    format!("object-{number}")
}

/// What the object asks for that wants [`wants`].
pub(super) fn desired(service: &DicomServiceId, vault: &VaultId) -> Desired {
    Desired {
        service: service.clone(),
        identity: None,
        key: DesiredKey {
            vault: vault.clone(),
            vault_suffix: "vault.azure.net".to_owned(),
            name: "dicom-cmk".parse().unwrap(),
            version: None,
        },
        replace_existing: false,
        role: VaultRole::CryptoServiceEncryptionUser,
        scope: AssignmentScope::Vault,
        management: AccessManagement::Manage,
        on_drift: OnDrift::Correct,
        revalidate: Revalidate::Automatic,
        canary: false,
        mode: Mode::Manage,
        suspend: false,
    }
}
