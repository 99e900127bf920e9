//! One random run, whose seed is printed: six hours in which anything happens, and then quiet.
//!
//! Set `DICOMENC_SEED` to run another one.

use std::time::Duration;

use k8s_openapi::jiff::SignedDuration;
use serde_json::json;

use super::estate::{clinic, object};
use super::invariants::{busiest_minute, unquiet};
use super::rig::{Rig, Settings};
use super::schedule::{UPSETS, happen, schedule};

const SIX_HOURS: Duration = Duration::from_hours(6);
const DEFAULT_SEED: u64 = 20_260_301;

/// Six hours of that, everything mended, and a settled object.
async fn run(seed: u64) -> Rig {
    let mut world = clinic();
    // every other run reads keys through ARM
    if seed % 2 == 1 {
        world.open_data_planes();
    }
    let mut rig = Rig::with_objects(world, Settings::default(), &[object("radiology")]);
    let begin = rig.now();
    for (at, event) in schedule(seed, SIX_HOURS) {
        let wait = begin + SignedDuration::try_from(at).unwrap();
        let wait = wait.duration_since(rig.now());
        rig.pass(wait.try_into().unwrap_or_default()).await;
        happen(&mut rig, &event);
    }
    rig.heal();
    rig.edit("radiology", &json!({ "suspend": false }));
    for (_, repair) in UPSETS.iter().filter(|(_, repair)| !repair.is_empty()) {
        rig.try_change(repair);
    }
    // an operation that failed is tried again once something changes, or by another process; the
    // last one may have been bound to fail since long before
    for _ in 0..2 {
        rig.restart();
        // a revalidation may be due within the hour after the one before
        let limit = Duration::from_mins(90);
        if rig.comes_true(limit, |rig| rig.is_ready("radiology")).await {
            break;
        }
    }
    rig.until_ready("radiology", Duration::from_secs(1)).await;
    rig
}

#[tokio::test(start_paused = true)]
async fn seeded_run() {
    #[expect(
        clippy::disallowed_methods,
        reason = "a person who repeats a run says so here"
    )]
    let wanted = std::env::var("DICOMENC_SEED").ok();
    let seed = wanted.map_or(DEFAULT_SEED, |text| text.parse().unwrap());
    println!("DICOMENC_SEED={seed}");
    let rig = run(seed).await;
    rig.assert_safe();
    let most = busiest_minute(&rig.since(0));
    assert!(most <= 150, "{most} calls in a minute");

    rig.pass(Duration::from_mins(30)).await;
    let mark = rig.mark();
    rig.pass(Duration::from_hours(2)).await;
    assert_eq!(unquiet(&rig.since(mark)), Vec::<String>::new());
    assert!(rig.is_ready("radiology"));
}
