//! What is measured, one piece of work after the other on each core.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Mutex;
use std::{env, thread};

use tokio::runtime::Builder;

use crate::figures::{self, Figure};
use crate::{detection, economy, revalidation, soak, sockets};

/// Seeded schedules of `make bench`; `make soak` has ten thousand.
const SCHEDULES: u64 = 200;

/// A piece of work that yields figures.
pub(crate) struct Job {
    /// The word that asks for it.
    pub(crate) part: &'static str,
    /// What it does, for whoever waits.
    pub(crate) about: String,
    pub(crate) work: Box<dyn FnOnce() -> Vec<Figure> + Send>,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    parts: Vec<String>,
    seeds: Range<u64>,
}

impl Wanted {
    /// The words behind `--` name parts, no words mean everything. Of two numbers the first says how
    /// many schedules to soak in, the second with which seed they begin.
    pub(crate) fn from_arguments() -> Self {
        let words = env::args().skip(1).filter(|word| !word.starts_with("--"));
        let (numbers, parts): (Vec<String>, Vec<String>) =
            words.partition(|word| word.parse::<u64>().is_ok());
        let mut numbers = numbers.iter().map(|number| number.parse().unwrap());
        let schedules = numbers.next().unwrap_or(SCHEDULES);
        let first = numbers.next().unwrap_or(0);
        Self {
            parts,
            seeds: first..first + schedules,
        }
    }

    fn has(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|word| word == part)
    }
}

/// Runs what was asked for, prints the figures and writes them down.
pub(crate) fn run(wanted: &Wanted) {
    let chosen = |jobs: Vec<Job>| -> VecDeque<Job> {
        let jobs = jobs.into_iter();
        jobs.filter(|job| wanted.has(job.part)).collect()
    };
    let mut figures = all(chosen(sockets::jobs()), 1);
    let mut virtual_time = chosen(economy::jobs());
    virtual_time.extend(chosen(detection::jobs()));
    virtual_time.extend(chosen(revalidation::jobs()));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    figures.extend(all(virtual_time, cores));
    if wanted.has("soak") {
        let soaked = soak::run(&wanted.seeds, cores);
        soaked.iter().for_each(figures::print);
        figures.extend(soaked);
    }
    figures.sort_by(|one, other| one.name.cmp(&other.name));
    figures::write(&figures);
}

/// Does all of it, so many at a time.
fn all(jobs: VecDeque<Job>, at_a_time: usize) -> Vec<Figure> {
    let jobs = Mutex::new(jobs);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_a_time {
            scope.spawn(|| {
                while let Some(job) = next(&jobs) {
                    eprintln!("{}: {}", job.part, job.about);
                    let figures = (job.work)();
                    figures.iter().for_each(figures::print);
                    done.lock().unwrap().extend(figures);
                }
            });
        }
    });
    done.into_inner().unwrap()
}

fn next(jobs: &Mutex<VecDeque<Job>>) -> Option<Job> {
    jobs.lock().unwrap().pop_front()
}

/// Runs something in virtual time.
pub(crate) fn in_virtual_time<T>(work: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    runtime.block_on(work)
}
