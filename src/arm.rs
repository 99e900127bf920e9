//! How to speak to Azure: to Azure Resource Manager, and to the own hosts of vaults and services.
//!
//! Requests are values ([`Call`]), one file per resource provider with its paths, its api-version,
//! its wire model and how an answer is read. [`ArmClient`] sends one call and reports what came
//! back; it retries nothing, waits for nothing and decides nothing. Every failure is an
//! [`ArmError`] that says what to do now.
//!
//! This tree knows `azure` and `clock`, and nothing of Kubernetes or of our decisions.

pub mod authorization;
pub mod budget;
pub mod call;
pub mod client;
pub mod credential;
pub mod data_plane;
pub mod deny_assignment;
pub mod dicom;
pub mod dicom_data;
pub mod error;
#[cfg(test)]
mod fake;
pub mod identity;
pub mod key_vault;
pub mod operation;
pub mod resource_health;
pub mod retry_after;
pub mod subscription;
pub mod text;
pub mod transport;
pub mod vault_data;

pub use self::call::{Call, Page};
pub use self::client::{Answer, ArmClient, ArmSettings, CallOutcome, CallRecord};
pub use self::data_plane::{DataPlane, DataPlaneSettings};
pub use self::error::{Advice, ArmError, ErrorCode, Missing, Refusal, Subject};
pub use self::transport::{HttpSettings, HttpTransport, ProxySettings, Transport, TransportError};
