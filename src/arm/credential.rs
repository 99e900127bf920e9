//! Tokens for ARM: asked for early, kept while they are good, dropped when Azure refuses them.
//!
//! `azure_identity` knows the ways to log in; [`TokenSource`] is the patience around it. It
//! refreshes in the background long before the end, goes on with a good token when a refresh
//! fails, does not hammer the login endpoint, and builds the credential anew for each login, so
//! that no cache below it can hand out a refused token again. Secrets never show in `Debug`.

use std::{
    convert::Infallible,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use azure_core::credentials::{AccessToken, Secret, TokenCredential};
use k8s_openapi::jiff::Timestamp;
use thiserror::Error;
use tokio::time;

use crate::{
    arm::text,
    clock::{Clock, Monotonic},
};

mod http;
mod settings;

pub use settings::{CredentialSettings, LoginNetwork};

/// Why there is no token.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum CredentialError {
    /// The settings cannot work: a person has to mend them.
    #[error("failed to set up the login: {detail}")]
    Settings {
        /// Why, made printable.
        detail: String,
    },
    /// The login was tried and failed.
    #[error("failed to log in: {detail}")]
    Login {
        /// Why, made printable.
        detail: String,
    },
    /// A login failed, or its token was refused, a moment ago; it is not tried again yet.
    #[error("waiting {} s before the next login, after: {detail}", wait.as_secs())]
    Waiting {
        /// How long, from now.
        wait: Duration,
        /// What went wrong last.
        detail: String,
    },
}

/// A token to call with. Not shown by `Debug`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Token(Secret);

impl Token {
    /// The token itself: for the `Authorization` header and for nothing else.
    pub(in crate::arm) fn secret(&self) -> &str {
        self.0.secret()
    }
}

/// Builds the credential; called for each login.
pub struct CredentialFactory {
    build: Box<BuildCredential>,
    /// What must not be shown, should a login's error echo it.
    secret: Option<Secret>,
}

type BuildCredential = dyn Fn() -> Result<Arc<dyn TokenCredential>, CredentialError> + Send + Sync;

impl CredentialFactory {
    /// A factory of one's own.
    pub fn new(
        build: impl Fn() -> Result<Arc<dyn TokenCredential>, CredentialError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            build: Box::new(build),
            secret: None,
        }
    }

    /// The same credential each time: for one that keeps no cache.
    pub fn fixed(credential: Arc<dyn TokenCredential>) -> Self {
        Self::new(move || Ok(Arc::clone(&credential)))
    }

    fn secrets(&self) -> Vec<&str> {
        self.secret.iter().map(Secret::secret).collect()
    }
}

impl fmt::Debug for CredentialFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialFactory")
    }
}

/// One credential's token for one scope.
#[derive(Debug)]
pub struct TokenSource {
    factory: CredentialFactory,
    scope: String,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
    /// One login at a time.
    login: tokio::sync::Mutex<()>,
}

impl TokenSource {
    /// A source of tokens for a scope such as `https://management.azure.com/.default`. Nothing is
    /// asked for before the first call.
    pub fn new(
        factory: CredentialFactory,
        scope: impl Into<String>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            factory,
            scope: scope.into(),
            clock,
            held: Mutex::default(),
            login: tokio::sync::Mutex::default(),
        }
    }

    /// A token that is good for a minute at least; logs in when none is held.
    pub async fn token(&self) -> Result<Token, CredentialError> {
        if let Some(token) = self.usable() {
            return Ok(token);
        }
        let _one_at_a_time = self.login.lock().await;
        if let Some(token) = self.usable() {
            return Ok(token);
        }
        self.log_in().await
    }

    /// Forgets a token that Azure refused, unless another one has taken its place already.
    pub fn reject(&self, token: &Token) {
        let now = self.clock.monotonic();
        self.held(|held| held.reject(token, now));
    }

    /// Keeps the token fresh for as long as it is polled. A failure is kept to itself while the
    /// old token is good: calls go on with that one, and the next attempt comes soon.
    pub async fn keep_fresh(&self) -> Infallible {
        loop {
            if self.wants_refresh() {
                let _one_at_a_time = self.login.lock().await;
                // somebody may have logged in while this waited for its turn
                if self.wants_refresh()
                    && let Err(error) = self.log_in().await
                {
                    tracing::warn!(%error, "cannot refresh the token for Azure");
                }
            }
            // short steps: the wall clock, by which tokens end, may jump
            time::sleep(LOOK_AGAIN).await;
        }
    }

    /// When the held token ends, for metrics.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.held(|held| held.token.as_ref().map(|(_, life)| life.end))
    }

    async fn log_in(&self) -> Result<Token, CredentialError> {
        let before = self.clock.monotonic();
        self.held(|held| held.may_log_in(before))?;
        let result = self.fresh_token().await;
        let (wall, now) = (self.clock.now(), self.clock.monotonic());
        self.held(|held| match result {
            Ok(access) => Ok(held.accept(access, wall, now)),
            Err(error) => Err(held.fail(error, now)),
        })
    }

    async fn fresh_token(&self) -> Result<AccessToken, CredentialError> {
        let credential = (self.factory.build)()?;
        let scopes = [self.scope.as_str()];
        let login = credential.get_token(&scopes, None);
        match time::timeout(LOGIN_DEADLINE, login).await {
            Ok(Ok(access)) => Ok(access),
            Ok(Err(error)) => Err(CredentialError::Login {
                detail: describe(&error, &self.factory.secrets()),
            }),
            Err(_) => Err(CredentialError::Login {
                detail: "no answer in time".to_owned(),
            }),
        }
    }

    fn wants_refresh(&self) -> bool {
        let (wall, now) = (self.clock.now(), self.clock.monotonic());
        self.held(|held| held.wants_refresh(wall, now))
    }

    fn usable(&self) -> Option<Token> {
        let now = self.clock.now();
        self.held(|held| held.usable(now))
    }

    fn held<R>(&self, work: impl FnOnce(&mut Held) -> R) -> R {
        work(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is held, and when to ask again. Pure: time is an argument.
#[derive(Debug, Default)]
struct Held {
    token: Option<(Token, Life)>,
    failures: u32,
    last_problem: String,
    last_login: Monotonic,
    not_before: Monotonic,
}

/// The time in which a token is good, by the wall clock.
#[derive(Clone, Copy, Debug)]
struct Life {
    start: Timestamp,
    end: Timestamp,
}

impl Held {
    fn usable(&self, now: Timestamp) -> Option<Token> {
        let (token, life) = self.token.as_ref()?;
        (life.left(now) >= MARGIN).then(|| token.clone())
    }

    /// Once half of the token's life is over, or 20 minutes before its end if that comes later.
    /// Before the very first use nothing is refreshed.
    fn wants_refresh(&self, wall: Timestamp, now: Monotonic) -> bool {
        let Some((_, life)) = &self.token else {
            return false;
        };
        let whole = life.left(life.start);
        life.left(wall) <= EARLY.min(whole / 2) && self.not_before.since(now).is_zero()
    }

    fn may_log_in(&self, now: Monotonic) -> Result<(), CredentialError> {
        let wait = self.not_before.since(now);
        if wait.is_zero() {
            return Ok(());
        }
        Err(CredentialError::Waiting {
            wait,
            detail: self.last_problem.clone(),
        })
    }

    fn accept(&mut self, access: AccessToken, wall: Timestamp, now: Monotonic) -> Token {
        let token = Token(access.token);
        let end =
            Timestamp::from_second(access.expires_on.unix_timestamp()).unwrap_or(Timestamp::MIN);
        self.token = Some((token.clone(), Life { start: wall, end }));
        self.failures = 0;
        self.last_login = now;
        self.not_before = now;
        token
    }

    fn fail(&mut self, error: CredentialError, now: Monotonic) -> CredentialError {
        let backoff = FIRST_BACKOFF.saturating_mul(1 << self.failures.min(MAX_DOUBLINGS));
        self.failures = self.failures.saturating_add(1);
        self.last_problem = error.to_string();
        self.not_before = now.after(backoff);
        error
    }

    fn reject(&mut self, token: &Token, now: Monotonic) {
        if self.token.as_ref().is_some_and(|(held, _)| held == token) {
            self.token = None;
            // a token that is refused again and again must not make us log in for every call
            "Azure refused the token".clone_into(&mut self.last_problem);
            self.not_before = self.last_login.after(BETWEEN_LOGINS).max(now);
        }
    }
}

impl Life {
    /// What is left of it; nothing once it is over.
    fn left(&self, now: Timestamp) -> Duration {
        Duration::try_from(self.end.duration_since(now)).unwrap_or(Duration::ZERO)
    }
}

/// The words of a login error; the library's errors may hold the answer, so only their text counts.
fn describe(error: &azure_core::Error, secrets: &[&str]) -> String {
    let mut line = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let words = cause.to_string();
        if !line.contains(&words) {
            line.push_str(": ");
            line.push_str(&words);
        }
        next = cause.source();
    }
    text::printable(&line, DETAIL_LIMIT, secrets)
}

/// A token with less left than this is not used: the call itself takes time.
const MARGIN: Duration = Duration::from_mins(1);
/// `azure_identity` would ask only five minutes before the end, and fail the caller if that fails.
const EARLY: Duration = Duration::from_mins(20);
const LOOK_AGAIN: Duration = Duration::from_secs(15);
const LOGIN_DEADLINE: Duration = Duration::from_secs(30);
/// Between two logins when tokens are refused.
const BETWEEN_LOGINS: Duration = Duration::from_secs(10);
const FIRST_BACKOFF: Duration = Duration::from_secs(2);
const MAX_DOUBLINGS: u32 = 5;
const DETAIL_LIMIT: usize = 500;

#[cfg(test)]
mod tests;
