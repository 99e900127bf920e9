//! The Kubernetes contract `dicomenc.io/v1alpha1`: plain data and the rules that the API server
//! checks. No behaviour lives here.

pub mod condition;
pub mod rules;
pub mod spec;
pub mod status;
mod yaml;

pub use self::condition::{ConditionType, Reason};
pub use self::spec::{
    AccessManagement, AccessSpec, AssignmentScope, CanaryWatch, DeletionPolicy, DicomEncryption,
    DicomEncryptionSpec, IdentitySpec, IdentityType, KeySpec, Mode, OnDrift, RecoverySpec,
    Revalidate, RoleName, WatchSpec,
};
pub use self::status::{
    DicomEncryptionStatus, EndedLossStatus, GrantOrigin, GrantStatus, IdentityStatus,
    KeyAccessState, KeyAccessStatus, KeyOrigin, KeyStatus, KeyVersionState, KeyVersionStatus,
    PendingKeyStatus, RevalidationOutcome, RevalidationStatus, SignalName, SignalStatus,
    SignalWord,
};
pub use self::yaml::yaml;
