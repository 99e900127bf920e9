//! The DicomEncryption operator: it makes an Azure DICOM service encrypt its data with the
//! customer's own key, and never stops watching that the service can still reach that key.

pub mod arm;
pub mod azure;
pub mod clock;
pub mod crd;
pub mod domain;
pub mod observe;
