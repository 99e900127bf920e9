//! `Microsoft.HealthcareApis`: the DICOM service and the workspace that holds it.
//!
//! Read and written with one version, 2024-03-31: an older one would drop properties that it does
//! not know. The raw JSON stays beside what we understand of it, for the lossless write in
//! [`body`].

use http::Method;
use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    arm::{
        call::{
            Accepted, Call, Decode, Page, Target, Undecodable, accepted, document, guid, json,
            page, typed,
        },
        error::Subject,
    },
    azure::{DicomServiceId, WorkspaceId},
};

pub mod body;

/// The version of the interface.
pub const API_VERSION: &str = "2024-03-31";

/// A DICOM service as Azure shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DicomService {
    /// The id in Azure's spelling.
    pub id: String,
    /// The region; some answers leave it out.
    pub location: Option<String>,
    /// The version of the resource, where the provider gives one.
    pub etag: Option<String>,
    /// When it was last written, by whomever. Source: `systemData` of the 2024-03-31 interface.
    pub modified_at: Option<Timestamp>,
    /// The identity that the service uses to reach its key.
    pub identity: ServiceIdentity,
    /// Whether an operation runs.
    pub provisioning_state: ProvisioningState,
    /// The key that encrypts the data; `None` (also for an empty text) with Microsoft's keys.
    pub key_url: Option<String>,
    /// Where the service answers.
    pub service_url: Option<String>,
    /// All of it, as it came.
    pub raw: Value,
}

/// The managed identity of a service.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ServiceIdentity {
    /// Whether it has a system-assigned identity.
    pub system_assigned: bool,
    /// The principal of the system-assigned identity.
    pub principal_id: Option<Uuid>,
    /// The tenant of the system-assigned identity.
    pub tenant_id: Option<Uuid>,
    /// The user-assigned identities.
    pub user_assigned: Vec<AttachedIdentity>,
    /// A word for the kind of identity that is none of Azure's documented ones.
    pub unknown_kind: Option<String>,
}

/// A user-assigned identity, as a service shows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AttachedIdentity {
    /// Its id in the spelling of the answer, which may differ in case.
    pub id: String,
    /// Its principal.
    pub principal_id: Option<Uuid>,
    /// Its client id.
    pub client_id: Option<Uuid>,
}

/// Whether an operation runs on a resource.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ProvisioningState {
    /// The last operation ended well.
    Succeeded,
    /// The last operation failed.
    Failed,
    /// The last operation was ended by somebody.
    Canceled,
    /// Neither working nor ended: `Deprovisioned`, `Suspended` or `Warned`.
    Stuck(String),
    /// An operation runs: any other word.
    Busy(String),
    /// The answer does not say.
    Absent,
}

impl ProvisioningState {
    /// Reads Azure's word without regard to case.
    pub fn parse(word: Option<&str>) -> Self {
        let Some(word) = word.map(str::trim).filter(|word| !word.is_empty()) else {
            return Self::Absent;
        };
        match word.to_ascii_lowercase().as_str() {
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "canceled" | "cancelled" => Self::Canceled,
            "deprovisioned" | "suspended" | "warned" => Self::Stuck(word.to_owned()),
            _ => Self::Busy(word.to_owned()),
        }
    }

    /// Whether the resource may be written: nothing runs on it.
    pub fn is_terminal(&self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Canceled => true,
            Self::Stuck(_) | Self::Busy(_) | Self::Absent => false,
        }
    }
}

/// A workspace of Azure Health Data Services.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Workspace {
    /// The id in Azure's spelling.
    #[serde(default)]
    pub id: String,
    /// The region, which its services share.
    #[serde(default)]
    pub location: Option<String>,
}

/// Reads one service.
pub fn get(service: &DicomServiceId) -> Call<DicomService> {
    let subject = Subject {
        what: "read the DICOM service",
        action: "Microsoft.HealthcareApis/workspaces/dicomservices/read",
        target: service.id().as_str().to_owned(),
    };
    let decode = Decode(|_, bytes| decode(json(bytes)?));
    Call::get(
        subject,
        at(service),
        Some(service.id().subscription()),
        decode,
    )
}

/// Lists the services of a workspace.
pub fn list(workspace: &WorkspaceId) -> Call<Page<DicomService>> {
    let subject = Subject {
        what: "list the DICOM services of",
        action: "Microsoft.HealthcareApis/workspaces/dicomservices/read",
        target: workspace.id().as_str().to_owned(),
    };
    let path = format!("{}/dicomservices", workspace.id());
    let decode = Decode(|_, bytes| page(bytes, decode));
    Call::get(
        subject,
        target(path),
        Some(workspace.id().subscription()),
        decode,
    )
}

/// Reads a workspace.
pub fn workspace(workspace: &WorkspaceId) -> Call<Workspace> {
    let subject = Subject {
        what: "read the workspace",
        action: "Microsoft.HealthcareApis/workspaces/read",
        target: workspace.id().as_str().to_owned(),
    };
    let path = workspace.id().as_str().to_owned();
    Call::get(
        subject,
        target(path),
        Some(workspace.id().subscription()),
        Decode(document),
    )
}

/// Switches an identity on: a PATCH, which touches nothing else. `body` is from
/// [`body::identity_patch`].
pub fn patch_identity(service: &DicomServiceId, body: Value) -> Call<Accepted> {
    write(service, "switch on the identity of", Method::PATCH, body)
}

/// Writes the whole service: `body` is from [`body::put_body`] or [`body::revalidation_body`].
pub fn put(service: &DicomServiceId, body: Value) -> Call<Accepted> {
    write(service, "write the DICOM service", Method::PUT, body)
}

fn write(
    service: &DicomServiceId,
    what: &'static str,
    method: Method,
    body: Value,
) -> Call<Accepted> {
    let subject = Subject {
        what,
        action: "Microsoft.HealthcareApis/workspaces/dicomservices/write",
        target: service.id().as_str().to_owned(),
    };
    let call = Call::get(
        subject,
        at(service),
        Some(service.id().subscription()),
        Decode(accepted),
    );
    call.write(method, body)
}

fn at(service: &DicomServiceId) -> Target {
    target(service.id().as_str().to_owned())
}

fn target(path: String) -> Target {
    Target::Path {
        path,
        api_version: API_VERSION,
        query: &[],
    }
}

/// The wire model: what we understand of a service.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    id: String,
    location: Option<String>,
    etag: Option<String>,
    system_data: Option<WireSystemData>,
    identity: Option<WireIdentity>,
    properties: WireProperties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSystemData {
    last_modified_at: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireProperties {
    provisioning_state: Option<String>,
    service_url: Option<String>,
    encryption: Option<WireEncryption>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireEncryption {
    customer_managed_key_encryption: Option<WireKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireKey {
    key_encryption_key_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireIdentity {
    r#type: Option<String>,
    #[serde(default, deserialize_with = "guid")]
    principal_id: Option<Uuid>,
    #[serde(default, deserialize_with = "guid")]
    tenant_id: Option<Uuid>,
    user_assigned_identities: Option<serde_json::Map<String, Value>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAttached {
    #[serde(default, deserialize_with = "guid")]
    principal_id: Option<Uuid>,
    #[serde(default, deserialize_with = "guid")]
    client_id: Option<Uuid>,
}

fn decode(raw: Value) -> Result<DicomService, Undecodable> {
    let wire: Wire = typed(&raw)?;
    let key = wire
        .properties
        .encryption
        .and_then(|encryption| encryption.customer_managed_key_encryption);
    Ok(DicomService {
        id: wire.id,
        location: wire.location,
        etag: wire.etag,
        modified_at: wire
            .system_data
            .and_then(|data| data.last_modified_at)
            .and_then(|text| text.parse().ok()),
        identity: wire.identity.map(identity).transpose()?.unwrap_or_default(),
        provisioning_state: ProvisioningState::parse(wire.properties.provisioning_state.as_deref()),
        key_url: key
            .and_then(|key| key.key_encryption_key_url)
            .filter(|url| !url.trim().is_empty()),
        service_url: wire.properties.service_url,
        raw,
    })
}

fn identity(wire: WireIdentity) -> Result<ServiceIdentity, Undecodable> {
    let WireIdentity {
        r#type,
        principal_id,
        tenant_id,
        user_assigned_identities,
    } = wire;
    let kind = IdentityKind::parse(r#type.as_deref());
    let attached = user_assigned_identities
        .unwrap_or_default()
        .into_iter()
        .map(|(id, value)| {
            let shown: Option<WireAttached> = typed(&value).map_err(|inner| Undecodable {
                path: format!("identity.userAssignedIdentities.{}", inner.path),
                ..inner
            })?;
            let shown = shown.unwrap_or_default();
            Ok(AttachedIdentity {
                id,
                principal_id: shown.principal_id,
                client_id: shown.client_id,
            })
        });
    Ok(ServiceIdentity {
        system_assigned: kind.system,
        principal_id: principal_id.filter(|_| kind.system),
        tenant_id,
        user_assigned: attached.collect::<Result<_, Undecodable>>()?,
        unknown_kind: kind.unknown,
    })
}

/// `None`, `SystemAssigned`, `UserAssigned`, or both joined by a comma; case does not matter.
#[derive(Debug, Default)]
struct IdentityKind {
    system: bool,
    user: bool,
    unknown: Option<String>,
}

impl IdentityKind {
    fn parse(word: Option<&str>) -> Self {
        let mut kind = Self::default();
        for part in word.unwrap_or_default().split(',').map(str::trim) {
            match part.to_ascii_lowercase().as_str() {
                "" | "none" => {}
                "systemassigned" => kind.system = true,
                "userassigned" => kind.user = true,
                _ => kind.unknown = Some(part.to_owned()),
            }
        }
        kind
    }
}

#[cfg(test)]
mod tests;
