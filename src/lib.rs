//! The DicomEncryption operator: it makes an Azure DICOM service encrypt its data with the
//! customer's own key, and never stops watching that the service can still reach that key.

pub mod admin;
pub mod cli;
pub mod clock;
pub mod controller;
pub mod metrics;
pub mod telemetry;
