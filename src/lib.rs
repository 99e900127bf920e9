//! The DicomEncryption operator: it makes an Azure DICOM service encrypt its data with the
//! customer's own key, and never stops watching that the service can still reach that key.

pub mod admin;
pub mod arm;
pub mod azure;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod crd;
pub mod domain;
pub mod metrics;
pub mod observe;
pub mod operator;
pub mod telemetry;
