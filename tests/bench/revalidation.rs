//! How long a service waits for the PUT that brings it back once its key is there again: after losses
//! that were too long for it to heal by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use k8s_openapi::jiff::{SignedDuration, Timestamp};

use crate::figures::{Figure, count, distribution};
use crate::jobs::{Job, in_virtual_time};
use crate::scale::{Scale, settings};
use crate::statuses::{is_well, ready};
use crate::virtual_time::dice::Dice;
use crate::virtual_time::rig::Rig;

/// How many PUTs.
const PUTS: usize = 500;

const SEED: u64 = 20_260_301;

/// How often the trace is read; what it holds has times of its own.
const TURN: SignedDuration = SignedDuration::from_millis(4_700);

/// Within this the PUT is to be sent.
const LIMIT: f64 = 60.0;

/// A PUT that is not sent by then counts as not sent at all.
const GIVEN_UP: SignedDuration = SignedDuration::from_mins(30);

/// After so many PUTs the simulated API server forgets its history.
const HISTORY: usize = 20;

/// All that is measured here.
pub(crate) fn jobs() -> Vec<Job> {
    vec![Job {
        part: "revalidation",
        about: format!("{PUTS} services brought back"),
        work: Box::new(|| in_virtual_time(measure())),
    }]
}

async fn measure() -> Vec<Figure> {
    let mut trial = Trial::new().await;
    while trial.delays.len() + trial.unsent < PUTS {
        trial.turn().await;
    }
    let unsent = count(trial.unsent);
    let mut figures = distribution("revalidation_delay", trial.delays, LIMIT);
    figures.push(Figure::new("revalidation_unsent", unsent, "PUTs", 0.0));
    figures
}

/// How one service stands, and until when.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Well; its key is lost then.
    Well(Timestamp),
    /// Without its key; it is given back then.
    Lost(Timestamp),
    /// Its key is there since then, and the PUT is due.
    Back(Timestamp),
    /// The PUT was sent.
    Sent,
}

struct Trial {
    scale: Scale,
    rig: Rig,
    dice: Dice,
    stages: BTreeMap<String, Stage>,
    keys: BTreeMap<String, String>,
    delays: Vec<f64>,
    unsent: usize,
}

impl Trial {
    async fn new() -> Self {
        let scale = Scale {
            foreign: 0,
            ..Scale::of(20)
        };
        let rig = Rig::with_objects(scale.world(), settings(), &scale.objects());
        let limit = Duration::from_hours(1);
        rig.until("all objects are ready", limit, |rig| {
            ready(rig) == scale.services
        })
        .await;
        let mut trial = Self {
            scale,
            rig,
            dice: Dice::new(SEED),
            stages: BTreeMap::new(),
            keys: BTreeMap::new(),
            delays: Vec::new(),
            unsent: 0,
        };
        for number in 0..trial.scale.services {
            let place = trial.scale.place(number);
            let key = format!("key {}/{}", place.vault, place.key);
            trial.keys.insert(place.service.clone(), key);
            let stage = trial.lost_soon();
            trial.stages.insert(place.service, stage);
        }
        trial
    }

    async fn turn(&mut self) {
        self.rig.pass(TURN.try_into().unwrap()).await;
        for (service, at) in self.puts() {
            if let Some(Stage::Back(since)) = self.stages.get(&service).copied() {
                self.delays.push(at.duration_since(since).as_secs_f64());
                self.stages.insert(service, Stage::Sent);
                if self.delays.len().is_multiple_of(HISTORY) {
                    self.rig.outside.kube.lock().unwrap().compact();
                }
            }
        }
        let now = self.rig.now();
        for (service, stage) in self.stages.clone() {
            let next = self.next(&service, stage, now);
            self.stages.insert(service, next);
        }
    }

    /// The PUTs of services since the last time.
    fn puts(&self) -> Vec<(String, Timestamp)> {
        let entries = self.rig.outside.trace.take();
        let puts = entries.iter().filter_map(|entry| {
            let call = entry.azure()?;
            let is_put = call.method == Method::PUT && call.is_of_service();
            let name = call.path().rsplit('/').next()?.to_owned();
            is_put.then_some((name, entry.at))
        });
        puts.collect()
    }

    fn next(&mut self, service: &str, stage: Stage, now: Timestamp) -> Stage {
        match stage {
            Stage::Well(until) if until <= now => {
                self.change(service, "disabled");
                // more than half an hour by anybody's count
                Stage::Lost(now + self.minutes(33, 60))
            }
            Stage::Lost(until) if until <= now => {
                self.change(service, "enabled");
                Stage::Back(now)
            }
            Stage::Back(since) if since + GIVEN_UP < now => {
                self.unsent += 1;
                eprintln!("revalidation: not sent: {:#}", self.rig.status(service));
                Stage::Sent
            }
            Stage::Sent if is_well(&self.rig.status(service)) => self.lost_soon(),
            Stage::Well(_) | Stage::Lost(_) | Stage::Back(_) | Stage::Sent => stage,
        }
    }

    /// Such that the next PUT is due more than an hour after this one.
    fn lost_soon(&mut self) -> Stage {
        Stage::Well(self.rig.now() + self.minutes(30, 40))
    }

    fn change(&self, service: &str, to: &str) {
        self.rig.change(&format!("{} {to}", self.keys[service]));
    }

    fn minutes(&mut self, from: u64, to: u64) -> SignedDuration {
        SignedDuration::try_from(self.dice.seconds(60 * from, 60 * to)).unwrap()
    }
}
