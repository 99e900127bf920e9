//! What watching and onboarding cost, in calls: the whole operator in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;

use crate::figures::{Figure, count};
use crate::jobs::{Job, in_virtual_time};
use crate::scale::{Scale, settings};
use crate::statuses::ready;
use crate::virtual_time::rig::Rig;
use crate::virtual_time::trace::{AzureCall, Entry};

/// Five GETs a minute for each service: the service, its identity, the vault, the key, the role.
const NAIVE_CALLS: f64 = 300.0;

/// The same, once for each service.
const NAIVE_START: f64 = 5.0;

/// Reads that come back to a subscription in an hour, 25 a second.
const READ_BUDGET: f64 = 90_000.0;

/// Requests that a vault answers in an hour, 4,000 in ten seconds.
const VAULT_LIMIT: f64 = 1_440_000.0;

/// The status patches that the brief allows, and the writes to Azure that it takes.
const MOST_PATCHES: f64 = 6.0;
const NEEDED_WRITES: f64 = 3.0;

/// A status that is written each minute, for a day.
const NAIVE_PATCHES: f64 = 1_440.0;

const AN_HOUR: Duration = Duration::from_hours(1);

/// A large estate is watched for a part of an hour, in which each interval fits a whole number of
/// times, and what is counted is scaled up.
const LARGE: usize = 1_000;

/// An estate that takes as long to watch as all others together is a part of its own.
const HUGE: usize = 10_000;
const SHARES: u32 = 6;

/// All that is measured here.
pub(crate) fn jobs() -> Vec<Job> {
    let hour = |about: &str, scale: Scale| {
        let about = about.to_owned();
        Job {
            part: if scale.services < HUGE {
                "economy"
            } else {
                "huge"
            },
            about: format!("watching {} services{about}", scale.services),
            work: Box::new(move || in_virtual_time(watching(scale, about))),
        }
    };
    let through_arm = Scale {
        is_open: false,
        ..Scale::of(100)
    };
    let mut jobs: Vec<Job> = [HUGE, LARGE, 100, 10]
        .map(|services| hour("", Scale::of(services)))
        .into();
    jobs.push(hour("_arm", through_arm));
    jobs.push(Job {
        part: "onboarding",
        about: "onboarding, and a settled day after it".to_owned(),
        work: Box::new(|| in_virtual_time(onboarding())),
    });
    jobs
}

/// Settled services, watched for an hour or a part of it.
async fn watching(scale: Scale, variant: String) -> Vec<Figure> {
    let services = scale.services;
    let shares = if services < LARGE { 1 } else { SHARES };
    let rig = settled(&scale).await;
    let start = rig.outside.trace.take();
    let start = start
        .iter()
        .filter_map(Entry::azure)
        .filter(|call| is_arm(call))
        .count();
    rig.pass(Duration::from_mins(10)).await;
    rig.outside.trace.take();
    rig.pass(AN_HOUR / shares).await;
    let entries = rig.outside.trace.take();
    let calls: Vec<&AzureCall> = entries.iter().filter_map(Entry::azure).collect();
    let arm = calls.iter().filter(|call| is_arm(call)).count();
    let busiest = |of: fn(&AzureCall) -> Option<&str>| {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for called in calls.iter().filter_map(|call| of(call)) {
            *counts.entry(called).or_default() += 1;
        }
        f64::from(shares) * count(counts.into_values().max().unwrap_or_default())
    };
    let refused = calls.iter().filter(|call| call.status == Some(429)).count();
    let name = |what: &str| format!("{what}_n{services}{variant}");
    vec![
        Figure::new(
            name("arm_calls_per_service_hour"),
            f64::from(shares) * count(arm) / count(services),
            "calls",
            NAIVE_CALLS,
        ),
        Figure::new(
            name("arm_read_budget_used"),
            busiest(subscription),
            "calls/h",
            READ_BUDGET,
        ),
        Figure::new(
            name("vault_calls_per_hour"),
            busiest(vault),
            "calls/h",
            VAULT_LIMIT,
        ),
        Figure::new(name("throttled_calls"), count(refused), "calls", 0.0),
        Figure::new(
            name("arm_calls_per_service_start"),
            count(start) / count(services),
            "calls",
            NAIVE_START,
        ),
    ]
}

/// Twenty services on Microsoft's keys, from their objects to a day after they are encrypted.
async fn onboarding() -> Vec<Figure> {
    let scale = Scale {
        is_encrypted: false,
        foreign: 0,
        ..Scale::of(20)
    };
    let rig = settled(&scale).await;
    let entries = rig.outside.trace.take();
    let each = |number: usize| count(number) / count(scale.services);
    let patches = patches(&entries);
    let events = events(&entries);
    let writes = entries.iter().filter_map(Entry::azure);
    let writes = writes.filter(|call| call.is_write()).count();
    rig.pass(Duration::from_mins(10)).await;
    rig.outside.trace.take();
    rig.pass(Duration::from_hours(24)).await;
    let day = rig.outside.trace.take();
    vec![
        Figure::new(
            "kube_writes_per_onboarding",
            each(patches),
            "patches",
            MOST_PATCHES,
        ),
        Figure::new(
            "kube_events_per_onboarding",
            each(events),
            "events",
            MOST_PATCHES,
        ),
        Figure::new(
            "arm_writes_per_onboarding",
            each(writes),
            "calls",
            NEEDED_WRITES,
        ),
        Figure::new(
            "kube_writes_per_object_day_settled",
            each(self::patches(&day) + self::events(&day)),
            "writes",
            NAIVE_PATCHES,
        ),
    ]
}

/// The estate with an operator that has found every object ready.
async fn settled(scale: &Scale) -> Rig {
    let rig = Rig::with_objects(scale.world(), settings(), &scale.objects());
    let limit = Duration::from_hours(2);
    rig.until("all objects are ready", limit, |rig| {
        ready(rig) == scale.services
    })
    .await;
    rig
}

fn patches(entries: &[Entry]) -> usize {
    let calls = entries.iter().filter_map(Entry::kube);
    calls.filter(|call| call.is_status()).count()
}

fn events(entries: &[Entry]) -> usize {
    let calls = entries.iter().filter_map(Entry::kube);
    calls
        .filter(|call| call.method != Method::GET && call.path.contains("/events"))
        .count()
}

fn is_arm(call: &AzureCall) -> bool {
    call.url.starts_with("https://management.azure.com/")
}

/// The subscription of a call to ARM.
fn subscription(call: &AzureCall) -> Option<&str> {
    let path = call
        .url
        .strip_prefix("https://management.azure.com/subscriptions/")?;
    path.split(['/', '?']).next()
}

/// The host of a call to a vault's data plane.
fn vault(call: &AzureCall) -> Option<&str> {
    let host = call.url.strip_prefix("https://")?.split('/').next()?;
    host.ends_with(".vault.azure.net").then_some(host)
}
