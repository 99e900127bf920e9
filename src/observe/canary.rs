//! The canary: one cheap question that only a DICOM service with its data store can answer.
//!
//! It says how the service answers, and never why: the key is one cause among others.

use http::StatusCode;

use super::{
    Observer,
    ending::Failure,
    read::{Fetched, Why},
    value::Value,
};
use crate::{
    arm::{ArmError, Refusal, dicom_data},
    azure::DicomServiceId,
    domain::{
        fact::{Denial, Trouble, TroubleKind},
        observed::Canary,
    },
};

impl Observer {
    /// Asks a service for data, with our own login.
    pub(super) async fn canary(
        &self,
        service: &DicomServiceId,
        why: Why,
    ) -> Result<Fetched, Failure> {
        let Some(hosts) = &self.planes.services else {
            return Err(Failure::Refused(Denial {
                message: "this cloud has no hosts of DICOM services that are known: set \
                          watch.canary to Disabled"
                    .to_owned(),
            }));
        };
        let client = hosts.of_service(service);
        let client = client.map_err(|error| unknown(error.to_string()))?;
        let call = dicom_data::latest(service);
        let at = self.clock.now();
        let answer = match why {
            Why::Sweep => self.host_gate.pass(client.send(call)).await,
            Why::Probe => self.probe_gate.pass(client.send(call.urgent())).await,
        };
        let canary = match answer {
            Ok(_) => Canary::Serving,
            Err(ArmError::Refused(refusal)) => told(&refusal)?,
            Err(error) => return Err(Failure::from(error)),
        };
        Ok(Fetched {
            value: Value::Canary(canary),
            at,
        })
    }
}

/// 500 is what the documentation says of a lost key, 424 what the service's code says; 503 is a
/// store that is not ready. Anything else is between us and the service.
fn told(refusal: &Refusal) -> Result<Canary, Failure> {
    match refusal.status {
        StatusCode::INTERNAL_SERVER_ERROR
        | StatusCode::FAILED_DEPENDENCY
        | StatusCode::SERVICE_UNAVAILABLE => Ok(Canary::Failing {
            status: refusal.status.as_u16(),
        }),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Failure::Refused(Denial {
            message: format!(
                "the service does not let the operator ask for data ({}): assign DICOM Data \
                 Reader to the operator's identity, or set watch.canary to Disabled",
                refusal.status.as_u16()
            ),
        })),
        status => Err(unknown(format!(
            "the service answers {} to a question for data; the operator asks again",
            status.as_u16()
        ))),
    }
}

fn unknown(message: String) -> Failure {
    Failure::Trouble {
        trouble: Trouble {
            kind: TroubleKind::Unreachable,
            message,
        },
        wait: None,
    }
}
