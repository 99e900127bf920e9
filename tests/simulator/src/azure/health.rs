//! Microsoft.ResourceHealth: what the platform says about services and vaults.

use http::Method;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::{Ask, page_of},
    estate::Estate,
    path::covers,
    service::{Service, Store},
};

/// Where the resources are that the simulator knows by Resource Health alone.
const OTHERS: &str = "/resourceGroups/others";

/// One availability status, before it becomes JSON.
struct Status {
    state: &'static str,
    title: String,
    summary: String,
    reason: &'static str,
    context: &'static str,
    occurred: Timestamp,
    advice: Option<&'static str>,
    resolved: Option<(Timestamp, Timestamp)>,
}

impl Estate {
    pub(super) fn availability(&self, ask: &Ask<'_>) -> Result<Answer> {
        if ask.call.method != Method::GET {
            return Err(Failure::method(ask.call));
        }
        let scope = &ask.path.scope;
        let expand = ask
            .call
            .parameter("$expand")
            .is_some_and(|words| words.to_ascii_lowercase().contains("recommendedactions"));
        let now = ask.call.now;
        let of_one = scope.to_ascii_lowercase().contains("/providers/");
        if !ask.path.is_item() {
            return Ok(self.availabilities(ask, expand));
        }
        let same = self
            .statuses()
            .find(|(id, _, _)| id.eq_ignore_ascii_case(scope));
        let shown = same.map(|(id, location, status)| status.show(id, location, (expand, now)));
        match shown {
            Some(shown) if of_one && ask.path.name(0).eq_ignore_ascii_case("current") => {
                Ok(Answer::ok(shown))
            }
            _ => {
                let message = format!("No availability status was found for '{scope}'.");
                Err(Failure::missing("ResourceNotFound", message))
            }
        }
    }

    /// One page at or below a scope: other people's resources first, then ours.
    fn availabilities(&self, ask: &Ask<'_>, expand: bool) -> Answer {
        let (scope, now) = (&ask.path.scope, ask.call.now);
        let others = self.others(scope);
        let (from, size) = (ask.skipped(), ask.settings.health_page_size.max(1));
        let own = self.statuses().filter(|(id, _, _)| covers(scope, id));
        let own: Vec<Value> = own
            .map(|(id, location, status)| status.show(id, location, (expand, now)))
            .collect();
        let rows = (from..others.min(from.saturating_add(size))).map(|number| {
            let id =
                format!("{scope}{OTHERS}/providers/Microsoft.Compute/virtualMachines/vm-{number}");
            let status = available("virtual machine", Timestamp::UNIX_EPOCH);
            status.show(&id, "westeurope", (expand, now))
        });
        let rows: Vec<Value> = rows
            .chain(own.iter().skip(from.saturating_sub(others)).cloned())
            .take(size)
            .collect();
        let more = others.saturating_add(own.len()) > from.saturating_add(size);
        page_of(ask.call, &rows, more.then(|| from.saturating_add(size)))
    }

    /// How many resources beside the simulated ones Resource Health lists for a scope.
    fn others(&self, scope: &str) -> usize {
        let whole = scope.split('/').filter(|word| !word.is_empty()).count() == 2;
        if whole {
            usize::try_from(self.foreign).unwrap_or(0)
        } else {
            0
        }
    }

    fn statuses(&self) -> impl Iterator<Item = (&str, &str, Status)> {
        let services = self.services.values().map(|service| {
            (
                service.id.as_str(),
                service.location.as_str(),
                service.status(),
            )
        });
        let vaults = self.vaults.values().map(|vault| {
            let plain = &vault.plain;
            (
                plain.id.as_str(),
                plain.location.as_str(),
                available("vault", Timestamp::UNIX_EPOCH),
            )
        });
        services.chain(vaults)
    }
}

impl Service {
    fn status(&self) -> Status {
        let health = &self.health;
        if let Some((state, since)) = health.forced {
            return forced(state, since);
        }
        let since = health.occurred;
        let denial = health
            .shown_denial
            .map_or("it cannot be reached", |denial| denial.sentence());
        match (health.shown, health.shown_denial) {
            (Store::Open, _) => Status {
                resolved: health.resolved,
                ..available("service", since)
            },
            (Store::Lost { .. }, _) => Status {
                state: "Degraded",
                title: "Customer-managed key inaccessible".to_owned(),
                summary: format!(
                    "The DICOM service cannot access its customer-managed key: {denial}."
                ),
                reason: "CustomerManagedKeyAccessLost",
                context: "Customer Initiated",
                occurred: since,
                advice: Some("Restore the service's access to its customer-managed key."),
                resolved: None,
            },
            (Store::Healing { .. }, _) => Status {
                state: "Degraded",
                title: "Data store recovering".to_owned(),
                summary: "The customer-managed key is accessible again; the data store recovers."
                    .to_owned(),
                reason: "DataStoreStateDegraded",
                context: "Customer Initiated",
                occurred: since,
                advice: None,
                resolved: None,
            },
            (Store::Inaccessible { .. }, Some(_)) => Status {
                state: "Unavailable",
                title: "Customer-managed key inaccessible".to_owned(),
                summary: format!(
                    "The DICOM service lost its customer-managed key for too long and its data \
                     store is inaccessible: {denial}."
                ),
                reason: "CustomerManagedKeyAccessLost",
                context: "Customer Initiated",
                occurred: since,
                advice: Some(
                    "Restore the access to the customer-managed key, then update the resource.",
                ),
                resolved: None,
            },
            (Store::Inaccessible { .. }, None) => Status {
                state: "Unavailable",
                title: "Data store inaccessible".to_owned(),
                summary: "The customer-managed key is accessible, but the data store stays \
                          inaccessible until the resource is updated."
                    .to_owned(),
                reason: "DataStoreStateDegraded",
                context: "Customer Initiated",
                occurred: since,
                advice: Some("Send an update of the resource with all its present properties."),
                resolved: None,
            },
        }
    }
}

impl Status {
    fn show(&self, id: &str, location: &str, (expand, now): (bool, Timestamp)) -> Value {
        let mut properties = Map::new();
        let mut put = |name: &str, value: Value| properties.insert(name.to_owned(), value);
        put("availabilityState", json!(self.state));
        put("title", json!(self.title));
        put("summary", json!(self.summary));
        put("detailedStatus", json!(self.summary));
        put("reasonType", json!(self.reason));
        put("context", json!(self.context));
        put("category", json!("Not Applicable"));
        put("occuredTime", json!(self.occurred.to_string()));
        put("reasonChronicity", json!("Persistent"));
        put("reportedTime", json!(now.to_string()));
        if let Some((began, ended)) = self.resolved {
            let resolved = json!({
                "unavailableOccuredTime": began.to_string(),
                "resolvedTime": ended.to_string(),
                "unavailableSummary": "The customer-managed key was not accessible.",
            });
            put("recentlyResolved", resolved);
        }
        if expand {
            let actions: Vec<Value> = self
                .advice
                .iter()
                .map(|advice| {
                    json!({ "action": advice, "actionUrl": "<#ResourceBlade>", "actionUrlText": "resource blade" })
                })
                .collect();
            put("recommendedActions", json!(actions));
        }
        json!({
            "id": format!("{id}/providers/Microsoft.ResourceHealth/availabilityStatuses/current"),
            "name": "current",
            "type": "Microsoft.ResourceHealth/AvailabilityStatuses",
            "location": location,
            "properties": properties,
        })
    }
}

fn available(what: &str, since: Timestamp) -> Status {
    Status {
        state: "Available",
        title: "Available".to_owned(),
        summary: format!("There aren't any known Azure platform problems affecting this {what}."),
        reason: "",
        context: "Not Applicable",
        occurred: since,
        advice: None,
        resolved: None,
    }
}

/// A state that somebody set by hand: trouble of the platform, not of the key.
fn forced(state: &'static str, since: Timestamp) -> Status {
    if state == "Available" {
        return available("service", since);
    }
    Status {
        state,
        title: format!("{state} by a platform event"),
        summary: "The platform reports a problem with the service that has nothing to do with the \
                  customer-managed key."
            .to_owned(),
        reason: "Unplanned",
        context: "Platform Initiated",
        occurred: since,
        advice: Some("Follow the service's health in the portal; contact support if it lasts."),
        resolved: None,
    }
}
