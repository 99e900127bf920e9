//! A DICOM service's own host (data plane): one cheap question that its data store has to answer.
//!
//! Needs `Microsoft.HealthcareApis/workspaces/dicomservices/resources/read` as a data action
//! (DICOM Data Reader). The answer names an image of somebody: it is not read.

use crate::{
    arm::{
        call::{Accepted, Call, Decode, Target, accepted},
        error::Subject,
    },
    azure::DicomServiceId,
};

/// Asks for the newest entry of the change feed, and takes note of the status only.
pub fn latest(service: &DicomServiceId) -> Call<Accepted> {
    let subject = Subject {
        what: "ask for the newest change of the DICOM service",
        action: "Microsoft.HealthcareApis/workspaces/dicomservices/resources/read",
        target: service.to_string(),
    };
    let target = Target::Plain {
        path: "/v2/changefeed/latest",
    };
    Call::get(subject, target, None, Decode(accepted))
}
