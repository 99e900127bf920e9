//! ARM itself: tenants, subscriptions, resource groups, providers, and which handler serves a type.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::Ask,
    document::as_of,
    estate::{Estate, Plain},
    key_vault::resource_filter,
    path::{TYPES, covers, segment_after},
};

const GROUP: &str = "Microsoft.Resources/resourceGroups";

impl Estate {
    /// Answers one authenticated and authorised call to ARM.
    pub(super) fn serve(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        if let Some(subscription) = ask.path.subscription() {
            self.require_subscription(&subscription)?;
        }
        match ask.path.kind().as_str() {
            "Microsoft.Authorization/denyAssignments" => self.deny_assignments(ask),
            "Microsoft.Authorization/roleAssignments" => self.role_assignments(ask),
            "Microsoft.Authorization/roleDefinitions" => self.role_definitions(ask),
            "Microsoft.HealthcareApis/locations/operationresults" => self.operation_results(ask),
            "Microsoft.HealthcareApis/workspaces" => self.workspaces(ask),
            "Microsoft.HealthcareApis/workspaces/dicomservices" => {
                let answer = self.dicom_services(ask)?;
                Ok(as_of(ask.version(), answer))
            }
            "Microsoft.KeyVault/deletedVaults"
            | "Microsoft.KeyVault/locations/deletedVaults"
            | "Microsoft.KeyVault/locations/deletedVaults/purge" => self.deleted_vaults(ask),
            "Microsoft.KeyVault/vaults" => self.vaults(ask),
            "Microsoft.KeyVault/vaults/accessPolicies" => self.vault_policies(ask),
            "Microsoft.KeyVault/vaults/keys" => self.keys(ask),
            "Microsoft.KeyVault/vaults/keys/versions" => self.key_versions(ask),
            "Microsoft.ManagedIdentity/userAssignedIdentities" => self.user_identities(ask),
            "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials" => {
                self.federated_credentials(ask)
            }
            "Microsoft.ResourceHealth/availabilityStatuses" => self.availability(ask),
            "Microsoft.Resources/subscriptions" => self.subscriptions(ask),
            "Microsoft.Resources/subscriptions/locations" => Ok(self.locations(ask)),
            "Microsoft.Resources/subscriptions/providers"
            | "Microsoft.Resources/subscriptions/providers/register" => providers(ask),
            "Microsoft.Resources/subscriptions/resourceGroups" => self.groups(ask),
            "Microsoft.Resources/subscriptions/resourceGroups/resources"
            | "Microsoft.Resources/subscriptions/resources" => Ok(self.all_resources(ask)),
            "Microsoft.Resources/tenants" => {
                let tenant = json!({
                    "id": format!("/tenants/{}", self.tenant),
                    "tenantId": self.tenant,
                    "tenantCategory": "Home",
                });
                Ok(ask.page(vec![tenant]))
            }
            other => Err(Failure::missing(
                "InvalidResourceType",
                format!(
                    "The resource type could not be found in the namespace '{}': {other}.",
                    ask.path.namespace
                ),
            )),
        }
    }

    fn require_subscription(&self, id: &str) -> Result<()> {
        if self.subscriptions.contains_key(&id.to_ascii_lowercase()) {
            return Ok(());
        }
        let message = format!("The subscription '{id}' could not be found.");
        Err(Failure::missing("SubscriptionNotFound", message))
    }

    /// The group that a scope lies in, and the resource that it names, must exist.
    pub(super) fn require_scope(&self, scope: &str) -> Result<()> {
        let Some(group) = segment_after(scope, "resourcegroups") else {
            return Ok(());
        };
        let subscription = segment_after(scope, "subscriptions").unwrap_or_default();
        let id =
            format!("/subscriptions/{subscription}/resourcegroups/{group}").to_ascii_lowercase();
        if !self.groups.contains_key(&id) {
            let message = format!("Resource group '{group}' could not be found.");
            return Err(Failure::missing("ResourceGroupNotFound", message));
        }
        let key = scope.to_ascii_lowercase();
        let exists = !key.contains("/providers/")
            || self
                .ids()
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(&key))
            || key.split_once("/keys/").is_some_and(|(vault, name)| {
                self.vaults
                    .get(vault)
                    .is_some_and(|vault| vault.key(name).is_some())
            });
        if exists {
            return Ok(());
        }
        let name = scope.rsplit('/').next().unwrap_or_default();
        Err(Failure::no_resource(&resource_kind(scope), name, group))
    }

    fn subscriptions(&self, ask: &Ask<'_>) -> Result<Answer> {
        let show = |(id, name): (&String, &String)| {
            json!({
                "id": format!("/subscriptions/{id}"),
                "subscriptionId": id,
                "tenantId": self.tenant,
                "displayName": name,
                "state": "Enabled",
                "subscriptionPolicies": {
                    "locationPlacementId": "Public_2014-09-01",
                    "quotaId": "PayAsYouGo_2014-09-01",
                    "spendingLimit": "Off",
                },
                "authorizationSource": "RoleBased",
                "managedByTenants": [],
            })
        };
        match (&ask.call.method, ask.path.is_item()) {
            (&Method::GET, false) => Ok(ask.page(self.subscriptions.iter().map(show).collect())),
            (&Method::GET, true) => {
                let id = ask.path.name(0).to_ascii_lowercase();
                let found = self.subscriptions.get_key_value(&id).map(show);
                Ok(found.map_or_else(|| Answer::empty(StatusCode::NOT_FOUND), Answer::ok))
            }
            _ => Err(Failure::method(ask.call)),
        }
    }

    fn locations(&self, ask: &Ask<'_>) -> Answer {
        let subscription = ask.path.subscription().unwrap_or_default();
        let places: std::collections::BTreeSet<&str> = self
            .groups
            .values()
            .map(|group| group.location.as_str())
            .collect();
        let rows = places.into_iter().map(|place| {
            json!({
                "id": format!("/subscriptions/{subscription}/locations/{place}"),
                "name": place,
                "displayName": place,
                "regionalDisplayName": place,
                "type": "Region",
            })
        });
        ask.page(rows.collect())
    }

    fn groups(&mut self, ask: &Ask<'_>) -> Result<Answer> {
        let id = ask.path.id();
        let key = id.to_ascii_lowercase();
        let missing = || {
            let message = format!("Resource group '{}' could not be found.", ask.path.name(1));
            Failure::missing("ResourceGroupNotFound", message)
        };
        match (ask.call.method.as_str(), ask.path.is_item()) {
            ("GET", false) => {
                let rows = self.groups.values().filter(|group| covers(&id, &group.id));
                Ok(ask.page(rows.map(|group| group.show(GROUP)).collect()))
            }
            ("GET", true) => self
                .groups
                .get(&key)
                .map(|own| Answer::ok(own.show(GROUP)))
                .ok_or_else(missing),
            ("HEAD", true) => {
                let there = self.groups.contains_key(&key);
                let status = if there {
                    StatusCode::NO_CONTENT
                } else {
                    StatusCode::NOT_FOUND
                };
                Ok(Answer::empty(status))
            }
            ("PUT" | "PATCH", true) => {
                let body = ask.call.object()?;
                let known = self.groups.get(&key).map(|group| group.location.clone());
                let is_new = known.is_none();
                let location = body
                    .get("location")
                    .and_then(Value::as_str)
                    .map(str::to_owned);
                let Some(location) = known.or(location) else {
                    let message = "The location property is required for this definition.";
                    return Err(Failure::bad("LocationRequired", message));
                };
                let mut group = Plain::new(id, &location);
                group.tags = body.get("tags").filter(|tags| tags.is_object()).cloned();
                group
                    .properties
                    .insert("provisioningState".to_owned(), json!("Succeeded"));
                let shown = group.show(GROUP);
                self.groups.insert(key, group);
                let status = if is_new {
                    StatusCode::CREATED
                } else {
                    StatusCode::OK
                };
                Ok(Answer::with(status, shown))
            }
            ("DELETE", true) => {
                if !self.groups.contains_key(&key) {
                    return Err(missing());
                }
                self.delete_group(&id, ask.call.now);
                Ok(Answer::empty(StatusCode::OK))
            }
            _ => Err(Failure::method(ask.call)),
        }
    }

    fn all_resources(&self, ask: &Ask<'_>) -> Answer {
        let scope = ask.path.id();
        let filter = ask.call.parameter("$filter").unwrap_or_default();
        let rows = self.ids().into_iter().filter(|(id, _)| covers(&scope, id));
        let shown = rows.filter_map(|(id, location)| {
            let kind = resource_kind(&id);
            let plain = Plain::new(id, &location);
            let name = plain.name.clone();
            resource_filter(filter, &kind, &name).then(|| {
                let mut row = plain.show(&kind);
                if let Some(fields) = row.as_object_mut() {
                    fields.remove("properties");
                }
                row
            })
        });
        ask.page(shown.collect())
    }

    /// Id and location of every tracked resource.
    fn ids(&self) -> Vec<(String, String)> {
        let plain = |plain: &Plain| (plain.id.clone(), plain.location.clone());
        let workspaces = self.workspaces.values().map(plain);
        let vaults = self.vaults.values().map(|vault| plain(&vault.plain));
        let identities = self
            .identities
            .values()
            .map(|identity| plain(&identity.plain));
        let services = self
            .services
            .values()
            .map(|service| (service.id.clone(), service.location.clone()));
        workspaces
            .chain(vaults)
            .chain(identities)
            .chain(services)
            .collect()
    }
}

/// `Namespace/type/subtype` of an id.
pub(super) fn resource_kind(id: &str) -> String {
    let mut segments = id
        .split('/')
        .skip_while(|word| !word.eq_ignore_ascii_case("providers"));
    let namespace = segments.nth(1).unwrap_or_default();
    let types: Vec<&str> = segments.step_by(2).collect();
    format!("{namespace}/{}", types.join("/"))
}

/// Providers are registered, all of them, always.
fn providers(ask: &Ask<'_>) -> Result<Answer> {
    let subscription = ask.path.subscription().unwrap_or_default();
    let mut namespaces: Vec<&str> = TYPES
        .iter()
        .filter_map(|kind| kind.split('/').next())
        .collect();
    namespaces.dedup();
    let show = |namespace: &str| {
        let own = TYPES
            .iter()
            .filter_map(|kind| kind.strip_prefix(namespace)?.strip_prefix('/'));
        let types: Vec<Value> = own
            .map(|kind| {
                json!({
                    "resourceType": kind,
                    "locations": ["West Europe"],
                    "apiVersions": versions(namespace),
                })
            })
            .collect();
        json!({
            "id": format!("/subscriptions/{subscription}/providers/{namespace}"),
            "namespace": namespace,
            "registrationPolicy": "RegistrationRequired",
            "registrationState": "Registered",
            "resourceTypes": types,
        })
    };
    let name = ask.path.name(1);
    if name.is_empty() {
        return Ok(ask.page(namespaces.into_iter().map(show).collect()));
    }
    let known = namespaces
        .into_iter()
        .find(|namespace| namespace.eq_ignore_ascii_case(name));
    known
        .map(|namespace| Answer::ok(show(namespace)))
        .ok_or_else(|| {
            let message = format!("The resource namespace '{name}' is invalid.");
            Failure::missing("InvalidResourceNamespace", message)
        })
}

/// The api-versions that tools are told of; any dated one is taken.
fn versions(namespace: &str) -> &'static [&'static str] {
    match namespace {
        "Microsoft.HealthcareApis" => &["2024-03-31", "2024-03-01", "2023-12-01", "2023-11-01"],
        "Microsoft.KeyVault" => &["2026-02-01", "2023-07-01", "2022-07-01"],
        "Microsoft.ManagedIdentity" => &["2025-05-31-preview", "2024-11-30", "2023-01-31"],
        "Microsoft.ResourceHealth" => &["2025-05-01", "2024-02-01"],
        "Microsoft.Authorization" => &["2022-05-01-preview", "2022-04-01"],
        _ => &["2023-07-01", "2022-09-01", "2021-04-01"],
    }
}

#[cfg(test)]
mod tests;
