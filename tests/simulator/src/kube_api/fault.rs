//! Faults between the client and the server: scripted rules, or a closure for all else.

use http::{Method, StatusCode};
use jiff::SignedDuration;

/// What happens to a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// The connection breaks before the server has seen the request.
    LoseRequest,
    /// The request takes effect, and the connection breaks before the answer is there. A watch is
    /// closed at once.
    LoseAnswer,
    /// The request has no effect and no answer ever comes.
    Silence,
    /// The request takes effect and is answered that much later.
    Delay(SignedDuration),
    /// The request has no effect and is answered with this status.
    Refuse(StatusCode),
}

/// A request as the interceptor sees it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// How many requests came before it.
    pub number: u64,
    /// Its method.
    pub method: &'a Method,
    /// Its path, without the query.
    pub path: &'a str,
    /// Whether it opens a watch.
    pub is_watch: bool,
}

/// A rule: which requests, and what happens to them. Made by [`Fault::new`], every request, for ever.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    method: Option<Method>,
    path: String,
    only_watches: bool,
    skipped: u32,
    times: Option<u32>,
    effect: Effect,
}

impl Fault {
    /// `effect` on every request.
    pub const fn new(effect: Effect) -> Self {
        Self {
            method: None,
            path: String::new(),
            only_watches: false,
            skipped: 0,
            times: None,
            effect,
        }
    }

    /// Only requests of this method.
    #[must_use]
    pub fn on(self, method: Method) -> Self {
        Self {
            method: Some(method),
            ..self
        }
    }

    /// Only requests whose path contains this.
    #[must_use]
    pub fn path(self, part: &str) -> Self {
        Self {
            path: part.to_owned(),
            ..self
        }
    }

    /// Only requests that open a watch.
    #[must_use]
    pub fn watches(self) -> Self {
        Self {
            only_watches: true,
            ..self
        }
    }

    /// Not the first `count` requests that match.
    #[must_use]
    pub fn after(self, count: u32) -> Self {
        Self {
            skipped: count,
            ..self
        }
    }

    /// No more than `count` requests.
    #[must_use]
    pub fn times(self, count: u32) -> Self {
        Self {
            times: Some(count),
            ..self
        }
    }

    /// The effect on this request, and the rule's counters move on.
    fn judge(&mut self, call: &Call<'_>) -> Option<Effect> {
        let matches = self
            .method
            .as_ref()
            .is_none_or(|method| method == call.method)
            && call.path.contains(&self.path)
            && (!self.only_watches || call.is_watch);
        if !matches || self.times == Some(0) {
            return None;
        }
        if self.skipped > 0 {
            self.skipped -= 1;
            return None;
        }
        self.times = self.times.map(|times| times - 1);
        Some(self.effect)
    }
}

/// All rules and the interceptor.
#[derive(Default)]
pub(super) struct Faults {
    rules: Vec<Fault>,
    interceptor: Option<Interceptor>,
    calls: u64,
}

type Interceptor = Box<dyn FnMut(&Call<'_>) -> Option<Effect> + Send>;

/// What the server does with a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Proceed,
    ProceedThenLose,
    ProceedLater(SignedDuration),
    Lost,
    Silence,
    Refuse(StatusCode),
}

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.rules.push(fault);
    }

    pub(super) fn intercept(&mut self, interceptor: Interceptor) {
        self.interceptor = Some(interceptor);
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
        self.interceptor = None;
    }

    pub(super) const fn calls(&self) -> u64 {
        self.calls
    }

    /// Counts a request and says what happens to it.
    pub(super) fn judge(&mut self, method: &Method, path: &str, is_watch: bool) -> Verdict {
        let call = Call {
            number: self.calls,
            method,
            path,
            is_watch,
        };
        self.calls += 1;
        let intercepted = self.interceptor.as_mut().and_then(|judge| judge(&call));
        let effect =
            intercepted.or_else(|| self.rules.iter_mut().find_map(|rule| rule.judge(&call)));
        match effect {
            None => Verdict::Proceed,
            Some(Effect::LoseRequest) => Verdict::Lost,
            Some(Effect::LoseAnswer) => Verdict::ProceedThenLose,
            Some(Effect::Silence) => Verdict::Silence,
            Some(Effect::Delay(delay)) => Verdict::ProceedLater(delay),
            Some(Effect::Refuse(status)) => Verdict::Refuse(status),
        }
    }
}
