//! The estate for people: what there is, how it stands, who can reach which key.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Azure,
    access::{Denial, KeyReference},
    document::key_url,
    estate::Estate,
    service::{Service, Store},
};

impl Azure {
    pub(super) fn overview(&self, now: Timestamp) -> Value {
        let estate = &self.estate;
        let services: Vec<Value> = estate
            .services
            .values()
            .map(|service| service.overview(estate))
            .collect();
        let groups: Vec<&str> = estate
            .groups
            .values()
            .map(|own| own.name.as_str())
            .collect();
        let deleted: Vec<&str> = estate
            .deleted_vaults
            .values()
            .map(|own| own.vault.plain.name.as_str())
            .collect();
        let faults: Vec<Value> = self.faults.rules().map(|rule| json!(rule)).collect();
        json!({
            "time": now.to_string(),
            "tenant": estate.tenant,
            "subscriptions": estate.subscriptions.keys().collect::<Vec<_>>(),
            "resourceGroups": groups,
            "services": services,
            "identities": identities(estate),
            "vaults": vaults(estate),
            "deletedVaults": deleted,
            "roleAssignments": assignments(estate, now),
            "denyAssignments": estate.denials.values().map(|own| json!({
                "scope": own.scope,
                "principal": own.principal,
            })).collect::<Vec<_>>(),
            "foreignResources": estate.foreign,
            "access": access(estate, now),
            "throttled": self.throttle.closed,
            "controlPlaneBroken": self.broken,
            "faults": faults,
        })
    }
}

impl Service {
    fn overview(&self, estate: &Estate) -> Value {
        let (store, since) = match self.store {
            Store::Open => ("open", None),
            Store::Lost { since } => ("key lost", Some(since)),
            Store::Healing { since, .. } => ("healing", Some(since)),
            Store::Inaccessible { since } => ("inaccessible until a PUT", Some(since)),
        };
        json!({
            "name": self.name,
            "id": self.id,
            "provisioningState": self.provisioning_state(),
            "identity": self.document.get("identity").cloned(),
            "principal": self.current_principal(estate),
            "keyUrl": key_url(&self.document),
            "readsKeyAs": self.binding.as_ref().map(|binding| binding.principal.clone()),
            "store": store,
            "since": since.map(|since| since.to_string()),
            "because": self.denial.map(Denial::sentence),
        })
    }
}

fn identities(estate: &Estate) -> Vec<Value> {
    let own = estate.identities.values();
    own.map(|own| json!({ "name": own.plain.name, "id": own.plain.id, "principal": own.principal }))
        .collect()
}

fn vaults(estate: &Estate) -> Vec<Value> {
    let shown = estate.vaults.values().map(|vault| {
        let keys: Vec<Value> = vault
            .keys
            .values()
            .map(|key| {
                let versions: Vec<Value> = key
                    .versions
                    .iter()
                    .map(|version| {
                        json!({
                            "version": version.name,
                            "type": version.kind,
                            "size": version.size,
                            "operations": version.operations,
                            "attributes": version.attributes(vault.recovery_level()),
                        })
                    })
                    .collect();
                json!({
                    "name": key.name,
                    "deleted": key.deleted.map(|at| at.to_string()),
                    "versions": versions,
                })
            })
            .collect();
        json!({
            "name": vault.plain.name,
            "id": vault.plain.id,
            "rbac": vault.uses_roles(),
            "firewallClosed": vault.is_closed(),
            "trustedServicesPass": vault.lets_services_pass(),
            "provisioningState": vault.plain.properties.get("provisioningState"),
            "cutOffFromOperator": vault.cut_off,
            "softDelete": vault.flag("enableSoftDelete").unwrap_or(true),
            "purgeProtection": vault.is_purge_protected(),
            "tenant": vault.plain.properties.get("tenantId"),
            "keys": keys,
        })
    });
    shown.collect()
}

fn assignments(estate: &Estate, now: Timestamp) -> Vec<Value> {
    let shown = estate.assignments.values().map(|own| {
        json!({
            "principal": own.principal,
            "role": estate.roles.get(&own.role).map_or(own.role.as_str(), |role| &role.name),
            "scope": own.scope,
            "created": own.created.to_string(),
            "inEffect": own.is_effective(now),
            "from": own.effective.to_string(),
            "until": own.ends.map(|at| at.to_string()),
        })
    });
    shown.collect()
}

/// Each living principal of the estate against each key.
fn access(estate: &Estate, now: Timestamp) -> Vec<Value> {
    let mut rows = Vec::new();
    for (id, principal) in estate.principals.iter().filter(|(_, own)| own.exists) {
        for vault in estate.vaults.values() {
            for key in vault.keys.values() {
                let reference = KeyReference {
                    vault: vault.plain.name.clone(),
                    key: key.name.clone(),
                    version: None,
                };
                let denial = estate.key_access(id, &reference, now).err();
                rows.push(json!({
                    "who": principal.label,
                    "principal": id,
                    "key": format!("{}/{}", vault.plain.name, key.name),
                    "canUnwrap": denial.is_none(),
                    "because": denial.map(Denial::sentence),
                }));
            }
        }
    }
    rows
}
