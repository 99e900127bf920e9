//! Carries out one step: reads the resource afresh, compares it with what was decided on, writes.

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use thiserror::Error;
use url::Url;

use crate::arm::authorization::{self, NewAssignment};
use crate::arm::client::{Answer, ArmClient};
use crate::arm::dicom::body::{self, BodyError, WantedIdentity};
use crate::arm::dicom::{self, DicomService};
use crate::arm::error::ArmError;
use crate::azure::{DicomServiceId, ResourceId};
use crate::clock::Clock;
use crate::domain::observed::Service;
use crate::domain::step::Step;
use crate::observe::convert;

/// How old the read may be on which the write of a service rests (safety rule I8).
const OLDEST_READ: SignedDuration = SignedDuration::from_secs(2);

/// A write that Azure accepted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Where to ask how the operation went, if it goes on.
    pub operation: Option<Url>,
    /// How long Azure asks to wait before looking.
    pub retry_after: Option<std::time::Duration>,
    /// Azure's name for the exchange.
    pub request_id: Option<String>,
}

/// A write that was not made, or of which it is not known whether it was.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The service is not any more as it was when this was decided.
    #[error("the service has changed since this was decided")]
    Changed,
    /// Azure was so slow that the read before the write is too old to write on.
    #[error("the service was read more than {} s ago", OLDEST_READ.as_secs())]
    Slow,
    /// The scope of a role assignment is not an ARM id.
    #[error("the scope {0:?} of the role assignment is not an ARM id")]
    Scope(String),
    /// The service as it was read cannot be written back.
    #[error("failed to put together the write")]
    Body(#[from] BodyError),
    /// Azure did not accept it, or did not answer.
    #[error("failed to write")]
    Arm(#[from] ArmError),
}

/// Carries out one step. `decided_on` is the service as it was when the step was decided.
pub async fn apply(
    arm: &ArmClient,
    step: &Step,
    decided_on: &Service,
    clock: &dyn Clock,
) -> Result<Accepted, ApplyError> {
    match step {
        Step::EnableIdentity { service, identity } => {
            let (read, asked_at) = unchanged(arm, service, decided_on).await?;
            let wanted = identity
                .clone()
                .map_or(WantedIdentity::SystemAssigned, WantedIdentity::UserAssigned);
            let sent = body::identity_patch(&read.raw, &wanted)?;
            require_fresh(asked_at, clock)?;
            Ok(accepted(
                arm.send(dicom::patch_identity(service, sent)).await?,
            ))
        }
        Step::AssignRole {
            scope,
            role,
            principal,
            name,
        } => {
            let scope: ResourceId = scope
                .parse()
                .map_err(|_| ApplyError::Scope(scope.clone()))?;
            let assignment = NewAssignment {
                scope,
                name: *name,
                role: role.guid(),
                principal_id: *principal,
            };
            Ok(accepted(arm.send(authorization::put(&assignment)).await?))
        }
        Step::SetKeyUrl {
            service,
            url,
            principal: _,
        } => {
            let (read, asked_at) = unchanged(arm, service, decided_on).await?;
            let location = location(arm, service, &read).await?;
            let sent = body::put_body(&read.raw, location.as_deref(), url)?;
            require_fresh(asked_at, clock)?;
            Ok(accepted(arm.send(dicom::put(service, sent)).await?))
        }
        Step::Revalidate {
            service,
            url: _,
            principal: _,
        } => {
            let (read, asked_at) = unchanged(arm, service, decided_on).await?;
            let location = location(arm, service, &read).await?;
            let sent = body::revalidation_body(&read.raw, location.as_deref())?;
            require_fresh(asked_at, clock)?;
            Ok(accepted(arm.send(dicom::put(service, sent)).await?))
        }
    }
}

/// The workspace's region, when the service does not tell its own.
async fn location(
    arm: &ArmClient,
    service: &DicomServiceId,
    read: &DicomService,
) -> Result<Option<String>, ArmError> {
    if read.location.is_some() {
        return Ok(None);
    }
    let call = dicom::workspace(&service.workspace()).urgent();
    Ok(arm.send(call).await?.value.location)
}

/// Reads the service right before it is written, and tells when it was asked for: nobody else may
/// have come between.
async fn unchanged(
    arm: &ArmClient,
    service: &DicomServiceId,
    decided_on: &Service,
) -> Result<(DicomService, Timestamp), ApplyError> {
    let answer = arm.send(dicom::get(service).urgent()).await?;
    if convert::service(&answer.value).is_ok_and(|found| found == *decided_on) {
        Ok((answer.value, answer.asked_at))
    } else {
        Err(ApplyError::Changed)
    }
}

fn require_fresh(asked_at: Timestamp, clock: &dyn Clock) -> Result<(), ApplyError> {
    if clock.now().duration_since(asked_at) <= OLDEST_READ {
        Ok(())
    } else {
        Err(ApplyError::Slow)
    }
}

fn accepted<T>(answer: Answer<T>) -> Accepted {
    Accepted {
        operation: answer.operation_url,
        retry_after: answer.retry_after,
        request_id: answer.request_id,
    }
}
