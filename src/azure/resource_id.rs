//! ARM resource ids: a closed grammar, compared without regard to case.
//!
//! Source: Azure Resource Manager's id form
//! `/subscriptions/{guid}/resourceGroups/{name}/providers/{namespace}/{type}/{name}...`, and the
//! name rules of each resource provider's OpenAPI.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use thiserror::Error;
use uuid::Uuid;

/// The longest ARM id that is accepted. Azure's own limit is 2,048 characters.
pub const MAX_LENGTH: usize = 1024;

/// Why a text is not the ARM id that was asked for. Each variant says what to write instead.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum ResourceIdError {
    /// The text is longer than [`MAX_LENGTH`].
    #[error("is {0} characters long; an ARM id has at most {MAX_LENGTH}")]
    TooLong(usize),
    /// The segments do not follow the ARM form.
    #[error(
        "is not an ARM id; write /subscriptions/<guid>/resourceGroups/<group>/providers/<namespace>/<type>/<name>"
    )]
    Shape,
    /// The subscription is not a GUID with dashes.
    #[error("names the subscription {0:?}, which is not a GUID")]
    Subscription(String),
    /// A segment holds characters that Azure does not allow there.
    #[error("has the segment {0:?}, which Azure does not allow there")]
    Segment(String),
    /// A well-formed id of something else.
    #[error("is an id of {found}; write one of {expected}")]
    WrongType {
        /// What the id names.
        found: String,
        /// What was asked for.
        expected: &'static str,
    },
    /// A managed HSM, which is not supported yet.
    #[error(
        "names a managed HSM, which is not supported yet; write the id of a vault (Microsoft.KeyVault/vaults)"
    )]
    ManagedHsm,
}

/// One resource in Azure, named by its full ARM id.
#[derive(Clone)]
pub struct ResourceId {
    text: String,
    /// `text` in lower case: what is compared.
    folded: String,
    subscription: Uuid,
    resource_group: String,
    provider: String,
    /// Type and name, outermost first.
    path: Vec<(String, String)>,
}

impl ResourceId {
    /// The subscription that holds the resource.
    pub fn subscription(&self) -> Uuid {
        self.subscription
    }

    /// The resource group's name as it was written.
    pub fn resource_group(&self) -> &str {
        &self.resource_group
    }

    /// Provider and types, such as `Microsoft.KeyVault/vaults`, as they were written.
    pub fn resource_type(&self) -> String {
        self.path
            .iter()
            .fold(self.provider.clone(), |joined, (kind, _)| {
                format!("{joined}/{kind}")
            })
    }

    /// The name of the innermost resource.
    pub fn name(&self) -> &str {
        self.path.last().map_or("", |(_, name)| name)
    }

    /// The id as it was written, without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id in lower case: equal for equal resources.
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// The id of the subscription that holds the resource.
    pub fn subscription_scope(&self) -> String {
        format!("/subscriptions/{}", self.subscription)
    }

    /// The id of the resource group that holds the resource.
    pub fn group_scope(&self) -> String {
        format!(
            "{}/resourceGroups/{}",
            self.subscription_scope(),
            self.resource_group
        )
    }

    /// The id of the resource that holds this one, when it is a child resource.
    fn parent(&self) -> Option<Self> {
        if self.path.len() < 2 {
            return None;
        }
        let (above, _) = self.text.rsplit_once('/')?;
        let (parent, _) = above.rsplit_once('/')?;
        parent.parse().ok()
    }

    /// The same name one step down from this id.
    fn child(&self, kind: &str, name: &str) -> Self {
        let mut path = self.path.clone();
        path.push((kind.to_owned(), name.to_owned()));
        let text = format!("{}/{kind}/{name}", self.text);
        Self {
            folded: text.to_lowercase(),
            text,
            subscription: self.subscription,
            resource_group: self.resource_group.clone(),
            provider: self.provider.clone(),
            path,
        }
    }
}

impl FromStr for ResourceId {
    type Err = ResourceIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_LENGTH {
            return Err(ResourceIdError::TooLong(text.len()));
        }
        let rest = text.strip_prefix('/').ok_or(ResourceIdError::Shape)?;
        let segments: Vec<&str> = rest.split('/').collect();
        let [
            subscriptions,
            subscription,
            groups,
            group,
            providers,
            provider,
            path @ ..,
        ] = segments.as_slice()
        else {
            return Err(ResourceIdError::Shape);
        };
        if !subscriptions.eq_ignore_ascii_case("subscriptions")
            || !groups.eq_ignore_ascii_case("resourceGroups")
            || !providers.eq_ignore_ascii_case("providers")
            || path.is_empty()
            || path.len() % 2 != 0
        {
            return Err(ResourceIdError::Shape);
        }
        for segment in path.iter().chain([group, provider]) {
            if !is_segment(segment) {
                return Err(ResourceIdError::Segment((*segment).to_owned()));
            }
        }
        Ok(Self {
            text: text.to_owned(),
            folded: text.to_lowercase(),
            subscription: guid(subscription)
                .ok_or_else(|| ResourceIdError::Subscription((*subscription).to_owned()))?,
            resource_group: (*group).to_owned(),
            provider: (*provider).to_owned(),
            path: path
                .chunks_exact(2)
                .filter_map(|pair| match pair {
                    [kind, name] => Some(((*kind).to_owned(), (*name).to_owned())),
                    _ => None,
                })
                .collect(),
        })
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.folded == other.folded
    }
}

impl Eq for ResourceId {}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded.cmp(&other.folded)
    }
}

impl Hash for ResourceId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded.hash(state);
    }
}

impl fmt::Debug for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, formatter)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// A GUID in the one spelling that ARM uses, with dashes.
fn guid(text: &str) -> Option<Uuid> {
    (text.len() == 36)
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
}

fn is_segment(segment: &str) -> bool {
    (1..=90).contains(&segment.len())
        && segment
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.()".contains(&byte))
        && !segment.ends_with('.')
        && !segment.starts_with('.')
}

/// A kind of ARM id: its type, and the rule for its name(s).
struct Kind {
    resource_type: &'static str,
    described: &'static str,
    names: fn(&str) -> bool,
}

fn typed(text: &str, kind: &Kind) -> Result<ResourceId, ResourceIdError> {
    let id: ResourceId = text.parse()?;
    let found = id.resource_type();
    if !found.eq_ignore_ascii_case(kind.resource_type) {
        if found.eq_ignore_ascii_case("Microsoft.KeyVault/managedHSMs") {
            return Err(ResourceIdError::ManagedHsm);
        }
        return Err(ResourceIdError::WrongType {
            found,
            expected: kind.described,
        });
    }
    match id.path.iter().find(|(_, name)| !(kind.names)(name)) {
        Some((_, name)) => Err(ResourceIdError::Segment(name.clone())),
        None => Ok(id),
    }
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $kind:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(ResourceId);

        impl $name {
            /// The untyped id.
            pub fn id(&self) -> &ResourceId {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = ResourceIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                typed(text, &$kind).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

typed_id!(
    /// A DICOM service of Azure Health Data Services.
    DicomServiceId,
    Kind {
        resource_type: "Microsoft.HealthcareApis/workspaces/dicomservices",
        described: "a DICOM service (Microsoft.HealthcareApis/workspaces/dicomservices)",
        names: |name| (3..=24).contains(&name.len()) && is_letters_digits_dashes(name),
    }
);

typed_id!(
    /// A workspace of Azure Health Data Services, which holds DICOM services.
    WorkspaceId,
    Kind {
        resource_type: "Microsoft.HealthcareApis/workspaces",
        described: "a workspace (Microsoft.HealthcareApis/workspaces)",
        names: |name| (3..=24).contains(&name.len()) && is_letters_digits_dashes(name),
    }
);

typed_id!(
    /// A key vault.
    VaultId,
    Kind {
        resource_type: "Microsoft.KeyVault/vaults",
        described: "a vault (Microsoft.KeyVault/vaults)",
        names: |name| (3..=24).contains(&name.len()) && is_letters_digits_dashes(name),
    }
);

typed_id!(
    /// A user-assigned managed identity.
    IdentityId,
    Kind {
        resource_type: "Microsoft.ManagedIdentity/userAssignedIdentities",
        described: "a user-assigned identity (Microsoft.ManagedIdentity/userAssignedIdentities)",
        names: |name| (3..=128).contains(&name.len()),
    }
);

impl DicomServiceId {
    /// The service's own name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The workspace that holds the service.
    pub fn workspace(&self) -> WorkspaceId {
        let parent = self.0.parent().unwrap_or_else(|| self.0.clone());
        WorkspaceId(parent)
    }
}

impl WorkspaceId {
    /// The id of a DICOM service in this workspace.
    pub fn service(&self, name: &str) -> Result<DicomServiceId, ResourceIdError> {
        self.0.child("dicomservices", name).as_str().parse()
    }
}

impl VaultId {
    /// The vault's name: the first label of its host name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The ARM id of a key in this vault.
    pub fn key(&self, name: &super::KeyName) -> ResourceId {
        self.0.child("keys", name.as_str())
    }
}

fn is_letters_digits_dashes(name: &str) -> bool {
    name.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests;
