//! Estates of any size: ten services in a workspace, twenty keys in a vault, two subscriptions from
//! a hundred services on, and 5,000 resources of other teams in each subscription's health.

use azure_simulator::azure::{self, GroupSpec, KeySpec, NamedSpec, ServiceSpec, VaultSpec, World};
use serde_json::{Map, Value, json};

use crate::virtual_time::rig::Settings;
use crate::virtual_time::trace::Keeping;

/// What an estate has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) services: usize,
    pub(crate) services_in_workspace: usize,
    pub(crate) keys_in_vault: usize,
    pub(crate) subscriptions: usize,
    /// Resources of other teams in each subscription.
    pub(crate) foreign: u32,
    /// Whether the services are encrypted already, as their objects ask.
    pub(crate) is_encrypted: bool,
    /// Whether the operator may read keys at their vaults.
    pub(crate) is_open: bool,
}

impl Scale {
    /// So many services that are encrypted already.
    pub(crate) const fn of(services: usize) -> Self {
        Self {
            services,
            services_in_workspace: 10,
            keys_in_vault: 20,
            subscriptions: if services < 100 { 1 } else { 2 },
            foreign: 5_000,
            is_encrypted: true,
            is_open: true,
        }
    }

    /// The estate.
    pub(crate) fn world(&self) -> World {
        let mut world = World::builtin();
        world.subscriptions = (0..self.subscriptions).map(subscription).collect();
        world.resource_groups = (0..self.subscriptions).map(group).collect();
        world.foreign_resources = self.foreign;
        (world.identities, world.workspaces) = (Vec::new(), Vec::new());
        (world.vaults, world.services) = (Vec::new(), Vec::new());
        for number in 0..self.services {
            let place = self.place(number);
            if world.workspaces.last().map(|own| &own.name) != Some(&place.workspace) {
                world.workspaces.push(NamedSpec {
                    name: place.workspace.clone(),
                    resource_group: Some(place.group.clone()),
                });
            }
            if world.vaults.last().map(|own| &own.name) != Some(&place.vault) {
                world.vaults.push(VaultSpec {
                    name: place.vault.clone(),
                    resource_group: Some(place.group.clone()),
                    properties: Map::new(),
                    keys: Vec::new(),
                });
            }
            let vault = world.vaults.last_mut().unwrap();
            vault.keys.push(key(&place.key));
            world.services.push(self.service(&place));
        }
        if self.is_open {
            world.open_data_planes();
        }
        world
    }

    /// An object for each service.
    pub(crate) fn objects(&self) -> Vec<Value> {
        (0..self.services)
            .map(|number| self.place(number).object())
            .collect()
    }

    /// Where a service and its key are. Workspaces and vaults do not cross subscriptions.
    pub(crate) fn place(&self, number: usize) -> Place {
        let share = self.services.div_ceil(self.subscriptions);
        let (home, own) = (number / share, number % share);
        Place {
            subscription: subscription(home),
            group: group(home).name,
            workspace: format!("clinic{home}x{}", own / self.services_in_workspace),
            service: format!("dicom-{number:05}"),
            vault: format!("keys-{home}-{}", own / self.keys_in_vault),
            key: format!("cmk-{number:05}"),
        }
    }

    fn service(&self, place: &Place) -> ServiceSpec {
        let key = format!("{}/{}", place.vault, place.key);
        ServiceSpec {
            name: place.service.clone(),
            workspace: Some(place.workspace.clone()),
            identity: self.is_encrypted.then(|| "SystemAssigned".to_owned()),
            key: self.is_encrypted.then_some(key),
            tags: Map::new(),
            properties: Map::new(),
        }
    }
}

/// Where one service and its key are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) subscription: String,
    pub(crate) group: String,
    pub(crate) workspace: String,
    /// Also the name of the object.
    pub(crate) service: String,
    pub(crate) vault: String,
    pub(crate) key: String,
}

impl Place {
    fn home(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers",
            self.subscription, self.group
        )
    }

    fn service_id(&self) -> String {
        let home = self.home();
        format!(
            "{home}/Microsoft.HealthcareApis/workspaces/{}/dicomservices/{}",
            self.workspace, self.service
        )
    }

    fn vault_id(&self) -> String {
        format!("{}/Microsoft.KeyVault/vaults/{}", self.home(), self.vault)
    }

    /// The five things that a naive watcher reads for a service.
    pub(crate) fn reads(&self) -> [String; 5] {
        let (service, vault) = (self.service_id(), self.vault_id());
        [
            format!("{service}?api-version=2024-03-31"),
            format!("{vault}?api-version=2026-02-01"),
            format!("{vault}/keys/{}/versions?api-version=2026-02-01", self.key),
            format!(
                "{vault}/providers/Microsoft.Authorization/roleAssignments?api-version=2022-04-01&$filter=atScope()"
            ),
            format!(
                "{service}/providers/Microsoft.ResourceHealth/availabilityStatuses/current?api-version=2024-02-01"
            ),
        ]
    }

    /// The object that asks for this key.
    pub(crate) fn object(&self) -> Value {
        json!({
            "apiVersion": "dicomenc.io/v1alpha1",
            "kind": "DicomEncryption",
            "metadata": { "name": self.service, "namespace": "default" },
            "spec": {
                "dicomServiceId": self.service_id(),
                "identity": { "type": "SystemAssigned" },
                "key": { "vaultId": self.vault_id(), "name": self.key },
            },
        })
    }
}

/// The waits of Azure and of the operator as they are by default, pages of a thousand rows, and a
/// trace that is fit for a large estate.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings {
        keeping: Keeping::Calls,
        ..Settings::default()
    };
    settings.azure = azure::Settings {
        page_size: 1_000,
        ..azure::Settings::default()
    };
    settings
}

fn subscription(number: usize) -> String {
    format!("11111111-1111-1111-1111-{:012}", number + 1)
}

fn group(number: usize) -> GroupSpec {
    GroupSpec {
        name: format!("imaging-{number}"),
        location: "westeurope".to_owned(),
        subscription: Some(subscription(number)),
    }
}

fn key(name: &str) -> KeySpec {
    KeySpec {
        name: name.to_owned(),
        kty: None,
        key_size: None,
        key_ops: None,
        versions: None,
        attributes: Map::new(),
    }
}
