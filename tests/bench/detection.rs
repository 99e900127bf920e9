//! How long after a loss the status tells it: losses at random times, one after the other, in a
//! world that has settled, each until it is told, mended and well again.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::figures::{Figure, count, distribution};
use crate::jobs::{Job, in_virtual_time};
use crate::losses::{KINDS, Kind, Words};
use crate::scale::settings;
use crate::statuses::{Reader, Written, is_well, ready};
use crate::virtual_time::dice::Dice;
use crate::virtual_time::rig::Rig;

/// How many losses of a kind.
const LOSSES: usize = 1_000;

/// The seed of the losses' times.
const SEED: u64 = 20_260_301;

/// A loss that is not told by then counts as not told at all.
const GIVEN_UP: SignedDuration = SignedDuration::from_mins(10);

/// How often the trace is read; what it holds has times of its own.
const TURN: SignedDuration = SignedDuration::from_secs(1);

/// After so many losses the simulated API server forgets its history.
const HISTORY: usize = 50;

/// All that is measured here.
pub(crate) fn jobs() -> Vec<Job> {
    KINDS
        .iter()
        .map(|kind| Job {
            part: "detection",
            about: format!("{LOSSES} losses: {}", kind.name),
            work: Box::new(|| in_virtual_time(measure(kind))),
        })
        .collect()
}

async fn measure(kind: &'static Kind) -> Vec<Figure> {
    let mut trial = Trial::new(kind).await;
    while trial.delays.len() + trial.untold < LOSSES {
        trial.turn().await;
    }
    let Trial { delays, untold, .. } = trial;
    let mut figures = distribution(&format!("detect_{}", kind.name), delays, kind.limit);
    figures.push(Figure::new(
        format!("detect_{}_untold", kind.name),
        count(untold),
        "losses",
        0.0,
    ));
    figures
}

/// How one service stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Well,
    Lost { since: Timestamp },
    Told,
    Mended,
}

struct Trial {
    kind: &'static Kind,
    rig: Rig,
    reader: Reader,
    dice: Dice,
    stages: BTreeMap<usize, Stage>,
    /// When a service is next lost or mended.
    due: BTreeMap<(Timestamp, usize), Vec<String>>,
    /// What mends the present loss of a service.
    repairs: BTreeMap<usize, Vec<String>>,
    delays: Vec<f64>,
    untold: usize,
}

impl Trial {
    async fn new(kind: &'static Kind) -> Self {
        let scale = kind.scale;
        let rig = Rig::with_objects(scale.world(), settings(), &scale.objects());
        let limit = Duration::from_hours(1);
        rig.until("all objects are ready", limit, |rig| {
            ready(rig) == scale.services
        })
        .await;
        let mut trial = Self {
            kind,
            rig,
            reader: Reader::default(),
            dice: Dice::new(SEED),
            stages: BTreeMap::new(),
            due: BTreeMap::new(),
            repairs: BTreeMap::new(),
            delays: Vec::new(),
            untold: 0,
        };
        for service in 0..scale.services {
            trial.is_well(service);
        }
        trial
    }

    /// Sleeps until something is due or the trace is to be read, and goes on from there.
    async fn turn(&mut self) {
        let now = self.rig.now();
        let turn = now + TURN;
        let first = self.due.first_key_value().map(|((at, _), _)| *at);
        let wake = first.map_or(turn, |at| at.clamp(now, turn));
        let wait = Duration::try_from(wake.duration_since(now)).unwrap();
        self.rig.pass(wait).await;
        self.read();
        while let Some(next) = self.due.first_entry()
            && next.key().0 <= self.rig.now()
        {
            let ((_, service), words) = next.remove_entry();
            for word in &words {
                self.rig.change(word);
            }
            let stage = match self.stages[&service] {
                Stage::Well => Stage::Lost {
                    since: self.rig.now(),
                },
                Stage::Lost { .. } | Stage::Told | Stage::Mended => Stage::Mended,
            };
            self.stages.insert(service, stage);
        }
        self.give_up();
    }

    fn read(&mut self) {
        for Written { at, name, status } in self.reader.new_ones(&self.rig) {
            let number = name.rsplit('-').next().map(str::parse);
            let Some(Ok(service)) = number else { continue };
            self.told(service, &status, at);
        }
    }

    fn told(&mut self, service: usize, status: &Value, at: Timestamp) {
        match self.stages[&service] {
            Stage::Lost { since } if self.kind.is_told(status) => {
                self.delays.push(at.duration_since(since).as_secs_f64());
                self.mend(service);
            }
            Stage::Mended if is_well(status) => self.is_well(service),
            Stage::Well | Stage::Lost { .. } | Stage::Told | Stage::Mended => {}
        }
    }

    /// A loss is due at some time within some minutes.
    fn is_well(&mut self, service: usize) {
        let place = self.kind.scale.place(service);
        let name = &place.service;
        let status = self.rig.status(name);
        let Words { lost, mended } = (self.kind.loss)(&place, &status, &mut self.dice);
        self.repairs.insert(service, mended);
        let at = self.rig.now() + self.seconds(60, 300);
        self.due.insert((at, service), lost);
        self.stages.insert(service, Stage::Well);
        if (self.delays.len() + 1).is_multiple_of(HISTORY) {
            self.rig.outside.kube.lock().unwrap().compact();
        }
    }

    fn mend(&mut self, service: usize) {
        let repair = self.repairs.remove(&service).unwrap_or_default();
        let at = self.rig.now() + self.seconds(1, 60);
        self.due.insert((at, service), repair);
        self.stages.insert(service, Stage::Told);
    }

    fn give_up(&mut self) {
        let oldest = self.rig.now() - GIVEN_UP;
        let untold: Vec<usize> = self
            .stages
            .iter()
            .filter(|(_, stage)| matches!(stage, Stage::Lost { since } if *since < oldest))
            .map(|(service, _)| *service)
            .collect();
        for service in untold {
            self.untold += 1;
            let place = self.kind.scale.place(service).service;
            eprintln!(
                "{}: not told: {:#}",
                self.kind.name,
                self.rig.status(&place)
            );
            self.mend(service);
        }
    }

    fn seconds(&mut self, from: u64, to: u64) -> SignedDuration {
        SignedDuration::try_from(self.dice.seconds(from, to)).unwrap()
    }
}
