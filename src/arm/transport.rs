//! The seam to the network: one HTTP request in, one whole HTTP response out.
//!
//! [`Transport`] is the only trait of this module tree that exists for substitution: the virtual
//! time rig puts the simulator behind it. [`HttpTransport`] is the real one. It promises: no
//! redirect is followed, a connection and an answer each have a deadline, no answer is larger
//! than the limit (counted while it streams in), no compression, TLS verified against the roots
//! of the platform plus the extra bundle, and a proxy only where the settings name one. It reads
//! no environment and sends nothing twice.

use std::{error::Error as StdError, fmt, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use reqwest::{Certificate, Client, NoProxy, Proxy, redirect};
use thiserror::Error;
use url::Url;

use crate::arm::text;

/// Sends one HTTP request and reads the whole answer, whatever its status is.
pub trait Transport: fmt::Debug + Send + Sync {
    /// The answer to this one request; never a second attempt, never a followed redirect.
    fn execute(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>>;
}

/// Why no whole answer came back.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum TransportError {
    /// No connection was made, so the request was certainly not seen by the other side.
    #[error("failed to connect: {detail}")]
    Connect {
        /// The causes, made printable.
        detail: String,
    },
    /// No whole answer within the deadline; the request may have been applied.
    #[error("no whole answer within the time limit")]
    Timeout,
    /// The answer is larger than we are willing to hold.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The connection broke; the request may have been applied.
    #[error("the exchange broke off: {detail}")]
    Broken {
        /// The causes, made printable.
        detail: String,
    },
    /// The HTTP client could not be built.
    #[error("failed to set up {what}: {detail}")]
    Setup {
        /// Which setting is at fault.
        what: &'static str,
        /// The causes, made printable.
        detail: String,
    },
}

/// How to reach the network. Values only: nothing is read from the environment here.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Time to make a connection, TLS included.
    pub connect_timeout: Duration,
    /// Time from the start of a request to the end of its answer.
    pub deadline: Duration,
    /// The largest answer that is read, in bytes.
    pub body_limit: usize,
    /// Extra certificate authorities, PEM, any number of certificates (`--ca-bundle`).
    pub ca_bundle: Option<Vec<u8>>,
    /// The proxy for everything but the metadata endpoint.
    pub proxy: Option<ProxySettings>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            deadline: Duration::from_secs(70),
            body_limit: BODY_LIMIT,
            ca_bundle: None,
            proxy: None,
        }
    }
}

impl HttpSettings {
    /// The same settings for the metadata endpoint (169.254.169.254), which must be asked from
    /// this very machine: never through a proxy, and it answers at once or not at all.
    #[must_use]
    pub fn for_metadata_endpoint(&self) -> Self {
        Self {
            connect_timeout: Duration::from_secs(3),
            deadline: Duration::from_secs(20),
            proxy: None,
            ..self.clone()
        }
    }
}

/// An HTTP proxy and the hosts that are reached without it.
#[derive(Clone, Eq, PartialEq)]
pub struct ProxySettings {
    url: Url,
    no_proxy: String,
}

impl ProxySettings {
    /// `url` as in `HTTPS_PROXY` (`http://` or `https://`, credentials allowed), `no_proxy` as in
    /// `NO_PROXY`: hosts, domain suffixes, addresses and CIDR blocks, separated by commas.
    pub fn try_new(url: &str, no_proxy: &str) -> Result<Self, TransportError> {
        let setup = |detail: String| TransportError::Setup {
            what: "the proxy",
            detail,
        };
        let url = Url::parse(url).map_err(|error| setup(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(setup("write it as http://host:port".to_owned()));
        }
        // The metadata endpoint answers only to the machine it describes.
        let no_proxy = match no_proxy.trim() {
            "" => METADATA_HOST.to_owned(),
            listed => format!("{listed},{METADATA_HOST}"),
        };
        Ok(Self { url, no_proxy })
    }

    fn proxy(&self) -> Result<Proxy, reqwest::Error> {
        Ok(Proxy::all(self.url.clone())?.no_proxy(NoProxy::from_string(&self.no_proxy)))
    }
}

impl fmt::Debug for ProxySettings {
    /// A proxy URL may carry a password: only its host is shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxySettings")
            .field("host", &self.url.host_str())
            .field("no_proxy", &self.no_proxy)
            .finish_non_exhaustive()
    }
}

/// The real network, by reqwest. Needs a rustls provider installed in the process.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: Client,
    body_limit: usize,
}

impl HttpTransport {
    /// A pool of connections with these settings.
    pub fn try_new(settings: &HttpSettings) -> Result<Self, TransportError> {
        let mut builder = Client::builder()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.deadline)
            .pool_idle_timeout(POOL_IDLE)
            .http2_max_header_list_size(MAX_HEADER_LIST)
            // what the environment says is read by the command line, and comes in as a value
            .no_proxy();
        if let Some(pem) = &settings.ca_bundle {
            builder = builder.tls_certs_merge(certificates(pem)?);
        }
        if let Some(proxy) = &settings.proxy {
            builder = builder.proxy(proxy.proxy().map_err(|error| setup("the proxy", &error))?);
        }
        let client = builder
            .build()
            .map_err(|error| setup("the HTTP client", &error))?;
        Ok(Self {
            client,
            body_limit: settings.body_limit,
        })
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let (parts, body) = request.into_parts();
        let outgoing = self
            .client
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers)
            .body(body);
        let mut answer = outgoing.send().await.map_err(classify)?;
        let too_large = TransportError::TooLarge {
            limit: self.body_limit,
        };
        let announced = answer.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |length| length > self.body_limit) {
            return Err(too_large);
        }
        let mut whole = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(classify)? {
            if whole.len().saturating_add(chunk.len()) > self.body_limit {
                return Err(too_large);
            }
            whole.extend_from_slice(&chunk);
        }
        let mut response = Response::new(whole.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

impl Transport for HttpTransport {
    fn execute(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        self.exchange(request).boxed()
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate>, TransportError> {
    let found =
        Certificate::from_pem_bundle(pem).map_err(|error| setup("the CA bundle", &error))?;
    if found.is_empty() {
        return Err(TransportError::Setup {
            what: "the CA bundle",
            detail: "it holds no PEM certificate".to_owned(),
        });
    }
    Ok(found)
}

fn classify(error: reqwest::Error) -> TransportError {
    if error.is_connect() {
        TransportError::Connect {
            detail: causes(&error.without_url()),
        }
    } else if error.is_timeout() {
        TransportError::Timeout
    } else {
        TransportError::Broken {
            detail: causes(&error.without_url()),
        }
    }
}

fn setup(what: &'static str, error: &reqwest::Error) -> TransportError {
    TransportError::Setup {
        what,
        detail: causes(error),
    }
}

/// The chain of causes in one line; each only if it says something that the one before did not.
fn causes(error: &(dyn StdError + 'static)) -> String {
    let mut line = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !line.contains(&words) {
            line.push_str(": ");
            line.push_str(&words);
        }
        next = cause.source();
    }
    text::printable(&line, DETAIL_LIMIT, &[])
}

/// 4 MiB: the largest list of 1,000 rows seen in practice is below 2 MiB.
pub const BODY_LIMIT: usize = 4 * 1024 * 1024;
const METADATA_HOST: &str = "169.254.169.254";
const POOL_IDLE: Duration = Duration::from_secs(90);
const MAX_HEADER_LIST: u32 = 64 * 1024;
const DETAIL_LIMIT: usize = 300;

#[cfg(test)]
mod tests;
