//! A fact about the world carries its age and its doubt.
//!
//! Absent, refused, unread and out of date are different things: the first may be bad news, the
//! others never are, and none of them is good news.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

/// How many intervals a fact may be old before it counts as not known.
pub const FRESH_INTERVALS: i32 = 3;

/// What was seen, and when by our own clock.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seen<T> {
    /// It is there.
    Present {
        /// What it is like.
        value: T,
        /// When it was read.
        at: Timestamp,
    },
    /// Azure says that it is not there, twice over.
    Absent {
        /// When that was read.
        at: Timestamp,
    },
    /// Azure does not let us look.
    Refused {
        /// What is missing.
        denial: Denial,
        /// When that was read.
        at: Timestamp,
    },
    /// It has never been read.
    Unread,
}

/// What Azure does not let the operator do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Denial {
    /// For people: action, scope and what to do about it.
    pub message: String,
}

/// Why a fact could not be read, for people, and of what kind.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Trouble {
    /// What kind of trouble.
    pub kind: TroubleKind,
    /// What happened and what to do.
    pub message: String,
}

/// Kinds of trouble with reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TroubleKind {
    /// No answer, or one that makes no sense.
    Unreachable,
    /// Azure asked to wait.
    Throttled,
    /// The operator could not get a token, or Azure did not accept it.
    NotAuthorised,
}

/// One fact: what was last seen, what went wrong since, and how often it is looked at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fact<T> {
    /// What was last seen.
    pub seen: Seen<T>,
    /// Why the latest attempt to look failed, if it did.
    pub trouble: Option<Trouble>,
    /// How often it is looked at: decides when it is out of date.
    pub interval: SignedDuration,
}

/// What a fact is worth at a moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Known<'fact, T> {
    /// It is there.
    Present(&'fact T),
    /// It is not there.
    Absent,
    /// We may not look.
    Refused(&'fact Denial),
    /// Not known.
    Unknown(Doubt<'fact>),
}

/// Why a fact is not known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Doubt<'fact> {
    /// What went wrong, if something did.
    pub trouble: Option<&'fact Trouble>,
    /// When it was last read.
    pub last_seen: Option<Timestamp>,
}

impl<T> Known<'_, T> {
    /// Nobody has looked for it.
    pub const UNREAD: Self = Self::Unknown(Doubt {
        trouble: None,
        last_seen: None,
    });
}

impl<T> Fact<T> {
    /// A fact that nobody has looked for yet.
    pub const fn unread(interval: SignedDuration) -> Self {
        Self {
            seen: Seen::Unread,
            trouble: None,
            interval,
        }
    }

    /// A fact that was read just now.
    pub const fn present(value: T, at: Timestamp, interval: SignedDuration) -> Self {
        Self {
            seen: Seen::Present { value, at },
            trouble: None,
            interval,
        }
    }

    /// What the fact is worth at `now`.
    pub fn known(&self, now: Timestamp) -> Known<'_, T> {
        let is_fresh = |at: Timestamp| now.duration_since(at) <= self.interval * FRESH_INTERVALS;
        match &self.seen {
            Seen::Present { value, at } if is_fresh(*at) => Known::Present(value),
            Seen::Absent { at } if is_fresh(*at) => Known::Absent,
            Seen::Refused { denial, at } if is_fresh(*at) => Known::Refused(denial),
            Seen::Present { .. } | Seen::Absent { .. } | Seen::Refused { .. } | Seen::Unread => {
                Known::Unknown(Doubt {
                    trouble: self.trouble.as_ref(),
                    last_seen: self.at(),
                })
            }
        }
    }

    /// The value, if it is there and fresh.
    pub fn value(&self, now: Timestamp) -> Option<&T> {
        match self.known(now) {
            Known::Present(value) => Some(value),
            Known::Absent | Known::Refused(_) | Known::Unknown(_) => None,
        }
    }

    /// The value last seen, however old.
    pub fn last_value(&self) -> Option<&T> {
        match &self.seen {
            Seen::Present { value, .. } => Some(value),
            Seen::Absent { .. } | Seen::Refused { .. } | Seen::Unread => None,
        }
    }

    /// When it was last read.
    pub const fn at(&self) -> Option<Timestamp> {
        match self.seen {
            Seen::Present { at, .. } | Seen::Absent { at } | Seen::Refused { at, .. } => Some(at),
            Seen::Unread => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: SignedDuration = SignedDuration::from_secs(60);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_fact_is_good_for_three_intervals_and_then_unknown_with_the_time_it_was_last_seen() {
        let fact = Fact::present("enabled", at(0), INTERVAL);
        assert_eq!(fact.known(at(180)), Known::Present(&"enabled"));
        let doubt = Doubt {
            trouble: None,
            last_seen: Some(at(0)),
        };
        assert_eq!(fact.known(at(181)), Known::Unknown(doubt));
    }

    #[test]
    fn an_old_absence_is_not_an_absence_any_more() {
        let fact: Fact<()> = Fact {
            seen: Seen::Absent { at: at(0) },
            trouble: None,
            interval: INTERVAL,
        };
        assert_eq!(fact.known(at(10)), Known::Absent);
        assert!(matches!(fact.known(at(1000)), Known::Unknown(_)));
    }
}
