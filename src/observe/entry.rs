//! One item: what was seen of it, who wants it, and which reads count.

use std::{collections::BTreeSet, mem, sync::Arc};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::value::{Value, is_same};
use crate::{
    clock::Monotonic,
    domain::fact::{Denial, Fact, Known, Seen, Trouble},
};

/// What is kept of an item.
#[derive(Debug)]
pub(super) struct Entry {
    /// What was seen.
    pub(super) fact: Fact<Value>,
    /// The objects that want it.
    pub(super) wanted_by: BTreeSet<Arc<str>>,
    /// The number of the latest attempt to read it that has ended.
    pub(super) attempted: u64,
    /// The number at which we last wrote to it.
    pub(super) touched: u64,
    /// When the latest direct read that brought an answer began.
    pub(super) direct_at: Option<Monotonic>,
    /// Held by the probe that reads it.
    pub(super) turn: Arc<Mutex<()>>,
    /// The read that brought what was seen.
    read: Option<Ticket>,
}

/// A read that was begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ticket {
    /// Its place among all reads and touches.
    pub(super) number: u64,
    /// When it began.
    pub(super) started: Monotonic,
    /// Whether it asked for this item alone.
    pub(super) direct: bool,
}

/// What a read brought.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Finding {
    /// An answer.
    Seen(Seen<Value>),
    /// None.
    Trouble(Trouble),
}

/// Whether a read is worth telling, and to whom.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum News {
    /// To nobody.
    Nothing,
    /// To those whom the difference to what was seen before concerns.
    Changed {
        /// What was seen before.
        before: Seen<Value>,
    },
    /// To all that want it: it was not known for a while, or cannot be read for a first time.
    Known,
}

impl Finding {
    /// It is there.
    pub(super) const fn present(value: Value, at: Timestamp) -> Self {
        Self::Seen(Seen::Present { value, at })
    }

    /// It is not there.
    pub(super) const fn absent(at: Timestamp) -> Self {
        Self::Seen(Seen::Absent { at })
    }

    /// We may not look.
    pub(super) const fn refused(denial: Denial, at: Timestamp) -> Self {
        Self::Seen(Seen::Refused { denial, at })
    }
}

impl Entry {
    /// Nobody has looked.
    pub(super) fn new(interval: SignedDuration) -> Self {
        Self {
            fact: Fact::unread(interval),
            wanted_by: BTreeSet::new(),
            attempted: 0,
            touched: 0,
            direct_at: None,
            turn: Arc::default(),
            read: None,
        }
    }

    /// Takes note of what a read brought, unless a later one has ended before it, or we wrote to
    /// the item since it began.
    pub(super) fn commit(&mut self, ticket: &Ticket, finding: Finding, now: Timestamp) -> News {
        let latest = self.read.map_or(0, |read| read.number).max(self.touched);
        if ticket.number <= latest {
            return News::Nothing;
        }
        self.attempted = self.attempted.max(ticket.number);
        match finding {
            Finding::Trouble(trouble) => {
                let kind = self.fact.trouble.as_ref().map(|known| known.kind);
                let is_new = kind != Some(trouble.kind) && self.fact.seen == Seen::Unread;
                self.fact.trouble = Some(trouble);
                if is_new { News::Known } else { News::Nothing }
            }
            Finding::Seen(seen) => {
                let was_unknown = matches!(self.fact.known(now), Known::Unknown(_));
                let before = mem::replace(&mut self.fact.seen, seen);
                self.fact.trouble = None;
                self.read = Some(*ticket);
                if ticket.direct {
                    self.direct_at = Some(ticket.started);
                }
                if was_unknown {
                    News::Known
                } else if is_same(&before, &self.fact.seen) {
                    News::Nothing
                } else {
                    News::Changed { before }
                }
            }
        }
    }

    /// When the read began that brought what was seen.
    pub(super) fn read_at(&self) -> Option<Monotonic> {
        self.read.map(|read| read.started)
    }

    /// Whether it is unread, was read longer than so ago, or was touched since.
    pub(super) fn is_out_of_date(&self, (max_age, now): (SignedDuration, Monotonic)) -> bool {
        self.read.is_none_or(|read| {
            let age = SignedDuration::try_from(now.since(read.started));
            read.number < self.touched || age.map_or(true, |age| age >= max_age)
        })
    }
}
