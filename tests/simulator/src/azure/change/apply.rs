//! Changes carried out on the estate.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{
    super::{
        Azure,
        access::KeyReference,
        document::encryption,
        estate::Estate,
        path::segment_after,
        service::{Binding, Service, Store},
        settings::Settings,
        vault::Vault,
    },
    Change, ChangeError, HealthWord, IdentityChange, ServiceChange, VaultChange,
};

pub(super) type Outcome = Result<String, ChangeError>;

impl Azure {
    pub(in super::super) fn carry_out(&mut self, change: &Change, now: Timestamp) -> Outcome {
        match change {
            Change::Key {
                vault,
                key,
                version,
                to,
            } => self
                .estate
                .change_key((vault, key), version.as_deref(), *to, now),
            Change::Vault { vault, to } => self.estate.change_vault(vault, *to, now),
            Change::Identity { name, to } => {
                self.estate
                    .change_identity(name, *to, (&self.settings, now))
            }
            Change::RoleAssignmentsRemoved { scope, principal } => {
                self.estate
                    .remove_assignments(scope, principal.as_deref(), (&self.settings, now))
            }
            Change::RoleAssignmentAdded {
                scope,
                principal,
                role,
            } => {
                let principal = if principal == "operator" {
                    &self.operator.principal_id
                } else {
                    principal
                };
                let place = (&self.settings, now);
                self.estate.add_assignment(scope, (principal, role), place)
            }
            Change::RoleAssignmentsConditional { scope, on } => {
                self.estate.condition_assignments(scope, *on)
            }
            Change::DenyAssignmentAdded { scope, principal } => {
                self.estate.add_denial(scope, principal.as_deref(), now)
            }
            Change::DenyAssignmentsRemoved { scope } => self.estate.remove_denials(scope),
            Change::ForeignResources { count } => {
                self.estate.foreign = *count;
                Ok(format!(
                    "Resource Health lists {count} more resources in each subscription."
                ))
            }
            Change::Service { service, to } => {
                self.estate
                    .change_service(service, to, (&self.settings, now))
            }
            Change::Health { service, to } => self.estate.change_health(service, *to, now),
            Change::Throttling { retry_after } => {
                self.throttle.closed = *retry_after;
                Ok(throttled(*retry_after))
            }
            Change::ControlPlane { broken } => {
                self.broken = *broken;
                Ok(control_plane(*broken))
            }
            Change::Fault(rule) => {
                self.faults.add(rule.clone());
                Ok(format!("A fault rule is in force: {}.", json!(rule)))
            }
            Change::FaultsCleared => {
                self.faults.clear();
                Ok("No fault rule is in force any more.".to_owned())
            }
        }
    }
}

fn control_plane(broken: bool) -> String {
    if broken {
        "ARM answers every call with 503.".to_owned()
    } else {
        "ARM works again.".to_owned()
    }
}

fn throttled(retry_after: Option<u32>) -> String {
    retry_after.map_or_else(
        || "ARM's throttling is back to its own token buckets.".to_owned(),
        |seconds| format!("ARM refuses every call with Retry-After {seconds}."),
    )
}

impl Estate {
    fn change_vault(&mut self, name: &str, to: VaultChange, now: Timestamp) -> Outcome {
        let deleted = || ChangeError(format!("there is no deleted vault '{name}'"));
        if to == VaultChange::Recovered {
            self.recover_vault(name).ok_or_else(deleted)?;
            return Ok(format!(
                "The vault '{name}' is back, without its role assignments."
            ));
        }
        if to == VaultChange::Purged {
            self.deleted_vaults
                .remove(&name.to_ascii_lowercase())
                .ok_or_else(deleted)?;
            return Ok(format!("The vault '{name}' is gone for good."));
        }
        let known: Vec<&str> = self
            .vaults
            .values()
            .map(|vault| vault.plain.name.as_str())
            .collect();
        let message = format!(
            "there is no vault '{name}'; the vaults are: {}",
            known.join(", ")
        );
        let missing = || ChangeError(message);
        let vault = self.vault_named_mut(name).ok_or_else(missing)?;
        let id = vault.plain.id.clone();
        let properties = &mut vault.plain.properties;
        let mut set = |property: &str, value: Value| {
            properties.insert(property.to_owned(), value);
        };
        match to {
            VaultChange::AccessPolicies => set("enableRbacAuthorization", json!(false)),
            VaultChange::Rbac => set("enableRbacAuthorization", json!(true)),
            VaultChange::PurgeProtectionOn => set("enablePurgeProtection", json!(true)),
            VaultChange::SoftDeleteOn => set("enableSoftDelete", json!(true)),
            VaultChange::SoftDeleteOff => set("enableSoftDelete", json!(false)),
            VaultChange::PurgeProtectionOff => {
                properties.remove("enablePurgeProtection");
            }
            VaultChange::FirewallClosed => rule(vault, "defaultAction", "Deny"),
            VaultChange::FirewallOpen => rule(vault, "defaultAction", "Allow"),
            VaultChange::BypassOff => rule(vault, "bypass", "None"),
            VaultChange::BypassOn => rule(vault, "bypass", "AzureServices"),
            VaultChange::PerimeterClosed => set("publicNetworkAccess", json!("SecuredByPerimeter")),
            VaultChange::PerimeterOpen => set("publicNetworkAccess", json!("Enabled")),
            VaultChange::RegisteringDns => set("provisioningState", json!("RegisteringDns")),
            VaultChange::Registered => set("provisioningState", json!("Succeeded")),
            VaultChange::DataPlaneClosed => vault.cut_off = true,
            VaultChange::DataPlaneOpen => vault.cut_off = false,
            VaultChange::Deleted | VaultChange::Recovered | VaultChange::Purged => {
                self.delete_vault(&id, now);
            }
        }
        Ok(format!("The vault '{name}' is now {}.", plain_word(to)))
    }

    fn change_identity(
        &mut self,
        name: &str,
        to: IdentityChange,
        (settings, now): (&Settings, Timestamp),
    ) -> Outcome {
        if to == IdentityChange::Deleted {
            let wanted = name.rsplit('/').next().unwrap_or(name);
            let found = self
                .identities
                .values()
                .find(|own| own.plain.name.eq_ignore_ascii_case(wanted));
            let Some(id) = found.map(|own| own.plain.id.clone()) else {
                let known: Vec<&str> = self
                    .identities
                    .values()
                    .map(|own| own.plain.name.as_str())
                    .collect();
                return Err(ChangeError(format!(
                    "there is no user-assigned identity '{name}'; there are: {}",
                    known.join(", ")
                )));
            };
            self.delete_identity(&id);
            return Ok(format!("The user-assigned identity '{name}' is deleted."));
        }
        self.with_service(name, |service, estate| {
            let mut document = service.document.clone();
            let on = to == IdentityChange::On;
            let kind = if on { "SystemAssigned" } else { "None" };
            document.insert("identity".to_owned(), json!({ "type": kind }));
            service.commit(document, estate, settings, now);
            let word = if on { "on" } else { "off" };
            format!("The system identity of '{}' is {word}.", service.name)
        })
    }

    fn change_service(
        &mut self,
        name: &str,
        to: &ServiceChange,
        (settings, now): (&Settings, Timestamp),
    ) -> Outcome {
        if let ServiceChange::Deleted = to {
            let mut id = String::new();
            self.with_service(name, |service, estate| {
                id.clone_from(&service.id);
                if let Some(principal) = &service.system_principal {
                    estate.drop_principal(principal);
                }
                String::new()
            })?;
            self.services.remove(&id.to_ascii_lowercase());
            return Ok(format!("The DICOM service '{name}' is deleted."));
        }
        let state = provisioning_state(to)?;
        if let ServiceChange::Key(url) = to
            && KeyReference::parse(url).is_none()
        {
            return Err(ChangeError(format!(
                "'{url}' is no key URL: write https://<vault>.vault.azure.net/keys/<key>/<version>"
            )));
        }
        self.with_service(name, |service, estate| {
            let mut document = service.document.clone();
            let properties = document.entry("properties").or_insert_with(|| json!({}));
            let said = match to {
                ServiceChange::KeyRemoved | ServiceChange::Key(_) => {
                    let url = if let ServiceChange::Key(url) = to {
                        url.as_str()
                    } else {
                        ""
                    };
                    if let Some(fields) = properties.as_object_mut() {
                        fields.insert("encryption".to_owned(), encryption(url));
                    }
                    let principal = service.current_principal(estate).unwrap_or_default();
                    service.binding =
                        KeyReference::parse(url).map(|key| Binding { key, principal });
                    service.next_probe = settings.after(now, settings.key_probe);
                    if service.binding.is_none() {
                        service.denial = None;
                        service.turn(Store::Open, settings, now);
                    }
                    format!("The key URL of '{}' is now '{url}'.", service.name)
                }
                ServiceChange::Tag(tag, value) => {
                    let tags = document.entry("tags").or_insert_with(|| json!({}));
                    if let Some(tags) = tags.as_object_mut() {
                        tags.insert(tag.clone(), json!(value));
                    }
                    format!("'{}' has the tag {tag}={value}.", service.name)
                }
                ServiceChange::Provisioning(_) => {
                    service.settled = state.unwrap_or(service.settled);
                    return format!("'{}' is {} now.", service.name, service.settled);
                }
                ServiceChange::OperationCanceled => {
                    service.fail_next = Some("Canceled");
                    return format!("The next operation on '{}' is canceled.", service.name);
                }
                ServiceChange::OperationFails | ServiceChange::Deleted => {
                    service.fail_next = Some("Failed");
                    return format!("The next operation on '{}' will fail.", service.name);
                }
            };
            service.commit(document, estate, settings, now);
            said
        })
    }

    fn change_health(&mut self, name: &str, to: HealthWord, now: Timestamp) -> Outcome {
        self.with_service(name, |service, _| {
            let health = &mut service.health;
            let state = match to {
                HealthWord::Available => Some("Available"),
                HealthWord::Degraded => Some("Degraded"),
                HealthWord::Unavailable => Some("Unavailable"),
                HealthWord::Unknown => Some("Unknown"),
                HealthWord::Automatic | HealthWord::Stuck | HealthWord::Late(_) => None,
            };
            health.forced = state.map(|state| (state, now));
            health.stuck = to == HealthWord::Stuck;
            health.lag = if let HealthWord::Late(seconds) = to {
                Some(SignedDuration::from_secs(seconds.into()))
            } else {
                None
            };
            if to == HealthWord::Automatic {
                health.publish_at = Some(now);
            }
            let shown = match (state, health.lag) {
                (Some(state), _) => state.to_owned(),
                (None, Some(lag)) => format!("what its own test finds, {lag:#} later"),
                (None, None) if health.stuck => "what it shows now, whatever happens".to_owned(),
                (None, None) => "what its own test finds".to_owned(),
            };
            format!("Resource Health shows for '{}': {shown}.", service.name)
        })
    }

    /// Finds a service by name, `workspace/name` or `group/workspace/name`.
    fn with_service(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Service, &mut Self) -> String,
    ) -> Outcome {
        let path = |service: &Service| {
            let group = segment_after(&service.id, "resourcegroups").unwrap_or_default();
            format!("{group}/{}/{}", service.workspace, service.name).to_ascii_lowercase()
        };
        let wanted = format!("/{}", name.trim_matches('/').to_ascii_lowercase());
        let fits = |service: &&Service| format!("/{}", path(service)).ends_with(&wanted);
        let hits: Vec<String> = self
            .services
            .values()
            .filter(fits)
            .map(|own| own.id.to_ascii_lowercase())
            .collect();
        let known: Vec<String> = self.services.values().map(path).collect();
        let known = known.join(", ");
        let [id] = hits.as_slice() else {
            let message = if hits.is_empty() {
                format!("there is no DICOM service '{name}'; there are: {known}")
            } else {
                format!("'{name}' means more than one of: {known}; write group/workspace/service")
            };
            return Err(ChangeError(message));
        };
        let Some(mut service) = self.services.remove(id) else {
            return Ok(String::new());
        };
        let said = change(&mut service, self);
        self.services.insert(id.clone(), service);
        Ok(said)
    }
}

/// The state that a change asks for, if it asks for one.
fn provisioning_state(to: &ServiceChange) -> Result<Option<&'static str>, ChangeError> {
    let ServiceChange::Provisioning(word) = to else {
        return Ok(None);
    };
    let mut states = STATES.into_iter();
    let found = states.find(|own| own.eq_ignore_ascii_case(word));
    let known = STATES.join(", ");
    let wrong = || ChangeError(format!("'{word}' is none of {known}"));
    found.map(Some).ok_or_else(wrong)
}

/// What `provisioningState` of a service may say while no operation runs.
const STATES: [&str; 8] = [
    "Succeeded",
    "Failed",
    "Canceled",
    "Deprovisioned",
    "Moving",
    "Suspended",
    "Warned",
    "SystemMaintenance",
];

fn rule(vault: &mut Vault, name: &str, value: &str) {
    let rules = vault.plain.properties.entry("networkAcls").or_insert_with(|| {
        json!({ "bypass": "AzureServices", "defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": [] })
    });
    if let Some(rules) = rules.as_object_mut() {
        rules.insert(name.to_owned(), json!(value));
    }
}

/// The word a change has on the command line, as a reader reads it.
pub(super) fn plain_word(change: impl serde::Serialize) -> String {
    json!(change).as_str().unwrap_or_default().replace('-', " ")
}
