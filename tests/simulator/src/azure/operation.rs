//! Long-running operations on DICOM services: how they start, and how their results read.

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Failure, Result},
    ask::Ask,
    estate::{Estate, Operation},
    service::{Act, Pending, Service},
};

const SERVICE: &str = "Microsoft.HealthcareApis/workspaces/dicomservices";

impl Estate {
    /// Starts an operation; at a delay of nothing it is over before the answer.
    pub(super) fn start(&mut self, ask: &Ask<'_>, id: &str, act: Act) -> Result<Answer> {
        let key = id.to_ascii_lowercase();
        let now = ask.call.now;
        let operation = self.next_guid("operation");
        let Some(mut service) = self.services.remove(&key) else {
            return Err(Failure::no_resource(
                SERVICE,
                ask.path.name(1),
                &ask.path.group(),
            ));
        };
        if service.pending.is_some() {
            let message = format!("Another operation is in progress on '{id}'.");
            self.services.insert(key, service);
            return Err(Failure::conflict("AnotherOperationInProgress", message));
        }
        let subscription = ask.path.subscription().unwrap_or_default();
        let entry = Operation {
            subscription: subscription.clone(),
            location: service.location.clone(),
            started: now,
            ended: None,
            status: "Running",
            error: None,
        };
        self.operations.insert(operation.clone(), entry);
        let ends = ask.settings.after(now, ask.settings.operation);
        let echo = Service {
            document: proposal(&act, &service),
            ..service.clone()
        };
        let removes = matches!(act, Act::Delete);
        service.pending = Some(Pending {
            operation: operation.clone(),
            ends,
            act,
        });
        let echo = Service {
            pending: service.pending.clone(),
            ..echo
        };
        let gone = service.advance(self, ask.settings, now);
        let done = service.pending.is_none();
        let status = match (done, echo.settled == "Creating") {
            (_, true) if !removes => StatusCode::CREATED,
            (true, _) => StatusCode::OK,
            (false, _) => StatusCode::ACCEPTED,
        };
        let shown = if done { &service } else { &echo };
        let mut answer = Answer::empty(status);
        answer.body = (!removes).then(|| shown.show(self));
        let location = service.location.clone();
        if !gone {
            self.services.insert(key, service);
        }
        if done {
            return Ok(answer);
        }
        let url = format!(
            "{}/subscriptions/{subscription}/providers/Microsoft.HealthcareApis/locations/\
             {location}/operationresults/{operation}?api-version={}",
            ask.call.origin,
            ask.version()
        );
        if removes {
            answer = answer.header("location", format!("{url}&monitor=location"));
        }
        let seconds = ask.settings.poll_seconds().to_string();
        Ok(answer
            .header("azure-asyncoperation", url)
            .header("retry-after", seconds))
    }

    pub(super) fn operation_results(&self, ask: &Ask<'_>) -> Result<Answer> {
        let name = ask.path.name(1);
        let found = self.operations.get(&name.to_ascii_lowercase());
        let subscription = ask.path.subscription().unwrap_or_default();
        let Some(operation) =
            found.filter(|found| found.subscription.eq_ignore_ascii_case(&subscription))
        else {
            let message = format!("The operation result '{name}' was not found.");
            return Err(Failure::missing("OperationResultNotFound", message));
        };
        let seconds = ask.settings.poll_seconds().to_string();
        if ask.call.parameter("monitor") == Some("location") {
            return Ok(if operation.ended.is_some() {
                Answer::empty(StatusCode::OK)
            } else {
                Answer::empty(StatusCode::ACCEPTED)
                    .header(
                        "location",
                        format!(
                            "{}{}?{}",
                            ask.call.origin, ask.call.raw_path, ask.call.raw_query
                        ),
                    )
                    .header("retry-after", seconds)
            });
        }
        let mut shown = Map::new();
        let id = format!(
            "/subscriptions/{}/providers/Microsoft.HealthcareApis/locations/{}/operationresults/{name}",
            operation.subscription, operation.location
        );
        shown.insert("id".to_owned(), json!(id));
        shown.insert("name".to_owned(), json!(name));
        shown.insert("status".to_owned(), json!(operation.status));
        shown.insert("startTime".to_owned(), json!(operation.started.to_string()));
        if let Some(ended) = operation.ended {
            shown.insert("endTime".to_owned(), json!(ended.to_string()));
        }
        if let Some((code, message)) = &operation.error {
            shown.insert(
                "error".to_owned(),
                json!({ "code": code, "message": message }),
            );
        }
        let answer = Answer::ok(Value::Object(shown));
        let running = operation.ended.is_none();
        Ok(if running {
            answer.header("retry-after", seconds)
        } else {
            answer
        })
    }
}

/// The document that an operation asks for; a deletion asks for none.
fn proposal(act: &Act, service: &Service) -> Map<String, Value> {
    match act {
        Act::Put(document) | Act::Patch(document) => document.clone(),
        Act::Delete => service.document.clone(),
    }
}
