//! Azure as a synchronous state machine: `handle(request, now) -> reply`.
//!
//! It reads no clock, draws no random numbers and does no IO: same requests at the same times, same
//! answers. What the estate does by itself (operations end, services test their keys, roles take
//! effect) it does up to `now` before each call.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

mod access;
mod answer;
mod ask;
mod authorization;
mod call;
mod caller;
mod change;
mod denial;
mod dicom_data;
mod discovery;
mod document;
mod estate;
mod fault;
mod health;
mod health_care;
mod identity;
mod journal;
mod key_data;
mod key_vault;
mod operation;
mod path;
mod resources;
#[cfg(test)]
mod rig;
mod roles;
mod service;
mod settings;
mod show;
mod throttle;
mod vault;
mod world;

use self::{
    answer::{Answer, Failure, Result},
    ask::Ask,
    call::{Call, Door},
    caller::identify,
    estate::{Estate, guid},
    fault::Faults,
    path::ArmPath,
    throttle::Throttle,
};
pub use self::{
    change::{
        Change, ChangeError, HealthWord, IdentityChange, KeyChange, ServiceChange, VaultChange,
    },
    fault::{FaultAnswer, FaultRule},
    journal::{Exchange, LiveRequest, LiveResponse},
    settings::Settings,
    world::{
        AssignmentSpec, GroupSpec, KeySpec, NamedSpec, Operator, ServiceSpec, VaultSpec, World,
    },
};

/// A whole simulated Azure.
#[derive(Debug)]
pub struct Azure {
    estate: Estate,
    settings: Settings,
    operator: Operator,
    throttle: Throttle,
    faults: Faults,
    /// ARM answers every call with 503.
    broken: bool,
    /// None when nobody wants to have one.
    journal: Option<Vec<Exchange>>,
    now: Timestamp,
    /// Before this nothing happens by itself. None after a change, until that is reckoned anew.
    quiet_until: Option<Timestamp>,
    calls: u64,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Reply {
    /// An answer.
    Answer(Response<Bytes>),
    /// The same, but only after this time.
    Delayed(SignedDuration, Box<Self>),
    /// The connection is dropped.
    Reset,
    /// No answer, ever.
    Silence,
    /// An answer that is cut off: its content-length is larger than what is sent.
    Truncated(Response<Bytes>),
    /// An answer whose body has no end.
    Endless(Response<()>),
}

impl Azure {
    /// An Azure with this estate in it.
    pub fn new(world: World, settings: Settings, now: Timestamp) -> Self {
        let estate = world.build(&settings, now);
        let World { operator, .. } = world;
        Self {
            estate,
            settings,
            operator,
            throttle: Throttle::default(),
            faults: Faults::default(),
            broken: false,
            journal: Some(Vec::new()),
            now,
            quiet_until: None,
            calls: 0,
        }
    }

    /// Answers a request, whose URI is absolute. A `now` before the last one counts as the last.
    pub fn handle(&mut self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let now = self.advance(now);
        self.calls = self.calls.saturating_add(1);
        let call = Call::read(request, now);
        let reply = match self.faults.hit(&call) {
            Some(fault) => self.fault(fault, &call),
            None if self.is_cut_off(&call) => Reply::Reset,
            None => Reply::Answer(self.respond(&call)),
        };
        if call.method != http::Method::GET {
            self.quiet_until = None;
        }
        if let Some(journal) = &mut self.journal {
            journal.push(Exchange::new(&call, answered(&reply)));
        }
        reply
    }

    /// Changes the world as a person in the portal would; says in a sentence what changed.
    ///
    /// # Errors
    /// A sentence that says what would be right.
    pub fn apply(&mut self, change: &Change, now: Timestamp) -> Result<String, ChangeError> {
        let now = self.advance(now);
        self.quiet_until = None;
        self.carry_out(change, now)
    }

    /// The estate, and who can reach which key.
    pub fn show(&mut self, now: Timestamp) -> Value {
        let now = self.advance(now);
        self.overview(now)
    }

    /// Whether a service (by its name) can use the key that its data is encrypted with; none without
    /// such a key.
    pub fn reaches_key(&mut self, service: &str, now: Timestamp) -> Option<bool> {
        let now = self.advance(now);
        self.estate.reaches_key(service, now)
    }

    /// The exchanges since the last call.
    pub fn journal(&mut self) -> Vec<Exchange> {
        self.journal
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    /// Writes no journal from now on: to take every answer apart for it is half of the work.
    pub fn keep_no_journal(&mut self) {
        self.journal = None;
    }

    /// When the world next changes without anybody's doing.
    pub fn next_event(&self) -> Option<Timestamp> {
        self.estate.next_event(&self.settings, self.now)
    }

    fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        if self.quiet_until.is_none_or(|until| until <= self.now) {
            self.estate.advance(&self.settings, self.now);
            self.quiet_until = Some(self.next_event().unwrap_or(Timestamp::MAX));
        }
        self.now
    }

    fn is_cut_off(&self, call: &Call) -> bool {
        let Door::Vault(name) = &call.door else {
            return false;
        };
        let caller = identify(call, &self.estate.tenant, &self.operator);
        caller.is_ok_and(|caller| self.estate.is_cut_off(name, &caller))
    }

    fn respond(&mut self, call: &Call) -> Response<Bytes> {
        let mut reached = true;
        let answer = self
            .route(call, &mut reached)
            .unwrap_or_else(Failure::into_answer);
        if !reached {
            return no_such_host();
        }
        self.dress(call, answer)
    }

    fn route(&mut self, call: &Call, reached: &mut bool) -> Result<Answer> {
        let tenant = self.estate.tenant.clone();
        let early = discovery::anonymous(call, &tenant, &self.operator, &self.settings);
        if let Some(answer) = early {
            return answer;
        }
        let answered = match &call.door {
            Door::Arm | Door::Loopback | Door::Login => return self.arm(call),
            Door::Vault(name) => {
                let caller = identify(call, &tenant, &self.operator)?;
                self.estate.vault_data(call, name, &caller, &self.settings)
            }
            Door::Dicom(label) => {
                let caller = identify(call, &tenant, &self.operator)?;
                self.estate.dicom_data(call, label, &caller)
            }
        };
        *reached = answered.is_some();
        answered.unwrap_or_else(|| Ok(Answer::empty(StatusCode::BAD_GATEWAY)))
    }

    /// ARM: who calls, how often, in which version, with which right, and then what.
    fn arm(&mut self, call: &Call) -> Result<Answer> {
        if self.broken {
            let message = "The service is temporarily unavailable. Please try again later.";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return Err(Failure::new(status, "ServiceUnavailable", message));
        }
        let caller = identify(call, &self.estate.tenant, &self.operator)?;
        let path = ArmPath::parse(&call.segments);
        let subscription = path.subscription().unwrap_or_default();
        let (header, left) =
            self.throttle
                .take(call, (&subscription, &caller.client), &self.settings)?;
        let estate = &mut self.estate;
        let ask = Ask {
            call,
            path,
            caller,
            settings: &self.settings,
            operator: &self.operator,
        };
        let answer = authorise(&ask).and_then(|()| estate.serve(&ask));
        let answer = answer.unwrap_or_else(Failure::into_answer);
        Ok(answer.header(header, left))
    }

    /// The headers that every answer of Azure has.
    fn dress(&self, call: &Call, answer: Answer) -> Response<Bytes> {
        let id = guid(&format!("request/{}", self.calls));
        let correlation = call
            .header("x-ms-correlation-request-id")
            .unwrap_or(&id)
            .to_owned();
        let date = call.now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let mut answer = answer
            .header("x-ms-correlation-request-id", correlation)
            .header(
                "x-ms-routing-request-id",
                format!("SIMULATOR:{}:{id}", call.now),
            )
            .header("x-ms-request-id", id)
            .header("cache-control", "no-cache")
            .header("date", date);
        let wants_own = call
            .header("x-ms-return-client-request-id")
            .unwrap_or_default();
        if let (true, Some(own)) = (
            wants_own.eq_ignore_ascii_case("true"),
            call.header("x-ms-client-request-id"),
        ) {
            answer = answer.header("x-ms-client-request-id", own);
        }
        if call.method == http::Method::HEAD {
            answer.body = None;
        }
        answer.into_response()
    }

    fn fault(&mut self, fault: FaultAnswer, call: &Call) -> Reply {
        let simple = |status: StatusCode, code: &str| {
            let message = "The simulator was told to answer so.";
            Failure::new(status, code, message).into_answer()
        };
        match fault {
            FaultAnswer::DropBefore | FaultAnswer::Reset => Reply::Reset,
            FaultAnswer::Silence => Reply::Silence,
            FaultAnswer::Endless => Reply::Endless(Response::new(())),
            FaultAnswer::DropAfter => {
                self.respond(call);
                Reply::Reset
            }
            FaultAnswer::Delay { milliseconds } => {
                let delay = SignedDuration::from_millis(i64::from(milliseconds));
                Reply::Delayed(delay, Box::new(Reply::Answer(self.respond(call))))
            }
            FaultAnswer::Throttled { retry_after } => {
                let answer = simple(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests");
                let answer = match retry_after {
                    Some(value) => answer.header("retry-after", value),
                    None => answer,
                };
                Reply::Answer(self.dress(call, answer))
            }
            FaultAnswer::Status { status, body } => {
                let status =
                    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let code = status
                    .canonical_reason()
                    .unwrap_or("Error")
                    .replace(' ', "");
                let mut answer = simple(status, &code);
                answer.body = body.or(answer.body);
                Reply::Answer(self.dress(call, answer))
            }
            FaultAnswer::Malformed => {
                let mut response = self.respond(call);
                let half = response.body().len() / 2;
                response.body_mut().truncate(half);
                response.headers_mut().remove(http::header::CONTENT_LENGTH);
                Reply::Answer(response)
            }
            FaultAnswer::Truncated => Reply::Truncated(self.respond(call)),
            FaultAnswer::Redirect { location } => {
                let answer = Answer::empty(StatusCode::TEMPORARY_REDIRECT);
                Reply::Answer(self.dress(call, answer.header("location", location)))
            }
            FaultAnswer::NextLink { location } => {
                Reply::Answer(with_next_link(self.respond(call), &location))
            }
            FaultAnswer::PollLink { location } => {
                let mut response = self.respond(call);
                for name in ["azure-asyncoperation", "location"] {
                    if let (Some(link), Ok(value)) = (
                        response.headers_mut().get_mut(name),
                        HeaderValue::try_from(location.as_str()),
                    ) {
                        *link = value;
                    }
                }
                Reply::Answer(response)
            }
        }
    }
}

/// The api-version, then the right to do it.
fn authorise(ask: &Ask<'_>) -> Result<()> {
    ask.call.api_version()?;
    let listing = [
        "Microsoft.Resources/subscriptions",
        "Microsoft.Resources/tenants",
    ];
    let free = !ask.path.is_item() && listing.contains(&ask.path.kind().as_str());
    if free || !ask.path.is_known() {
        return Ok(());
    }
    ask.caller.require(
        &ask.path.action(ask.call),
        &ask.path.checked_scope(),
        ask.operator,
    )
}

/// What a proxy says of a host that has no address.
fn no_such_host() -> Response<Bytes> {
    let message = "There is no such host in this estate.";
    Failure::new(StatusCode::BAD_GATEWAY, "HostNotFound", message)
        .into_answer()
        .into_response()
}

fn with_next_link(mut response: Response<Bytes>, link: &str) -> Response<Bytes> {
    let parsed: Result<Value, _> = serde_json::from_slice(response.body());
    if let Ok(Value::Object(mut fields)) = parsed {
        fields.insert("nextLink".to_owned(), json!(link));
        *response.body_mut() = Bytes::from(Value::Object(fields).to_string());
    }
    response
}

/// What the client gets to see of a reply, for the journal.
fn answered(reply: &Reply) -> Option<&Response<Bytes>> {
    match reply {
        Reply::Answer(response) | Reply::Truncated(response) => Some(response),
        Reply::Delayed(_, later) => answered(later),
        Reply::Reset | Reply::Silence | Reply::Endless(_) => None,
    }
}

#[cfg(test)]
mod tests;
