//! A process that dies at any of its calls, before or after it takes effect, and another that
//! begins with nothing remembered: the end is the same.

use std::time::Duration;

use serde_json::{Value, json};

use super::estate::{clinic, object};
use super::links::Moment;
use super::rig::{Rig, Settings};
use super::trace::{AzureCall, Entry};

const FIVE_MINUTES: Duration = Duration::from_mins(5);

/// What has to be the same in the end: the estate and the status, without times and what the
/// simulator shows only in passing.
fn end_state(rig: &Rig) -> Value {
    let truth = rig.outside.truth();
    let mut status = rig.status("radiology");
    without_times(&mut status);
    let grants = truth.estate["roleAssignments"].as_array().unwrap();
    let grants: Vec<Value> = grants
        .iter()
        .map(|own| json!([own["principal"], own["role"], own["scope"]]))
        .collect();
    json!({ "services": truth.estate["services"], "grants": grants, "status": status })
}

fn without_times(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for time in ["lastTransitionTime", "appliedAt", "createdOn", "verifiedAt"] {
                fields.shift_remove(time);
            }
            fields.values_mut().for_each(without_times);
        }
        Value::Array(rows) => rows.iter_mut().for_each(without_times),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// How many writes of each kind took effect: identity, grants made, keys set.
fn effects(rig: &Rig) -> [usize; 3] {
    let entries = rig.since(0);
    let count = |wanted: fn(&AzureCall) -> bool| {
        let writes = entries.iter().filter_map(Entry::azure);
        let writes = writes.filter(|call| call.is_write() && wanted(call));
        writes.count()
    };
    [
        count(|call| call.method == "PATCH"),
        count(AzureCall::is_of_assignment),
        count(|call| call.is_of_service() && call.method == "PUT"),
    ]
}

/// Onboards with a process that dies so, and one that takes over.
async fn onboarded(death: Option<(u64, Moment)>) -> Rig {
    let mut rig = Rig::new(clinic(), Settings::brisk());
    rig.start_to_die(death);
    rig.create(&object("radiology"));
    rig.until("it is ready, or dead", FIVE_MINUTES, |rig| {
        rig.is_dead() || rig.is_ready("radiology")
    })
    .await;
    if rig.is_dead() {
        rig.pass(Duration::from_secs(3)).await;
        rig.restart();
    }
    rig.until_ready("radiology", FIVE_MINUTES).await;
    rig
}

async fn dying_anywhere_changes_nothing(moment: Moment) {
    let reference = onboarded(None).await;
    assert_eq!(effects(&reference), [1, 1, 1]);
    let (end, calls) = (end_state(&reference), reference.calls());
    assert!(calls > 30, "{calls} calls");
    for number in 0..calls {
        let rig = onboarded(Some((number, moment))).await;
        assert_eq!(
            end_state(&rig),
            end,
            "dead at call {number}\n{}",
            rig.tale()
        );
        let [patches, grants, puts] = effects(&rig);
        assert!(
            patches <= 2 && grants <= 2 && puts <= 2,
            "dead at call {number}: {:?}\n{}",
            rig.writes(0),
            rig.tale()
        );
        rig.assert_safe();
    }
}

#[tokio::test(start_paused = true)]
async fn dying_before_any_call_of_the_onboarding_leads_to_the_same_end() {
    dying_anywhere_changes_nothing(Moment::Before).await;
}

#[tokio::test(start_paused = true)]
async fn dying_after_any_call_of_the_onboarding_leads_to_the_same_end() {
    dying_anywhere_changes_nothing(Moment::After).await;
}

#[tokio::test(start_paused = true)]
async fn a_new_process_finds_a_settled_object_settled_and_writes_nothing() {
    let mut rig = onboarded(None).await;
    let mark = rig.mark();
    for _ in 0..5 {
        rig.restart();
        rig.pass(Duration::from_mins(5)).await;
    }
    assert_eq!(rig.writes(mark), Vec::<String>::new());
    assert_eq!(rig.status_patches(mark), 0, "{}", rig.tale());
    rig.assert_safe();
}
