//! Scripted faults: which call is hit, and what happens to it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Call;

/// A rule that hits calls. Rules are tried in the order in which they were made; the first that
/// matches counts the call, and hits it once `skip` calls have passed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FaultRule {
    /// Only this method; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Only calls whose `host/path?query` contains this, whatever the case; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// How many matching calls pass before the first is hit.
    #[serde(default)]
    pub skip: u32,
    /// How many calls are hit; absent: all from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// What happens to them.
    pub answer: FaultAnswer,
}

/// What happens to a call that a rule hits.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum FaultAnswer {
    /// The connection breaks and nothing has happened.
    DropBefore,
    /// It happens, but the answer is lost.
    DropAfter,
    /// It happens, but the answer comes late.
    Delay {
        /// How late.
        milliseconds: u32,
    },
    /// 429, with this `Retry-After` as it stands: seconds, a date, garbage, or none.
    Throttled {
        /// The header's value.
        #[serde(default)]
        retry_after: Option<String>,
    },
    /// Any status, with this body or an error of Azure's shape.
    Status {
        /// The HTTP status.
        status: u16,
        /// The whole body.
        #[serde(default)]
        body: Option<Value>,
    },
    /// It happens, but the answer's JSON breaks off.
    Malformed,
    /// It happens, but the connection breaks in the middle of the answer.
    Truncated,
    /// 200 with a body that never ends; nothing has happened.
    Endless,
    /// 307 to this address.
    Redirect {
        /// The address.
        location: String,
    },
    /// It happens, but the answer's `nextLink` leads to this address.
    NextLink {
        /// The address.
        location: String,
    },
    /// It happens, but polling links (`Azure-AsyncOperation`, `Location`) lead to this address.
    PollLink {
        /// The address.
        location: String,
    },
    /// The connection is reset at once.
    Reset,
    /// No answer ever comes; nothing has happened.
    Silence,
}

/// The rules in force, with what they have counted.
#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<(FaultRule, u32)>,
}

impl Faults {
    pub(super) fn add(&mut self, rule: FaultRule) {
        self.rules.push((rule, 0));
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &FaultRule> {
        self.rules.iter().map(|(rule, _)| rule)
    }

    /// What is to happen to this call; counts it.
    pub(super) fn hit(&mut self, call: &Call) -> Option<FaultAnswer> {
        let place =
            format!("{}{}?{}", call.origin, call.raw_path, call.raw_query).to_ascii_lowercase();
        for (rule, seen) in &mut self.rules {
            let method = rule.method.as_ref();
            let fits = method.is_none_or(|own| own.eq_ignore_ascii_case(call.method.as_str()))
                && rule
                    .path
                    .as_ref()
                    .is_none_or(|part| place.contains(&part.to_ascii_lowercase()));
            if !fits {
                continue;
            }
            let number = *seen;
            *seen = seen.saturating_add(1);
            let end = rule.times.map(|times| rule.skip.saturating_add(times));
            if number >= rule.skip && end.is_none_or(|end| number < end) {
                return Some(rule.answer.clone());
            }
        }
        None
    }
}
