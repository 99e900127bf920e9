//! One pass over one object: look, plan, at most one write, look again, report.

use std::sync::Arc;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt as _};
use thiserror::Error;
use tokio::time::timeout;
use uuid::Uuid;

use crate::crd::{DicomEncryption, DicomEncryptionStatus};
use crate::domain::judge::{Case, Next};
use crate::domain::observed::Service;
use crate::domain::plan::{Plan, Standing, fingerprint, plan};
use crate::domain::report::{VERIFIED_EVERY, report, report_invalid};
use crate::domain::step::Step;
use crate::domain::{Desired, Memory};
use crate::metrics::ReconcileOutcome;
use crate::telemetry::error_chain;

use super::apply::{ApplyError, apply};
use super::context::{Context, KUBE_DEADLINE};
use super::look::{Look, Sight};
use super::operation;
use super::publish::{PublishError, publish};
use super::revalidation;
use super::setback::{self, Attempt};
use super::state::{AcceptedWrite, ObjectState};

/// The shortest pause before an operation, or the effect of a write, is looked at again.
const SHORTEST_POLL: SignedDuration = SignedDuration::from_secs(1);

/// The longest such pause.
const LONGEST_POLL: SignedDuration = SignedDuration::from_secs(15);

/// Why a pass did not come to its end. It is taken up again with a growing pause.
#[derive(Debug, Error)]
pub(super) enum ReconcileError {
    /// The status was not written.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

/// One pass over one object.
pub(super) async fn reconcile(
    object: Arc<DicomEncryption>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let uid = object.uid().unwrap_or_default();
    if object.metadata.deletion_timestamp.is_some() {
        context.parts.observer.forget(&uid);
        return Ok(Action::await_change());
    }
    let state = context.states.of(&uid);
    let old = state.published.clone().or_else(|| object.status.clone());
    let desired = match Desired::try_new(&object.spec, &context.parts.settings.vault_suffix) {
        Ok(desired) => desired,
        Err(wrong) => return invalid(&object, &context, old.as_ref(), &wrong).await,
    };
    let pass = Pass {
        object: &object,
        context: &context,
        uid: &uid,
        old: old.as_ref(),
        desired: &desired,
        state: &state,
    };
    let ended = pass.run().await;
    // what went during the pass must not be watched on, nor told of, for what the pass left behind
    if context.roster.find(&uid).is_none() {
        context.let_go(&uid, &ObjectRef::from_obj(&*object));
    }
    ended
}

async fn invalid(
    object: &DicomEncryption,
    context: &Context,
    old: Option<&DicomEncryptionStatus>,
    wrong: &[String],
) -> Result<Action, ReconcileError> {
    context
        .parts
        .observer
        .forget(&object.uid().unwrap_or_default());
    let status = report_invalid(
        old,
        object.metadata.generation,
        wrong,
        context.parts.clock.now(),
    );
    publish(context, object, old, &status).await?;
    context
        .parts
        .metrics
        .objects
        .reconciled(ReconcileOutcome::Stalled, std::time::Duration::ZERO);
    Ok(Action::await_change())
}

/// What one pass works with.
pub(super) struct Pass<'pass> {
    object: &'pass DicomEncryption,
    pub(super) context: &'pass Context,
    pub(super) uid: &'pass str,
    old: Option<&'pass DicomEncryptionStatus>,
    pub(super) desired: &'pass Desired,
    /// What was remembered when the pass began.
    state: &'pass ObjectState,
}

impl Pass<'_> {
    async fn run(&self) -> Result<Action, ReconcileError> {
        let started = self.context.parts.clock.monotonic();
        let correlation = Uuid::new_v4();
        let mut memory = self.memory();
        let mut sight = self.look(&memory).first().await;
        operation::settle(self, &mut sight, correlation, &memory).await;
        self.note_operation(&sight);
        memory = self.memory();
        self.note_set(&sight, &mut memory);
        let mut planned = self.plan(&sight, &memory);
        let is_busy = sight.service().is_some_and(Service::is_busy);
        if planned.access.next == Next::Look && !is_busy {
            sight = self.look(&memory).at_links(&sight).await;
            planned = self.plan(&sight, &memory);
        }
        if planned.step.is_some() {
            sight = self.look(&memory).before_write().await;
            planned = self.plan(&sight, &memory);
            if let Some(step) = planned.step.clone()
                && self.look(&memory).is_ground_for_write(&sight)
            {
                self.write(&step, &sight, &memory, correlation).await;
                sight = self.look(&memory).after_write(&step).await;
                memory = self.memory();
                memory.note_loss(&planned.access);
                self.note_set(&sight, &mut memory);
                planned = self.plan(&sight, &memory);
            }
        }
        if self.settle_effects(&planned, &sight, &memory) {
            planned = self.plan(&sight, &memory);
        }

        let case = self.case(&sight, &memory);
        let status = report(self.old, self.object.metadata.generation, &planned, &case);
        publish(self.context, self.object, self.old, &status).await?;
        self.context.states.change(self.uid, |state| {
            revalidation::published(state, &planned, &status, sight.at);
        });
        let took = self.context.parts.clock.monotonic().since(started);
        self.context
            .parts
            .metrics
            .objects
            .reconciled(outcome(&planned), took);
        Ok(self.next(&planned, &sight, &status))
    }

    /// What the status and this process remember.
    fn memory(&self) -> Memory {
        let mut memory = Memory::of(self.old);
        revalidation::remember(&self.context.states.of(self.uid), &mut memory);
        memory
    }

    fn note_operation(&self, sight: &Sight) {
        if sight.service().is_some_and(Service::is_busy) {
            self.context.states.change(self.uid, |state| {
                state.operation_at = Some(sight.at);
            });
        }
    }

    fn look<'memory>(&'memory self, memory: &'memory Memory) -> Look<'memory> {
        Look {
            context: self.context,
            uid: self.uid,
            desired: self.desired,
            memory,
        }
    }

    pub(super) fn case<'sight>(
        &'sight self,
        sight: &'sight Sight,
        memory: &'sight Memory,
    ) -> Case<'sight> {
        Case {
            desired: self.desired,
            observed: &sight.observed,
            memory,
            settings: self.context.parts.settings.plan,
            now: sight.at,
        }
    }

    fn plan(&self, sight: &Sight, memory: &Memory) -> Plan {
        let state = self.context.states.of(self.uid);
        let standing = Standing {
            rival: self.context.roster.rival(self.object),
            crd_outdated: state.crd_outdated,
            setback: state.setback,
        };
        plan(
            self.desired,
            &sight.observed,
            memory,
            (&standing, self.context.parts.settings.plan),
            sight.at,
        )
    }

    /// Makes the one write of this pass, if the object is still as we know it and we still lead.
    async fn write(&self, step: &Step, sight: &Sight, memory: &Memory, correlation: Uuid) {
        let Some(service) = sight.service() else {
            return;
        };
        if !self.is_current().await {
            return;
        }
        if !self
            .context
            .parts
            .fence
            .may_write(self.context.parts.clock.monotonic())
        {
            tracing::warn!(%step, "a write is left out: this replica does not lead any more");
            return;
        }
        tracing::info!(%step, %correlation, "write to Azure");
        let arm = self.context.parts.arm.correlated(correlation);
        let answer = apply(&arm, step, service, &*self.context.parts.clock).await;
        // Azure may have taken long to answer: what was read before it did shows no effect
        let now = self.context.parts.clock.now();
        self.context
            .states
            .change(self.uid, |state| state.wrote_at = Some(now));
        match answer {
            Ok(accepted) => {
                tracing::info!(%step, %correlation, "Azure accepted the write");
                self.context.parts.metrics.arm.azure_written(step.word());
                self.context.states.change(self.uid, |state| {
                    state.setback = None;
                    state.polls = 0;
                    revalidation::accepted(state, step, (&accepted, correlation), now);
                    state.accepted = Some(AcceptedWrite {
                        step: step.clone(),
                        operation: accepted.operation,
                        at: now,
                    });
                });
            }
            Err(error) => {
                self.record_setback(step, &error, &fingerprint(&self.case(sight, memory)));
            }
        }
    }

    fn record_setback(&self, step: &Step, error: &ApplyError, known: &str) {
        tracing::warn!(%step, error = %error_chain(error), "a write did not work");
        let now = self.context.parts.clock.now();
        self.context.states.change(self.uid, |state| {
            revalidation::refused(state, step, error);
            let attempt = Attempt {
                failures: state.failures,
                fingerprint: known,
                now,
            };
            state.setback = Some(setback::of_error(step, error, attempt));
            state.failures = state.failures.saturating_add(1);
        });
    }

    /// No write without a fresh read of the object itself: the watch may be behind, and the object
    /// deleted, changed or made anew under the same name.
    async fn is_current(&self) -> bool {
        let namespace = self.object.namespace().unwrap_or_default();
        let api: Api<DicomEncryption> =
            Api::namespaced(self.context.parts.client.clone(), &namespace);
        let read = timeout(KUBE_DEADLINE, api.get_metadata_opt(&self.object.name_any())).await;
        match read {
            Ok(Ok(Some(found))) => {
                found.metadata.uid == self.object.metadata.uid
                    && found.metadata.generation == self.object.metadata.generation
                    && found.metadata.deletion_timestamp.is_none()
            }
            Ok(Ok(None)) => false,
            Ok(Err(error)) => {
                tracing::warn!(error = %error_chain(&error), "a write is left out: the object cannot be read");
                false
            }
            Err(_) => {
                tracing::warn!("a write is left out: the API server does not answer");
                false
            }
        }
    }

    /// When to look again without anything having changed.
    fn next(&self, planned: &Plan, sight: &Sight, status: &DicomEncryptionStatus) -> Action {
        let now = self.context.parts.clock.now();
        if planned.record.is_some() || planned.begin_revalidation {
            // what was recorded just now was the last thing in the way
            return Action::requeue(std::time::Duration::from_millis(10));
        }
        let known = self.context.states.of(self.uid);
        if known.crd_outdated && !self.state.crd_outdated {
            return Action::requeue(std::time::Duration::from_millis(10));
        }
        let is_awaited = sight.service().is_some_and(Service::is_busy) || known.accepted.is_some();
        let mut soonest = now + self.context.parts.settings.recheck;
        // what is due and was not done lacked fresh facts, or this replica does not lead
        let is_due = planned.step.is_some() || planned.access.next == Next::Look;
        if is_awaited || is_due {
            soonest = soonest.min(now + poll_pause(known.polls));
            self.context.states.change(self.uid, |state| {
                state.polls = state.polls.saturating_add(1);
            });
        } else if known.polls > 0 {
            self.context
                .states
                .change(self.uid, |state| state.polls = 0);
        }
        let retry = known.setback.and_then(|setback| setback.retry_at);
        let verify = status
            .key_access
            .as_ref()
            .and_then(|access| access.verified_at.as_ref())
            .map(|at| at.0 + VERIFIED_EVERY);
        let remind = planned
            .access
            .loss
            .and_then(|loss| loss.next_reminder(sight.at));
        for at in [planned.recheck, retry, verify, remind]
            .into_iter()
            .flatten()
            .filter(|at| *at > now)
        {
            soonest = soonest.min(at);
        }
        Action::requeue(until(now, soonest))
    }
}

fn poll_pause(polls: u32) -> SignedDuration {
    let factor = 1_i32.checked_shl(polls.min(8)).unwrap_or(i32::MAX);
    SHORTEST_POLL
        .checked_mul(factor)
        .unwrap_or(LONGEST_POLL)
        .min(LONGEST_POLL)
}

fn until(now: Timestamp, at: Timestamp) -> std::time::Duration {
    std::time::Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

fn outcome(planned: &Plan) -> ReconcileOutcome {
    let summary = &planned.summary;
    if planned.step.is_some() {
        ReconcileOutcome::Stepped
    } else if summary.stalled.is_some() {
        ReconcileOutcome::Stalled
    } else if summary.reconciling.is_some() {
        ReconcileOutcome::Waiting
    } else if summary.ready.is_yes() {
        ReconcileOutcome::Settled
    } else {
        ReconcileOutcome::Unknown
    }
}
