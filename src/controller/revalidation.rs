//! The PUT that brings a service back: what the shell remembers of it between passes.
//!
//! It is recorded in the status before it is sent, so that there is never more than one an hour,
//! whatever crashes. Only the process that recorded it may send it: another one cannot know whether
//! it was sent.

use k8s_openapi::jiff::Timestamp;
use uuid::Uuid;

use crate::arm::error::ArmError;
use crate::crd::{DicomEncryptionStatus, KeyAccessState, Reason, RevalidationOutcome};
use crate::domain::Memory;
use crate::domain::plan::Plan;
use crate::domain::step::Step;
use crate::telemetry::error_chain;

use super::apply::{Accepted, ApplyError};
use super::state::ObjectState;

/// What became of a revalidation, until the status says it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Noted {
    /// What became of it.
    pub outcome: RevalidationOutcome,
    /// What support asks for.
    pub details: Option<String>,
}

/// Adds to what the status remembers what this process knows.
pub(super) fn remember(state: &ObjectState, memory: &mut Memory) {
    memory.watched_at = state.watched_at;
    memory.intent = state.intent;
    memory.put_at = state.put_at;
    memory.operation_at = state.operation_at;
    memory.is_put_pending = state.accepted.as_ref().is_some_and(|write| {
        matches!(write.step, Step::SetKeyUrl { .. } | Step::Revalidate { .. })
    });
    if let Some(Noted { outcome, details }) = &state.revalidation {
        memory.note_revalidation(*outcome, details.clone());
    }
}

/// Azure accepted a write: a PUT of the service makes it look at its key again, whatever it was for.
pub(super) fn accepted(
    state: &mut ObjectState,
    step: &Step,
    (accepted, correlation): (&Accepted, Uuid),
    now: Timestamp,
) {
    match step {
        Step::EnableIdentity { .. } | Step::AssignRole { .. } => {}
        Step::SetKeyUrl { .. } => state.put_at = Some(now),
        Step::Revalidate { .. } => {
            state.put_at = Some(now);
            state.intent = None;
            let request = accepted.request_id.as_deref().unwrap_or("unknown");
            state.revalidation = Some(Noted {
                outcome: RevalidationOutcome::Accepted,
                details: Some(format!(
                    "x-ms-request-id {request}, x-ms-correlation-request-id {correlation}"
                )),
            });
        }
    }
}

/// A write did not work. One that Azure surely did not take may be repeated; of any other it is
/// assumed that it was taken.
pub(super) fn refused(state: &mut ObjectState, step: &Step, error: &ApplyError) {
    if matches!(step, Step::Revalidate { .. }) && !is_surely_not_taken(error) {
        state.intent = None;
        state.revalidation = Some(Noted {
            outcome: RevalidationOutcome::Begun,
            details: Some(format!("the answer to it was lost: {}", error_chain(error))),
        });
    }
}

/// The operation of a write ended without success.
pub(super) fn failed(state: &mut ObjectState, step: &Step, words: &str) {
    if matches!(step, Step::Revalidate { .. }) {
        let before = state.revalidation.take().and_then(|noted| noted.details);
        state.revalidation = Some(Noted {
            outcome: RevalidationOutcome::Failed,
            details: Some(match before {
                Some(before) => format!("{words}; {before}"),
                None => words.to_owned(),
            }),
        });
    }
}

/// A status was published: what it says now need not be remembered any more.
pub(super) fn published(
    state: &mut ObjectState,
    planned: &Plan,
    status: &DicomEncryptionStatus,
    now: Timestamp,
) {
    let access = status.key_access.as_ref();
    if planned.begin_revalidation {
        let begun = access.and_then(|access| access.revalidation.as_ref());
        state.intent = begun.map(|begun| begun.at.0);
        state.revalidation = None;
    }
    match planned.access.state {
        KeyAccessState::Accessible | KeyAccessState::AtRisk => state.watched_at = Some(now),
        KeyAccessState::Lost if planned.access.verdict.reason() != Reason::PrincipalChanged => {
            state.put_at = None;
        }
        KeyAccessState::Lost | KeyAccessState::Recovering | KeyAccessState::Unknown => {}
    }
}

const fn is_surely_not_taken(error: &ApplyError) -> bool {
    match error {
        ApplyError::Changed | ApplyError::Slow | ApplyError::Scope(_) | ApplyError::Body(_) => true,
        ApplyError::Arm(error) => match error {
            ArmError::Credential { .. }
            | ArmError::Throttled { .. }
            | ArmError::Unsendable { .. } => true,
            ArmError::Refused(refusal) => refusal.status.as_u16() < 500,
            ArmError::Transport { .. }
            | ArmError::Undecodable { .. }
            | ArmError::Redirected { .. }
            | ArmError::ForeignLink { .. }
            | ArmError::Paging { .. } => false,
        },
    }
}
