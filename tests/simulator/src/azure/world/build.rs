//! The estate that a world describes.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{
    super::{
        access::KeyReference,
        authorization::Assignment,
        caller::matches,
        document::{defaults, encryption},
        estate::{Estate, Plain, guid},
        roles::built_in_roles,
        service::{Binding, Service},
        settings::Settings,
        vault::{Key, Vault, Version},
    },
    AssignmentSpec, GroupSpec, KeySpec, ServiceSpec, VaultSpec, World, location,
};

impl World {
    /// The estate as it is at `now`.
    pub(in super::super) fn build(&self, settings: &Settings, now: Timestamp) -> Estate {
        let mut estate = Estate::default();
        estate.tenant.clone_from(&self.tenant);
        estate.foreign = self.foreign_resources;
        for (place, id) in self.subscriptions.iter().enumerate() {
            let name = format!("Simulated subscription {}", place.saturating_add(1));
            estate.subscriptions.insert(id.to_ascii_lowercase(), name);
        }
        for role in built_in_roles() {
            estate.roles.insert(role.guid.clone(), role);
        }
        estate.add_principal(&self.operator.principal_id, "operator".to_owned(), now);
        for group in &self.resource_groups {
            let mut plain = Plain::new(self.group_id(Some(&group.name)), &group.location);
            plain
                .properties
                .insert("provisioningState".to_owned(), json!("Succeeded"));
            estate.groups.insert(plain.id.to_ascii_lowercase(), plain);
        }
        for identity in &self.identities {
            let (id, place) = self.place(
                identity.resource_group.as_deref(),
                "Microsoft.ManagedIdentity/userAssignedIdentities",
                &identity.name,
            );
            estate.add_identity(id, &place, (settings, now));
        }
        for workspace in &self.workspaces {
            let (id, place) = self.place(
                workspace.resource_group.as_deref(),
                "Microsoft.HealthcareApis/workspaces",
                &workspace.name,
            );
            let mut plain = Plain::new(id, &place);
            plain
                .properties
                .insert("provisioningState".to_owned(), json!("Succeeded"));
            plain
                .properties
                .insert("publicNetworkAccess".to_owned(), json!("Enabled"));
            estate
                .workspaces
                .insert(plain.id.to_ascii_lowercase(), plain);
        }
        for vault in &self.vaults {
            let vault = self.vault(vault, now);
            estate
                .vaults
                .insert(vault.plain.id.to_ascii_lowercase(), vault);
        }
        for service in &self.services {
            self.add_service(&mut estate, service, (settings, now));
        }
        for spec in &self.role_assignments {
            self.assign(&mut estate, spec, now);
        }
        estate
    }

    fn group(&self, name: Option<&str>) -> Option<&GroupSpec> {
        let first = self.resource_groups.first();
        name.map_or(first, |name| {
            self.resource_groups
                .iter()
                .find(|group| group.name.eq_ignore_ascii_case(name))
                .or(first)
        })
    }

    fn group_id(&self, name: Option<&str>) -> String {
        let group = self.group(name);
        let subscription = group
            .and_then(|group| group.subscription.as_ref())
            .or_else(|| self.subscriptions.first())
            .map_or("", String::as_str);
        let own = group.map_or("", |group| group.name.as_str());
        format!("/subscriptions/{subscription}/resourceGroups/{own}")
    }

    /// Id and location of a resource.
    fn place(&self, group: Option<&str>, kind: &str, name: &str) -> (String, String) {
        let location = self
            .group(group)
            .map_or_else(location, |group| group.location.clone());
        (
            format!("{}/providers/{kind}/{name}", self.group_id(group)),
            location,
        )
    }

    fn vault(&self, spec: &VaultSpec, now: Timestamp) -> Vault {
        let (id, place) = self.place(
            spec.resource_group.as_deref(),
            "Microsoft.KeyVault/vaults",
            &spec.name,
        );
        let mut vault = Vault::new(Plain::new(id, &place));
        let sound = json!({
            "tenantId": self.tenant,
            "sku": { "family": "A", "name": "premium" },
            "accessPolicies": [],
            "enabledForDeployment": false,
            "enableSoftDelete": true,
            "softDeleteRetentionInDays": 90,
            "enablePurgeProtection": true,
            "enableRbacAuthorization": true,
            "publicNetworkAccess": "Enabled",
            "provisioningState": "Succeeded",
            "vaultUri": format!("{}/", vault.url()),
        });
        let mut properties = sound.as_object().cloned().unwrap_or_default();
        properties.extend(spec.properties.clone());
        properties.retain(|_, value| !value.is_null());
        vault.plain.properties = properties;
        for key in &spec.keys {
            let entry = Key::new(&key.name, None);
            vault.keys.insert(key.name.to_ascii_lowercase(), entry);
            // the newest is made now, each other one a day before the next
            for age in (0..key.versions.unwrap_or(1).max(1)).rev() {
                let hours = i64::try_from(age).unwrap_or(0).saturating_mul(24);
                let made = now.checked_sub(SignedDuration::from_hours(hours));
                vault.add_version(&key.name, key.version(made.unwrap_or(now)));
            }
        }
        vault
    }

    fn add_service(
        &self,
        estate: &mut Estate,
        spec: &ServiceSpec,
        (settings, now): (&Settings, Timestamp),
    ) {
        let first = self.workspaces.first();
        let workspace = spec.workspace.as_ref().map_or(first, |name| {
            self.workspaces
                .iter()
                .find(|own| own.name.eq_ignore_ascii_case(name))
                .or(first)
        });
        let Some(workspace) = workspace else { return };
        let group = workspace.resource_group.as_deref();
        let kind = format!(
            "Microsoft.HealthcareApis/workspaces/{}/dicomservices",
            workspace.name
        );
        let (id, place) = self.place(group, &kind, &spec.name);
        let mut service = Service::new(id, &place, now);
        let mut properties = spec.properties.clone();
        for (name, value) in defaults() {
            properties.entry(name).or_insert(value);
        }
        let key = spec
            .key
            .as_ref()
            .and_then(|key| key.split_once('/'))
            .and_then(|(vault, key)| {
                let found = estate.vault_named(vault)?;
                let version = found.key(key)?.newest()?.name.clone();
                let url = format!("{}/keys/{key}/{version}", found.url());
                properties.insert("encryption".to_owned(), encryption(&url));
                let reference = KeyReference {
                    vault: vault.to_owned(),
                    key: key.to_owned(),
                    version: Some(version),
                };
                Some((reference, found.plain.id.clone()))
            });
        let mut document = Map::new();
        if !spec.tags.is_empty() {
            document.insert("tags".to_owned(), Value::Object(spec.tags.clone()));
        }
        if let Some(word) = &spec.identity {
            let own = estate
                .identities
                .values()
                .find(|own| own.plain.name.eq_ignore_ascii_case(word));
            let identity = own.map_or_else(
                || json!({ "type": "SystemAssigned" }),
                |own| {
                    let mut attached = Map::new();
                    attached.insert(own.plain.id.clone(), json!({}));
                    json!({ "type": "UserAssigned", "userAssignedIdentities": attached })
                },
            );
            document.insert("identity".to_owned(), identity);
        }
        document.insert("properties".to_owned(), Value::Object(properties));
        service.commit(document, estate, settings, now);
        if let (Some((key, vault)), Some(principal)) = (key, service.current_principal(estate)) {
            let role = "e147488a-f6f5-4113-8e2d-b22465e65bf6";
            grant(estate, (&principal, role, &vault), now);
            service.binding = Some(Binding { key, principal });
            service.next_probe = settings.after(now, settings.key_probe);
        }
        estate
            .services
            .insert(service.id.to_ascii_lowercase(), service);
    }

    fn assign(&self, estate: &mut Estate, spec: &AssignmentSpec, now: Timestamp) {
        let own = estate
            .identities
            .values()
            .find(|own| own.plain.name.eq_ignore_ascii_case(&spec.principal));
        let principal = match own {
            Some(own) => own.principal.clone(),
            None if spec.principal.eq_ignore_ascii_case("operator") => {
                self.operator.principal_id.clone()
            }
            None => spec.principal.clone(),
        };
        let role = estate
            .roles
            .values()
            .find(|role| role.name.eq_ignore_ascii_case(&spec.role))
            .map_or_else(|| spec.role.to_ascii_lowercase(), |role| role.guid.clone());
        let vault = estate.vault_named(&spec.scope);
        let service = || {
            let mut services = estate.services.values();
            services.find(|service| service.name.eq_ignore_ascii_case(&spec.scope))
        };
        let scope = vault
            .map(|vault| vault.plain.id.clone())
            .or_else(|| service().map(|service| service.id.clone()))
            .unwrap_or_else(|| spec.scope.clone());
        grant(estate, (&principal, &role, &scope), now);
    }
}

impl KeySpec {
    fn version(&self, now: Timestamp) -> Version {
        let model = Version::rsa(now);
        let kind = self.kty.clone().unwrap_or(model.kind);
        let is_rsa = matches("rsa*", &kind);
        let signing = vec!["sign".to_owned(), "verify".to_owned()];
        let time = |name: &str| {
            let seconds = self.attributes.get(name)?.as_i64()?;
            Timestamp::from_second(seconds).ok()
        };
        Version {
            size: is_rsa.then(|| self.key_size.unwrap_or(2048)),
            curve: (!is_rsa).then(|| "P-256".to_owned()),
            operations: self.key_ops.clone().unwrap_or(if is_rsa {
                model.operations
            } else {
                signing
            }),
            enabled: self
                .attributes
                .get("enabled")
                .and_then(Value::as_bool)
                .unwrap_or(true),
            not_before: time("nbf"),
            expires: time("exp"),
            kind,
            ..Version::rsa(now)
        }
    }
}

/// A role assignment that has been in effect for a long time.
fn grant(estate: &mut Estate, (principal, role, scope): (&str, &str, &str), now: Timestamp) {
    let name = guid(&format!("assignment/{scope}/{principal}/{role}"));
    let since = now
        .checked_sub(SignedDuration::from_hours(24))
        .unwrap_or(now);
    let assignment = Assignment {
        id: format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}"),
        name,
        scope: scope.to_owned(),
        role: role.to_owned(),
        principal: principal.to_owned(),
        principal_type: "ServicePrincipal".to_owned(),
        kept: Map::new(),
        created: since,
        created_by: guid("owner/world"),
        effective: since,
        listed: since,
        ends: None,
    };
    estate
        .assignments
        .insert(assignment.id.to_ascii_lowercase(), assignment);
}
