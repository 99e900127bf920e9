//! `Microsoft.ResourceHealth`: what Azure itself says about the health of a resource.
//!
//! Titles and summaries are words for people and are translated; only the state is for decisions.

use k8s_openapi::jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    arm::{
        call::{
            Call, Decode, Page, Target, Undecodable, json, moment, null_as_default, page, typed,
        },
        error::Subject,
        text,
    },
    azure::ResourceId,
};

/// The version of the interface.
pub const API_VERSION: &str = "2024-02-01";

/// The health of one resource, as Azure sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AvailabilityStatus {
    /// The resource that it is about, in Azure's spelling.
    pub resource_id: String,
    /// The state.
    pub state: Availability,
    /// A title for people.
    pub title: String,
    /// A summary for people.
    pub summary: String,
    /// `Platform Initiated`, `Customer Initiated`, ..., as it came.
    pub context: String,
    /// Why, in Azure's word: `Unplanned`, `UserInitiated`...
    pub reason_type: String,
    /// Since when (`occuredTime`, as Azure spells it).
    pub occurred_at: Option<Timestamp>,
    /// When it was last looked at.
    pub reported_at: Option<Timestamp>,
    /// What Azure recommends to do.
    pub recommended_actions: Vec<String>,
}

/// The state of health.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Availability {
    /// Good.
    Available,
    /// Not usable.
    Unavailable,
    /// Usable with losses.
    Degraded,
    /// Azure has no signal.
    Unknown,
    /// The answer does not say.
    Absent,
    /// Any other word.
    Other(String),
}

impl Availability {
    /// Reads Azure's word without regard to case.
    pub fn parse(word: Option<&str>) -> Self {
        let Some(word) = word.map(str::trim).filter(|word| !word.is_empty()) else {
            return Self::Absent;
        };
        match word.to_ascii_lowercase().as_str() {
            "available" => Self::Available,
            "unavailable" => Self::Unavailable,
            "degraded" => Self::Degraded,
            "unknown" => Self::Unknown,
            _ => Self::Other(text::printable(word, WORD_LIMIT, &[])),
        }
    }
}

/// Lists the health of all resources of a subscription that have one.
pub fn list_in_subscription(subscription: Uuid) -> Call<Page<AvailabilityStatus>> {
    list(format!("/subscriptions/{subscription}"), subscription)
}

/// Lists the health of all resources of a resource group that have one.
pub fn list_in_group(subscription: Uuid, group: &str) -> Call<Page<AvailabilityStatus>> {
    list(
        format!("/subscriptions/{subscription}/resourceGroups/{group}"),
        subscription,
    )
}

/// Reads the health of one resource, with what Azure recommends to do.
pub fn current(resource: &ResourceId) -> Call<AvailabilityStatus> {
    let path = format!("{resource}{SUFFIX}/current");
    let target = Target::Path {
        path,
        api_version: API_VERSION,
        query: &[("$expand", "recommendedactions")],
    };
    let subject = subject("read the health of", resource.to_string());
    let decode = Decode(|_, bytes| decode(json(bytes)?));
    Call::get(subject, target, Some(resource.subscription()), decode)
}

fn list(scope: String, subscription: Uuid) -> Call<Page<AvailabilityStatus>> {
    let path = format!("{scope}{SUFFIX}");
    let target = Target::Path {
        path,
        api_version: API_VERSION,
        query: &[],
    };
    let decode = Decode(|_, bytes| page(bytes, decode));
    Call::get(
        subject("list the health in", scope),
        target,
        Some(subscription),
        decode,
    )
}

const fn subject(what: &'static str, target: String) -> Subject {
    Subject {
        what,
        action: "Microsoft.ResourceHealth/availabilityStatuses/read",
        target,
    }
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    #[serde(default, deserialize_with = "null_as_default")]
    properties: WireProperties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WireProperties {
    availability_state: Option<String>,
    title: Option<String>,
    summary: Option<String>,
    context: Option<String>,
    reason_type: Option<String>,
    #[serde(deserialize_with = "moment")]
    occured_time: Option<Timestamp>,
    #[serde(deserialize_with = "moment")]
    reported_time: Option<Timestamp>,
    #[serde(deserialize_with = "null_as_default")]
    recommended_actions: Vec<WireAction>,
}

#[derive(Deserialize)]
struct WireAction {
    action: Option<String>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape of every row decoder"
)]
fn decode(raw: Value) -> Result<AvailabilityStatus, Undecodable> {
    let Wire { id, properties } = typed(&raw)?;
    let shown =
        |words: Option<String>, limit| text::printable(&words.unwrap_or_default(), limit, &[]);
    let actions = properties
        .recommended_actions
        .into_iter()
        .filter_map(|action| action.action);
    Ok(AvailabilityStatus {
        resource_id: resource_of(&id),
        state: Availability::parse(properties.availability_state.as_deref()),
        title: shown(properties.title, WORD_LIMIT),
        summary: shown(properties.summary, SUMMARY_LIMIT),
        context: shown(properties.context, WORD_LIMIT),
        reason_type: shown(properties.reason_type, WORD_LIMIT),
        occurred_at: properties.occured_time,
        reported_at: properties.reported_time,
        recommended_actions: actions
            .map(|action| text::printable(&action, SUMMARY_LIMIT, &[]))
            .take(MAX_ACTIONS)
            .collect(),
    })
}

/// The id without what Resource Health appends to it.
fn resource_of(id: &str) -> String {
    let position = id.to_ascii_lowercase().find(&SUFFIX.to_ascii_lowercase());
    position
        .and_then(|end| id.get(..end))
        .unwrap_or(id)
        .to_owned()
}

const SUFFIX: &str = "/providers/Microsoft.ResourceHealth/availabilityStatuses";
const WORD_LIMIT: usize = 120;
const SUMMARY_LIMIT: usize = 500;
const MAX_ACTIONS: usize = 5;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_read_with_azures_own_spelling_of_its_time() {
        let id = "/subscriptions/s/resourceGroups/g/providers/p/t/n/PROVIDERS/Microsoft.ResourceHealth/availabilityStatuses/current";
        let read = decode(json!({
            "id": id,
            "properties": {
                "availabilityState": "degraded", "title": "Degraded", "summary": "lost\nkey",
                "reasonType": "Unplanned", "context": "Customer Initiated",
                "occuredTime": "2026-03-01T08:00:00Z", "reportedTime": "not a time",
                "recommendedActions": [{"action": "Give the key back", "actionUrl": "x"}, {}],
            },
        }))
        .unwrap();
        assert_eq!(
            read.resource_id,
            "/subscriptions/s/resourceGroups/g/providers/p/t/n"
        );
        assert_eq!(
            (read.state, read.summary.as_str()),
            (Availability::Degraded, "lost key")
        );
        assert_eq!(
            read.occurred_at,
            Some("2026-03-01T08:00:00Z".parse().unwrap())
        );
        assert_eq!(read.reported_at, None);
        assert_eq!(read.recommended_actions, ["Give the key back"]);
    }

    #[test]
    fn a_status_without_a_state_says_nothing() {
        let read = |properties| {
            decode(json!({"id": "/x", "properties": properties}))
                .unwrap()
                .state
        };
        assert_eq!(read(json!(null)), Availability::Absent);
        assert_eq!(
            read(json!({"availabilityState": null})),
            Availability::Absent
        );
        assert_eq!(
            read(json!({"availabilityState": "Meh"})),
            Availability::Other("Meh".to_owned())
        );
        let odd = decode(json!({"id": "/x", "properties": {"recommendedActions": 3}})).unwrap_err();
        assert_eq!(odd.path, "properties.recommendedActions");
    }
}
