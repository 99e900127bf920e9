//! A spot check of the detection times with nothing virtual: the compiled operator at its own pace,
//! a real API server, the simulated Azure on real sockets, and `kubectl wait`.

use std::thread;
use std::time::Duration;

use azure_simulator::azure::Settings;
use controlplane::Access;
use serde_json::Value;

use crate::figures::{Figure, distribution};
use crate::losses::{KINDS, Kind};
use crate::real::estate::Estate;
use crate::real::operator::Operator;
use crate::scale::Scale;
use crate::sockets::{Namespace, Watch, wait_until_ready};
use crate::virtual_time::dice::Dice;

/// Services, each of which has one loss.
const SERVICES: usize = 20;

/// What is lost, in turn.
const SPOTS: [&str; 2] = ["key", "resource_health"];

/// The longest time from one round of reads to the next, over which the losses are spread.
const A_ROUND: u64 = 30_000;

/// How long kubectl has to begin to watch.
const A_START: u64 = 5_000;

const SEED: u64 = 7;

/// Losses at random times, and how long after each the API server has the status that tells it.
pub(crate) fn check(access: &Access) -> Vec<Figure> {
    let scale = Scale {
        foreign: 0,
        ..Scale::of(SERVICES)
    };
    let estate = Estate::at_pace("bench-spot", scale.world(), Settings::default());
    let namespace = Namespace::new(access);
    let flags = ["--namespace", &namespace.name];
    let operator = Operator::start_at_pace(access, &estate, "bench-spot", &flags);
    operator.wait_until_ready();
    for object in scale.objects() {
        namespace.apply("create", &object);
    }
    wait_until_ready(&operator, SERVICES);
    let spot = Spot {
        namespace: &namespace,
        estate: &estate,
        scale: &scale,
    };
    let took: Vec<(&Kind, f64)> = thread::scope(|scope| {
        let mut dice = Dice::new(SEED);
        let mut waits = Vec::new();
        for number in 0..SERVICES {
            let name = SPOTS[number % SPOTS.len()];
            let kind = KINDS.iter().find(|kind| kind.name == name).unwrap();
            let mut own = Dice::new(dice.below(u64::MAX));
            let spot = &spot;
            waits.push(scope.spawn(move || (kind, spot.time(kind, number, &mut own))));
        }
        waits.into_iter().map(|wait| wait.join().unwrap()).collect()
    });
    let figures = SPOTS.iter().flat_map(|name| {
        let own = took.iter().filter(|(kind, _)| kind.name == *name);
        let limit = own.clone().next().map_or(0.0, |(kind, _)| kind.limit);
        let seconds = own.map(|(_, seconds)| *seconds).collect();
        distribution(&format!("detect_{name}_sockets"), seconds, limit)
    });
    figures.collect()
}

struct Spot<'check> {
    namespace: &'check Namespace<'check>,
    estate: &'check Estate,
    scale: &'check Scale,
}

impl Spot<'_> {
    /// Seconds from a loss to the end of a `kubectl wait` for its condition that began before it.
    fn time(&self, kind: &Kind, number: usize, dice: &mut Dice) -> f64 {
        let place = self.scale.place(number);
        let words = (kind.loss)(&place, &Value::Null, dice);
        let pause = Duration::from_millis(A_START + dice.below(A_ROUND));
        let watch = Watch::start();
        thread::scope(|scope| {
            let told = scope.spawn(|| {
                self.namespace.wait(&place.service, &kind.condition());
                watch.milliseconds()
            });
            thread::sleep(pause);
            let lost = watch.milliseconds();
            for word in &words.lost {
                self.estate.set(word);
            }
            (told.join().unwrap() - lost) / 1_000.0
        })
    }
}
