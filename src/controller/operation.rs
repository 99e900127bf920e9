//! Follows the operation that an accepted write began. Whether one runs at all is told by the
//! service's `provisioningState`, with no memory needed; the operation itself has Azure's words
//! for how it ended.

use uuid::Uuid;

use crate::arm::error::{Advice, ArmError};
use crate::arm::operation::{OperationState, status};
use crate::domain::Memory;
use crate::domain::fact::Seen;
use crate::domain::observed::{Provisioning, Service};
use crate::domain::plan::fingerprint;
use crate::domain::step::Step;

use super::look::Sight;
use super::reconcile::Pass;
use super::{revalidation, setback};

/// Asks how an operation of ours went once the service is idle again. While the operation itself
/// says that it runs, the service counts as busy.
pub(super) async fn settle(pass: &Pass<'_>, sight: &mut Sight, correlation: Uuid, memory: &Memory) {
    let (context, uid) = (pass.context, pass.uid);
    let Some(accepted) = context.states.of(uid).accepted else {
        return;
    };
    let Some(link) = accepted.operation.clone() else {
        return;
    };
    if sight.service().is_none_or(Service::is_busy) {
        return;
    }
    let arm = context.parts.arm.correlated(correlation);
    let subscription = pass.desired.service.id().subscription();
    let ended = match arm.send(status(link, Some(subscription))).await {
        Ok(answer) => answer.value,
        // what was read before the write says nothing of it: the operation is asked for again
        Err(error) if is_passing(&error) && sight.observed.service.at() <= Some(accepted.at) => {
            tracing::debug!(error = %error, "the operation cannot be read for the moment");
            return;
        }
        Err(error) => {
            // the operation may be long forgotten by Azure: the service itself, which is idle, decides
            tracing::debug!(error = %error, "the operation cannot be read");
            context.states.change(uid, |state| {
                if let Some(write) = &mut state.accepted {
                    write.operation = None;
                }
            });
            return;
        }
    };
    let known = fingerprint(&pass.case(sight, memory));
    let lost_at = memory.is_lost().then_some(sight.at);
    let words = match ended {
        OperationState::Running => {
            sight.keep_busy("an operation of ours runs");
            return;
        }
        OperationState::Succeeded => None,
        OperationState::Failed { code, message } => Some(format!("{}: {message}", code.as_str())),
        OperationState::Canceled { message } => Some(format!("it was canceled: {message}")),
    };
    context.states.change(uid, |state| {
        if let Some(write) = &mut state.accepted {
            write.operation = None;
        }
        if let Some(words) = words {
            tracing::warn!(step = %accepted.step, %words, "an operation ended without success");
            revalidation::failed(state, &accepted.step, &words);
            // a revalidation has a rule of its own for when it is sent again
            state.setback = (!matches!(accepted.step, Step::Revalidate { .. }))
                .then(|| setback::of_operation(&accepted.step, &words, (&known, lost_at)));
            state.accepted = None;
        } else {
            state.failures = 0;
        }
    });
}

/// Whether asking again may bring an answer. One that Azure refuses or does not know will not.
fn is_passing(error: &ArmError) -> bool {
    match error.advice() {
        Advice::Retry { .. }
        | Advice::Throttled { .. }
        | Advice::Reauthenticate
        | Advice::WaitForPropagation
        | Advice::Conflict { .. } => true,
        Advice::NotFound(_)
        | Advice::AskForPermission { .. }
        | Advice::FixRequest { .. }
        | Advice::AlreadyExists
        | Advice::Garbage => false,
    }
}

impl Sight {
    fn keep_busy(&mut self, word: &str) {
        if let Seen::Present { value, .. } = &mut self.observed.service.seen {
            value.provisioning = Provisioning::Busy(word.to_owned());
        }
    }
}
