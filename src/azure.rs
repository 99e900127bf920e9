//! Values that name things in Azure: parsed once at the border, then trusted.
//!
//! Pure: no network, no clock, no Kubernetes. Identifiers compare without regard to case, as Azure
//! does, and keep the spelling they came with for people to read.

pub mod cloud;
pub mod key_url;
pub mod resource_id;
pub mod role;

pub use self::cloud::Cloud;
pub use self::key_url::{KeyName, KeyUrl, KeyVersion};
pub use self::resource_id::{DicomServiceId, IdentityId, ResourceId, VaultId, WorkspaceId};
pub use self::role::VaultRole;
