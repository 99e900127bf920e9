//! What happens to the world of one run, drawn beforehand from a seed alone, so that a seed stands for
//! one schedule whatever the operator does.

use std::time::Duration;

use azure_simulator::azure::{Change, FaultAnswer, FaultRule};
use serde_json::json;

use super::dice::Dice;
use super::rig::Rig;

/// Things that a person does, and undoes later.
pub(crate) const UPSETS: [(&str, &str); 20] = [
    (
        "key clinic-keys/dicom-cmk disabled",
        "key clinic-keys/dicom-cmk enabled",
    ),
    (
        "key clinic-keys/dicom-cmk expired",
        "key clinic-keys/dicom-cmk valid",
    ),
    (
        "key clinic-keys/dicom-cmk not-yet-valid",
        "key clinic-keys/dicom-cmk valid",
    ),
    (
        "key clinic-keys/dicom-cmk deleted",
        "key clinic-keys/dicom-cmk recovered",
    ),
    ("key clinic-keys/dicom-cmk new-version", ""),
    ("vault clinic-keys deleted", "vault clinic-keys recovered"),
    (
        "vault clinic-keys firewall-closed",
        "vault clinic-keys firewall-open",
    ),
    ("identity radiology off", ""),
    ("role-assignments clinic-keys removed", ""),
    ("service radiology operation-fails", ""),
    ("service radiology tags by=hand", ""),
    (
        "vault clinic-keys bypass-off",
        "vault clinic-keys bypass-on",
    ),
    (
        "vault clinic-keys perimeter-closed",
        "vault clinic-keys perimeter-open",
    ),
    (
        "vault clinic-keys data-plane-closed",
        "vault clinic-keys data-plane-open",
    ),
    (
        "deny-assignments clinic-keys added",
        "deny-assignments clinic-keys removed",
    ),
    ("health radiology unavailable", "health radiology automatic"),
    ("health radiology available", "health radiology automatic"),
    ("health radiology unknown", "health radiology automatic"),
    ("throttling on 30", "throttling off"),
    ("control-plane broken", "control-plane ok"),
];

/// Parts of URLs that faults are put on.
const PLACES: [&str; 10] = [
    "management.azure.com",
    "vault.azure.net",
    "login.microsoftonline.com",
    "dicomservices",
    "roleAssignments",
    "denyAssignments",
    "availabilityStatuses",
    "/vaults/",
    "/versions/",
    "operationresults",
];

/// What happens at a moment.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// Somebody changes the estate.
    Words(&'static str),
    /// Some calls go wrong.
    Fault(FaultRule),
    /// The object is suspended, or goes on.
    Suspend(bool),
    /// The process dies, and another begins.
    Restart,
    /// All watches of the API server break.
    BreakWatches,
}

/// What happens, and when, in order.
pub(crate) fn schedule(seed: u64, length: Duration) -> Vec<(Duration, Event)> {
    let mut dice = Dice::new(seed);
    let mut events = Vec::new();
    let mut at = dice.seconds(0, 900);
    while at < length {
        match dice.below(10) {
            0..=4 => {
                let (upset, repair) = *dice.pick(&UPSETS);
                events.push((at, Event::Words(upset)));
                if !repair.is_empty() {
                    events.push((at + dice.seconds(5, 1_200), Event::Words(repair)));
                }
            }
            5..=7 => events.push((at, Event::Fault(fault(&mut dice)))),
            8 => {
                let event = dice.pick(&[Event::Restart, Event::BreakWatches]);
                events.push((at, event.clone()));
            }
            _ => {
                events.push((at, Event::Suspend(true)));
                events.push((at + dice.seconds(5, 900), Event::Suspend(false)));
            }
        }
        at += dice.seconds(10, 900);
    }
    events.sort_by_key(|(when, _)| *when);
    events
}

/// Lets it happen.
pub(crate) fn happen(rig: &mut Rig, event: &Event) {
    match event {
        Event::Words(words) => rig.try_change(words),
        Event::Fault(rule) => rig.apply(&format!("{rule:?}"), &Change::Fault(rule.clone())),
        Event::Suspend(suspend) => rig.edit("radiology", &json!({ "suspend": suspend })),
        Event::Restart => rig.restart(),
        Event::BreakWatches => rig.outside.kube.lock().unwrap().break_watches(),
    }
}

fn fault(dice: &mut Dice) -> FaultRule {
    let status = |status: u16| FaultAnswer::Status { status, body: None };
    let throttled = FaultAnswer::Throttled { retry_after: None };
    let late = u32::try_from(dice.below(30_000)).unwrap();
    let answers = [
        FaultAnswer::DropBefore,
        FaultAnswer::DropAfter,
        FaultAnswer::Delay { milliseconds: late },
        throttled,
        status(401),
        status(403),
        status(404),
        status(409),
        status(412),
        status(500),
        status(503),
        FaultAnswer::Malformed,
        FaultAnswer::Truncated,
        FaultAnswer::Endless,
        FaultAnswer::Silence,
    ];
    let method = *dice.pick(&[None, Some("GET"), Some("PUT"), Some("PATCH")]);
    FaultRule {
        method: method.map(str::to_owned),
        path: Some((*dice.pick(&PLACES)).to_owned()),
        skip: u32::try_from(dice.below(5)).unwrap(),
        times: Some(1 + u32::try_from(dice.below(12)).unwrap()),
        answer: dice.pick(&answers).clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_stands_for_one_schedule() {
        const SIX_HOURS: Duration = Duration::from_hours(6);
        let shown = |seed: u64| format!("{:?}", schedule(seed, SIX_HOURS));
        assert_eq!(shown(7), shown(7));
        assert_ne!(shown(7), shown(8));
        assert!(schedule(7, SIX_HOURS).len() > 20);
    }
}
