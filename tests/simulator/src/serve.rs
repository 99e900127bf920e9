//! Azure on real sockets: plain http and https at once, and the proxy that brings real clients here
//! under Azure's own host names. It moves bytes and reads the clock; every decision is [`Azure`]'s.

use std::{
    fmt, io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::uri::Authority;
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use jiff::Timestamp;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use self::{certificates::Certificates, journal::Journal};
use crate::azure::{Azure, Settings, World};

mod admin;
mod answer;
mod certificates;
mod journal;
mod tunnel;
mod wire;

#[cfg(test)]
mod tests;

pub use self::certificates::CertificateError;

/// What to serve, and where.
#[derive(Debug)]
pub struct Options {
    /// Where plain http, the proxy (`CONNECT`) and the admin endpoint listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where https listens; port 0 picks a free one.
    pub tls_listen: SocketAddr,
    /// Where the private CA and the server's certificate are kept; none: in memory only.
    pub tls_dir: Option<PathBuf>,
    /// The initial estate.
    pub world: World,
    /// Azure's own delays and limits.
    pub settings: Settings,
    /// A file that every exchange is appended to, one JSON object a line.
    pub journal: Option<PathBuf>,
}

impl Options {
    /// The built-in estate on free ports of the loopback address, nothing kept on disk.
    pub fn loopback() -> Self {
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: any_port,
            tls_listen: any_port,
            tls_dir: None,
            world: World::builtin(),
            settings: Settings::default(),
            journal: None,
        }
    }
}

/// A simulator that serves until it is shut down or dropped.
#[must_use = "the simulator stops when this is dropped"]
pub struct Running {
    /// Where plain http, the proxy and the admin endpoint are.
    pub http: SocketAddr,
    /// Where https is.
    pub https: SocketAddr,
    /// The certificate of the private CA, as PEM.
    pub ca_pem: String,
    /// The estate itself. Do not drain its journal: [`Running::journal`] has it.
    pub azure: Arc<Mutex<Azure>>,
    shared: Arc<Shared>,
}

impl Running {
    /// The exchanges from number `since` on (the first is 0), as far as they are still kept.
    pub fn journal(&self, since: u64) -> Vec<Value> {
        self.shared.journal().since(since).exchanges
    }

    /// Stops listening, ends every connection, and returns when that is done.
    pub async fn shutdown(self) {
        let mut tasks = self.shared.take_tasks();
        tasks.shutdown().await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.shared.take_tasks());
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("http", &self.http)
            .field("https", &self.https)
            .finish_non_exhaustive()
    }
}

/// Why the simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// An address could not be listened on.
    #[error("failed to listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The private CA or a certificate could not be read or made.
    #[error("failed to prepare the private CA")]
    Certificates(#[source] CertificateError),
    /// The journal file could not be opened.
    #[error("failed to open the journal {path}", path = .path.display())]
    Journal {
        /// The file asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Starts to serve; when it returns, both addresses accept connections.
pub async fn serve(options: Options) -> Result<Running, ServeError> {
    let Options {
        listen,
        tls_listen,
        tls_dir,
        world,
        settings,
        journal,
    } = options;
    let certificates = Certificates::open(tls_dir.as_deref(), tls_listen.ip())
        .map_err(ServeError::Certificates)?;
    let (plain, http) = bind(listen).await?;
    let (tls, https) = bind(tls_listen).await?;
    let journal = match journal {
        Some(path) => {
            Journal::appending_to(&path).map_err(|source| ServeError::Journal { path, source })?
        }
        None => Journal::in_memory(),
    };
    let azure = Arc::new(Mutex::new(Azure::new(world, settings, now())));
    let ca_pem = certificates.ca_pem().to_owned();
    let shared = Arc::new(Shared {
        azure: Arc::clone(&azure),
        journal: Mutex::new(journal),
        acceptor: certificates
            .into_acceptor()
            .map_err(ServeError::Certificates)?,
        tasks: Mutex::new(Some(JoinSet::new())),
    });
    shared.spawn(accept(Arc::clone(&shared), plain, Via::Plain(http)));
    shared.spawn(accept(Arc::clone(&shared), tls, Via::Tls(https)));
    Ok(Running {
        http,
        https,
        ca_pem,
        azure,
        shared,
    })
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let listen = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let local = listener.local_addr().map_err(listen)?;
    Ok((listener, local))
}

/// How a request came here, which decides what its URI is completed with.
#[derive(Clone, Debug)]
enum Via {
    /// The plain listener at this address.
    Plain(SocketAddr),
    /// The https listener at this address.
    Tls(SocketAddr),
    /// A tunnel that a client asked for with `CONNECT` to this Azure host.
    Tunnel(Authority),
}

/// What all connections share.
struct Shared {
    azure: Arc<Mutex<Azure>>,
    journal: Mutex<Journal>,
    acceptor: TlsAcceptor,
    /// Every task of this server; none once it was stopped.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl Shared {
    /// Lets Azure do `work` at the present time and writes down what was exchanged.
    fn with_azure<T>(&self, work: impl FnOnce(&mut Azure, Timestamp) -> T) -> T {
        let mut azure = self.azure.lock().unwrap_or_else(PoisonError::into_inner);
        let done = work(&mut azure, now());
        let exchanges = azure.journal();
        // taken while Azure is held, so that the journal has Azure's order
        self.journal().append(&exchanges);
        drop(azure);
        done
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_tasks(&self) -> JoinSet<()> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.take().unwrap_or_default()
    }

    /// Runs `task` until it ends or the server is stopped.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tasks) = tasks.as_mut() {
            while tasks.try_join_next().is_some() {}
            tasks.spawn(task);
        }
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener, via: Via) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                shared.spawn(greet(Arc::clone(&shared), via.clone(), stream));
            }
            // most likely out of file descriptors: wait until some connections have ended
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn greet(shared: Arc<Shared>, via: Via, stream: TcpStream) {
    // a failure here only costs speed
    stream.set_nodelay(true).ok();
    match via {
        Via::Plain(_) => converse(shared, via, stream).await,
        Via::Tls(_) | Via::Tunnel(_) => {
            let accepted = shared.acceptor.accept(stream).await;
            // a client that does not trust our CA says so itself
            if let Ok(encrypted) = accepted {
                converse(shared, via, encrypted).await;
            }
        }
    }
}

/// Answers the requests of one connection, HTTP/1.1 or HTTP/2, until it ends.
async fn converse<S>(shared: Arc<Shared>, via: Via, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let service =
        service_fn(move |request| answer::answer(Arc::clone(&shared), via.clone(), request));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    // how a connection ends concerns the client alone; resets on purpose end here too
    connection.await.ok();
}

/// The one place where the simulator reads the clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the border: everything inside takes time as an argument"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
