//! What was exchanged: a line of JSON each in a file, and the latest of them for the admin endpoint.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Write},
    path::Path,
};

use serde_json::Value;

use crate::azure::Exchange;

/// The exchanges so far, numbered from 0.
#[derive(Debug)]
pub(super) struct Journal {
    file: Option<File>,
    latest: VecDeque<Value>,
    /// The number that the next exchange gets.
    next: u64,
}

/// Some exchanges in a row.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Excerpt {
    /// The number to ask from the next time.
    pub(super) next: u64,
    /// The exchanges, oldest first.
    pub(super) exchanges: Vec<Value>,
}

impl Journal {
    /// A journal that remembers the latest exchanges only.
    pub(super) const fn in_memory() -> Self {
        Self {
            file: None,
            latest: VecDeque::new(),
            next: 0,
        }
    }

    /// A journal that also appends to a file, made if it is not there.
    pub(super) fn appending_to(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self {
            file: Some(file),
            ..Self::in_memory()
        })
    }

    /// Adds exchanges; each line is in the file when this returns.
    pub(super) fn append(&mut self, exchanges: &[Exchange]) {
        for exchange in exchanges {
            // an exchange that cannot be written as JSON, or a full disk, must not stop Azure
            let Ok(value) = serde_json::to_value(exchange) else {
                continue;
            };
            if let Some(file) = &mut self.file {
                // one write per line: a reader, or a crash, never finds half of one
                file.write_all(format!("{value}\n").as_bytes()).ok();
            }
            if self.latest.len() == KEPT {
                self.latest.pop_front();
            }
            self.latest.push_back(value);
            self.next += 1;
        }
    }

    /// The exchanges from number `since` on, as far as they are kept.
    pub(super) fn since(&self, since: u64) -> Excerpt {
        let kept = u64::try_from(self.latest.len()).unwrap_or(u64::MAX);
        let first = self.next.saturating_sub(kept);
        let skipped = usize::try_from(since.saturating_sub(first)).unwrap_or(usize::MAX);
        Excerpt {
            next: self.next,
            exchanges: self.latest.iter().skip(skipped).cloned().collect(),
        }
    }
}

/// How many exchanges stay in memory.
const KEPT: usize = 20_000;
