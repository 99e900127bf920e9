//! Clients for hosts that are not ARM: vaults and DICOM services.
//!
//! Each host has a client of its own, made of the same parts as the one for ARM, so everything
//! that [`ArmClient`] promises holds here too: the token goes to this one https origin, no
//! redirect and no foreign link is followed, and deadline, page limit and body limit are the same.
//! The host is built here, from a resource's name and the cloud's suffix; no answer and no object
//! can name one. A vault's challenge (`WWW-Authenticate`) is not read: the scope of the token is
//! the cloud's.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use url::Url;
use uuid::Uuid;

use crate::{
    arm::{
        budget::{Budgets, CredentialId, Limit, Limits},
        client::{ArmClient, ArmSettings, CallRecord},
        credential::TokenSource,
        text,
        transport::{Transport, TransportError},
    },
    azure::{DicomServiceId, VaultId},
    clock::Clock,
};

/// What the clients of one kind of host are made of.
#[derive(Clone)]
pub struct DataPlaneSettings {
    /// What follows the name in the host, such as `vault.azure.net`.
    pub suffix: String,
    /// Which login the tokens belong to.
    pub credential: CredentialId,
    /// Tokens of the right scope for these hosts.
    pub tokens: Arc<TokenSource>,
    /// The network.
    pub transport: Arc<dyn Transport>,
    /// How often one host may be called.
    pub limit: Limit,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The longest that a call may take, login included.
    pub deadline: Duration,
    /// Tells this process from others in the ids of its requests.
    pub instance: Uuid,
    /// Is told of each call, after it.
    pub observer: Arc<dyn Fn(&CallRecord) + Send + Sync>,
}

impl fmt::Debug for DataPlaneSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataPlaneSettings")
            .field("suffix", &self.suffix)
            .field("credential", &self.credential)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Clients for all hosts of one kind, each made when it is first needed.
#[derive(Debug)]
pub struct DataPlane {
    settings: DataPlaneSettings,
    clients: Mutex<BTreeMap<String, ArmClient>>,
}

impl DataPlane {
    /// No host is known yet.
    pub fn new(settings: DataPlaneSettings) -> Arc<Self> {
        Arc::new(Self {
            settings,
            clients: Mutex::default(),
        })
    }

    /// The client for a vault.
    pub fn of_vault(&self, vault: &VaultId) -> Result<ArmClient, TransportError> {
        self.at(vault.name())
    }

    /// The client for a DICOM service.
    pub fn of_service(&self, service: &DicomServiceId) -> Result<ArmClient, TransportError> {
        let workspace = service.workspace();
        self.at(&format!("{}-{}", workspace.id().name(), service.name()))
    }

    fn at(&self, label: &str) -> Result<ArmClient, TransportError> {
        let host = format!("{label}.{}", self.settings.suffix).to_lowercase();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&host) {
            return Ok(client.clone());
        }
        let client = self.client(&host)?;
        clients.insert(host, client.clone());
        drop(clients);
        Ok(client)
    }

    fn client(&self, host: &str) -> Result<ArmClient, TransportError> {
        let DataPlaneSettings {
            suffix: _,
            credential,
            tokens,
            transport,
            limit,
            clock,
            deadline,
            instance,
            observer,
        } = self.settings.clone();
        // the budgets of hosts are apart: each counts by itself
        let limits = Limits {
            read: limit,
            ..Limits::default()
        };
        ArmClient::try_new(ArmSettings {
            endpoint: origin(host)?,
            credential,
            tokens,
            transport,
            budgets: Arc::new(Mutex::new(Budgets::new(limits))),
            clock,
            deadline,
            instance: Uuid::new_v5(&instance, host.as_bytes()),
            observer,
        })
    }
}

/// The https origin of a host, which must be just that: a name that a url reads as something else
/// is refused.
fn origin(host: &str) -> Result<Url, TransportError> {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-.".contains(character);
    let url = Url::parse(&format!("https://{host}/")).ok();
    url.filter(|url| host.chars().all(is_plain) && url.host_str() == Some(host))
        .ok_or_else(|| TransportError::Setup {
            what: "the host of a data plane",
            detail: format!("{} is no host", text::printable(host, HOST_LIMIT, &[])),
        })
}

/// At most 40 calls in any 10 seconds: 1 % of what a vault takes of its cheapest kind (4,000
/// transactions in 10 s; key types that count more are slowed by the pace of the reads).
pub const VAULT_LIMIT: Limit = Limit {
    burst: 10,
    per_second: 3,
};

/// Far more than one call each 30 seconds needs.
pub const DICOM_LIMIT: Limit = Limit {
    burst: 5,
    per_second: 1,
};

const HOST_LIMIT: usize = 120;

#[cfg(test)]
mod tests;
