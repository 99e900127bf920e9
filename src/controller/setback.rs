//! What a write that did not work means for the next one.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::arm::error::{Advice, ArmError};
use crate::crd::Reason;
use crate::domain::plan::Setback;
use crate::domain::step::Step;
use crate::telemetry::error_chain;

use super::apply::ApplyError;

/// The first wait after a write that did not work; each further one doubles it.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(5);

/// The longest wait between two tries.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(5);

/// The wait after an operation that failed while key access is lost.
const FAILED_WAIT: SignedDuration = SignedDuration::from_mins(15);

/// How long the effect of an accepted write may take to be seen before it is made again.
pub const EFFECT_WAIT: SignedDuration = SignedDuration::from_secs(60);

/// How often the same write has been tried, and what was known then.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'facts> {
    /// How often it did not work before.
    pub failures: u32,
    /// What was known when it was tried.
    pub fingerprint: &'facts str,
    /// When it was tried.
    pub now: Timestamp,
}

/// What to tell of a write that did not work, and when to try again.
pub fn of_error(step: &Step, error: &ApplyError, attempt: Attempt<'_>) -> Setback {
    let (reason, after, words) = match error {
        ApplyError::Changed => (
            Reason::ServiceBusy,
            Some(SignedDuration::from_secs(1)),
            "the service changed between reading and writing; it is read again".to_owned(),
        ),
        ApplyError::Slow => (
            Reason::AzureUnreachable,
            None,
            "Azure answers too slowly: what was read is too old to write on; it is read again"
                .to_owned(),
        ),
        ApplyError::Scope(_) | ApplyError::Body(_) => {
            (Reason::WriteRefused, None, error_chain(error))
        }
        ApplyError::Arm(source) => {
            let (reason, after) = of_arm(source);
            (reason, after, source.what_now())
        }
    };
    let is_final = matches!(error, ApplyError::Scope(_) | ApplyError::Body(_));
    Setback {
        step: step.clone(),
        reason,
        message: format!("to {step} did not work: {words}"),
        retry_at: (!is_final)
            .then(|| attempt.now + after.unwrap_or_default().max(backoff(attempt.failures))),
        fingerprint: attempt.fingerprint.to_owned(),
    }
}

/// An operation that ended without success: taken up again once something was seen to change, and
/// while key access is lost also after a while, for then the clinic waits.
pub fn of_operation(
    step: &Step,
    words: &str,
    (fingerprint, lost_at): (&str, Option<Timestamp>),
) -> Setback {
    let retry_at = lost_at.map(|now| now + FAILED_WAIT);
    let while_lost = retry_at.map_or_else(String::new, |at| {
        format!(", and at {at:.0} because key access is lost")
    });
    Setback {
        step: step.clone(),
        reason: Reason::OperationFailed,
        message: format!(
            "Azure accepted to {step}, but the operation ended without success: {words}; it is tried again once service, vault, key, grant or this object change{while_lost}"
        ),
        retry_at,
        fingerprint: fingerprint.to_owned(),
    }
}

/// A write that was accepted and whose effect is not seen yet.
pub fn of_delay(step: &Step, accepted_at: Timestamp, fingerprint: &str) -> Setback {
    Setback {
        step: step.clone(),
        reason: step.reason(),
        message: format!("Azure accepted to {step}, and the effect is not seen yet"),
        retry_at: Some(accepted_at + EFFECT_WAIT),
        fingerprint: fingerprint.to_owned(),
    }
}

fn of_arm(error: &ArmError) -> (Reason, Option<SignedDuration>) {
    let signed = |wait: std::time::Duration| SignedDuration::try_from(wait).unwrap_or(LONGEST_WAIT);
    match error.advice() {
        Advice::Retry { after } => (Reason::AzureUnreachable, after.map(signed)),
        Advice::Throttled { after } => (Reason::Throttled, Some(signed(after))),
        Advice::Reauthenticate => (Reason::NotAuthorised, None),
        Advice::WaitForPropagation => (Reason::GrantPending, Some(SignedDuration::from_secs(10))),
        Advice::AlreadyExists => (Reason::CreatingGrant, Some(SignedDuration::from_secs(2))),
        Advice::Conflict { after } => (Reason::ServiceBusy, after.map(signed)),
        // A person gives the permission, or changes what Azure refused; nothing we see tells that.
        Advice::AskForPermission { .. } | Advice::FixRequest { .. } | Advice::NotFound(_) => {
            (Reason::WriteRefused, Some(SignedDuration::from_mins(1)))
        }
        Advice::Garbage => (
            Reason::AzureUnreachable,
            Some(SignedDuration::from_secs(30)),
        ),
    }
}

fn backoff(failures: u32) -> SignedDuration {
    let doubled = FIRST_WAIT.checked_mul(1_i32.checked_shl(failures.min(10)).unwrap_or(i32::MAX));
    doubled.unwrap_or(LONGEST_WAIT).min(LONGEST_WAIT)
}
