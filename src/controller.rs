//! The kube shell: watches objects, reconciles them, writes their status.
//!
//! It decides nothing: that is `domain`'s. One object's panic or wait does not stop the others.

pub mod apply;
pub mod context;
mod effects;
pub mod lease;
mod look;
mod operation;
pub mod publish;
mod reconcile;
pub mod revalidation;
mod roster;
pub mod setback;
pub mod state;
mod transitions;
mod watch;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use kube::ResourceExt as _;
use kube::runtime::controller::{Action, Config};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::Controller;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::admin::Readiness;
use crate::crd::DicomEncryption;
use crate::domain::wants::wants;
use crate::domain::{Desired, Memory};
use crate::metrics::ReconcileOutcome;
use crate::telemetry::error_chain;

use self::context::Context;
pub use self::context::{Parts, Settings};
use self::reconcile::ReconcileError;
use self::state::States;

/// How long an object rests after its pass panicked.
const REST_AFTER_PANIC: Duration = Duration::from_mins(1);

/// How long an object rests after its pass did not come to its end.
const REST_AFTER_ERROR: Duration = Duration::from_secs(5);

/// Runs until `shutdown`: watches, reconciles, and lets running passes end.
pub async fn run(parts: Parts, readiness: Readiness, shutdown: CancellationToken) {
    let (store, writer) = reflector::store();
    let (wake, woken) = mpsc::unbounded_channel();
    let reporter = Reporter {
        controller: publish::FIELD_MANAGER.into(),
        instance: Some(parts.settings.instance.clone()),
    };
    let context = Arc::new(Context {
        recorder: Recorder::new(parts.client.clone(), reporter.clone()),
        reporter,
        roster: Arc::default(),
        states: States::default(),
        parts,
    });
    let attendance = Attendance {
        store: store.clone(),
        context: Arc::clone(&context),
    };
    let objects = watch::objects(
        watch::api(
            context.parts.client.clone(),
            context.parts.settings.namespace.as_deref(),
        ),
        writer,
        Arc::clone(&context.roster),
        wake,
        attendance,
    );
    let synced = {
        let store = store.clone();
        async move {
            if store.wait_until_ready().await.is_ok() {
                readiness.watch_synced(true);
            }
        }
    };
    let config = Config::default().concurrency(context.parts.settings.concurrency);
    let passes = Controller::for_stream(objects, store.clone())
        .with_config(config)
        .reconcile_on(stream(woken))
        .reconcile_on(changed(&context))
        .graceful_shutdown_on(shutdown.cancelled_owned())
        .run(guarded, rest_after_error, context)
        .for_each(|_| async {});
    futures::join!(passes, synced);
}

fn stream<T: Send + 'static>(
    mut receiver: mpsc::UnboundedReceiver<T>,
) -> impl futures::Stream<Item = T> + Send + 'static {
    futures::stream::poll_fn(move |context| receiver.poll_recv(context))
}

/// The objects that a changed fact concerns.
fn changed(
    context: &Context,
) -> impl futures::Stream<Item = ObjectRef<DicomEncryption>> + Send + 'static {
    let changes = context
        .parts
        .observer
        .changes()
        .unwrap_or_else(|| mpsc::unbounded_channel().1);
    let roster = Arc::clone(&context.roster);
    stream(changes).filter_map(move |uid| std::future::ready(roster.find(&uid)))
}

/// One pass, in a span of its own. A panic ends this pass, not the controller.
async fn guarded(
    object: Arc<DicomEncryption>,
    context: Arc<Context>,
) -> Result<Action, ReconcileError> {
    let span = tracing::info_span!(
        "reconcile",
        namespace = object.namespace().unwrap_or_default(),
        name = object.name_any(),
        generation = object.metadata.generation,
    );
    let pass =
        reconcile::reconcile(Arc::clone(&object), Arc::clone(&context)).instrument(span.clone());
    if let Ok(ended) = AssertUnwindSafe(pass).catch_unwind().await {
        return ended;
    }
    span.in_scope(|| {
        tracing::error!("the pass panicked; this is a defect of the operator: please report it");
    });
    context
        .parts
        .metrics
        .objects
        .reconciled(ReconcileOutcome::Panicked, Duration::ZERO);
    Ok(Action::requeue(REST_AFTER_PANIC))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn rest_after_error(
    object: Arc<DicomEncryption>,
    error: &ReconcileError,
    context: Arc<Context>,
) -> Action {
    tracing::warn!(
        namespace = object.namespace().unwrap_or_default(),
        name = object.name_any(),
        error = %error_chain(error),
        "the pass did not come to its end and is taken up again"
    );
    context
        .parts
        .metrics
        .objects
        .reconciled(ReconcileOutcome::Failed, Duration::ZERO);
    Action::requeue(REST_AFTER_ERROR)
}

/// Objects come and go.
struct Attendance {
    store: Store<DicomEncryption>,
    context: Arc<Context>,
}

impl watch::Attendance for Attendance {
    /// What all of them want to know is read before their first passes, list by list: if each asked
    /// for its own, thousands of them would use up the reads that there are.
    fn listed(&self) {
        let suffix = &self.context.parts.settings.vault_suffix;
        let objects = self.store.state();
        let present = objects
            .iter()
            .filter(|object| object.metadata.deletion_timestamp.is_none());
        let wants = present.filter_map(|object| {
            let desired = Desired::try_new(&object.spec, suffix).ok()?;
            let memory = Memory::of(object.status.as_ref());
            Some((object.uid()?, wants(&desired, &memory, None, None)))
        });
        self.context.parts.observer.expect(wants);
    }

    fn gone(&self, uid: &str, object: &ObjectRef<DicomEncryption>) {
        self.context.let_go(uid, object);
    }
}
