//! The DICOM service's own host: `GET /v2/changefeed/latest` answers as the store stands.

use http::{Method, StatusCode};
use serde_json::json;

use super::{
    answer::{Answer, Failure, Result},
    call::Call,
    caller::Caller,
    estate::Estate,
    service::Store,
};

impl Estate {
    /// Answers a call to `https://<workspace>-<service>.dicom.azurehealthcareapis.com`; `None` when
    /// no such host exists.
    pub(super) fn dicom_data(
        &self,
        call: &Call,
        label: &str,
        caller: &Caller,
    ) -> Option<Result<Answer>> {
        let service = self
            .services
            .values()
            .find(|service| service.host_label() == label)?;
        let action = "Microsoft.HealthcareApis/workspaces/dicomservices/resources/read";
        let allowed =
            !caller.limited || self.grants(&caller.principal, action, &service.id, call.now);
        Some(if !allowed {
            Err(Failure::forbidden("Forbidden", "Authorization failed."))
        } else if call.method != Method::GET {
            Err(Failure::method(call))
        } else if call.lower(0).starts_with('v') && call.lower(1) == "changefeed" {
            latest(service.store)
        } else {
            Err(Failure::missing(
                "NotFound",
                "The specified resource was not found.",
            ))
        })
    }
}

/// Lost: 500, as the documentation has it. Healing: 503. Too late: 424, as the server's code has it.
fn latest(store: Store) -> Result<Answer> {
    match store {
        Store::Open => Ok(Answer::ok(json!({
            "sequence": 0,
            "studyInstanceUid": "1.2.3",
            "seriesInstanceUid": "1.2.3.4",
            "sopInstanceUid": "1.2.3.4.5",
            "action": "Create",
            "timestamp": "2024-01-01T00:00:00Z",
            "state": "Current",
        }))),
        Store::Lost { .. } => Err(Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalServerError",
            "The server has encountered an error.",
        )),
        Store::Healing { .. } => Err(Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            "The data store is not ready.",
        )),
        Store::Inaccessible { .. } => Err(Failure::new(
            StatusCode::FAILED_DEPENDENCY,
            "FailedDependency",
            "The customer-managed key of this service cannot be used.",
        )),
    }
}
