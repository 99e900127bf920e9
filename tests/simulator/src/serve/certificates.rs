//! The private CA, the server's certificate, and certificates for Azure's host names made on demand.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    ServerConfig,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use tokio_rustls::TlsAcceptor;

use super::tunnel::is_azure_host;

/// Why there is no CA or certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file of the TLS directory could not be read or written.
    #[error("failed to use {path}", path = .path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Some files of the TLS directory are there and others are missing.
    #[error("{path} is missing though its siblings are there; empty the directory to have all made anew", path = .path.display())]
    Incomplete {
        /// The missing file.
        path: PathBuf,
    },
    /// A certificate or key could not be made, or a stored one not be understood.
    #[error("failed to make or read a certificate")]
    Certificate(#[source] rcgen::Error),
    /// A stored certificate is no PEM.
    #[error("failed to read a stored certificate")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// rustls does not accept what we made.
    #[error("failed to set up TLS")]
    Tls(#[source] rustls::Error),
}

/// A private CA with what it signed.
pub(super) struct Certificates {
    stored: Stored,
    issuer: Issuer<'static, KeyPair>,
    server_key: KeyPair,
    server: Arc<CertifiedKey>,
    /// One certificate per Azure host that was asked for.
    hosts: Mutex<BTreeMap<String, Arc<CertifiedKey>>>,
}

/// The four files of the TLS directory, in the order of [`FILES`].
struct Stored {
    ca: String,
    ca_key: String,
    server: String,
    server_key: String,
}

impl Certificates {
    /// Takes the CA from a directory, or makes one (and leaves it there). `listen` is an address that
    /// the server's own certificate names besides the loopback ones.
    pub(super) fn open(directory: Option<&Path>, listen: IpAddr) -> Result<Self, CertificateError> {
        let stored = match directory {
            None => Stored::generate(listen)?,
            Some(directory) => match Stored::load(directory)? {
                Some(stored) => stored,
                None => Stored::generate(listen)?.save(directory)?,
            },
        };
        let key = KeyPair::from_pem(&stored.ca_key).map_err(CertificateError::Certificate)?;
        let server_key =
            KeyPair::from_pem(&stored.server_key).map_err(CertificateError::Certificate)?;
        let server = CertificateDer::from_pem_slice(stored.server.as_bytes())
            .map_err(CertificateError::Pem)?;
        Ok(Self {
            server: certified(server, &server_key)?,
            issuer: Issuer::new(ca_parameters(), key),
            server_key,
            stored,
            hosts: Mutex::default(),
        })
    }

    /// The CA's certificate as PEM.
    pub(super) fn ca_pem(&self) -> &str {
        &self.stored.ca
    }

    /// Accepts TLS 1.2 and 1.3 with HTTP/2 and HTTP/1.1, and picks the certificate by host name.
    pub(super) fn into_acceptor(self) -> Result<TlsAcceptor, CertificateError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(CertificateError::Tls)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn for_host(&self, host: &str) -> Result<Arc<CertifiedKey>, CertificateError> {
        let known = || self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(certified) = known().get(host) {
            return Ok(Arc::clone(certified));
        }
        let certificate = server_parameters(vec![host.to_owned()])?
            .signed_by(&self.server_key, &self.issuer)
            .map_err(CertificateError::Certificate)?;
        let made = certified(certificate.der().clone(), &self.server_key)?;
        // two connections may have made one at the same time: either is good
        known().insert(host.to_owned(), Arc::clone(&made));
        Ok(made)
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match hello.server_name() {
            Some(name) if is_azure_host(name) => self.for_host(&name.to_ascii_lowercase()).ok(),
            Some(_) | None => Some(Arc::clone(&self.server)),
        }
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl Stored {
    fn generate(listen: IpAddr) -> Result<Self, CertificateError> {
        let ca_key = KeyPair::generate().map_err(CertificateError::Certificate)?;
        let ca = ca_parameters()
            .self_signed(&ca_key)
            .map_err(CertificateError::Certificate)?;
        let ca_key_pem = ca_key.serialize_pem();
        let issuer = Issuer::new(ca_parameters(), ca_key);
        let server_key = KeyPair::generate().map_err(CertificateError::Certificate)?;
        let mut names = vec![
            "localhost".to_owned(),
            Ipv4Addr::LOCALHOST.to_string(),
            Ipv6Addr::LOCALHOST.to_string(),
        ];
        if !listen.is_loopback() && !listen.is_unspecified() {
            names.push(listen.to_string());
        }
        let server = server_parameters(names)?
            .signed_by(&server_key, &issuer)
            .map_err(CertificateError::Certificate)?;
        Ok(Self {
            ca: ca.pem(),
            ca_key: ca_key_pem,
            server: server.pem(),
            server_key: server_key.serialize_pem(),
        })
    }

    /// The stored files; none when there is none of them.
    fn load(directory: &Path) -> Result<Option<Self>, CertificateError> {
        let [ca, ca_key, server, server_key] = FILES.map(|name| directory.join(name));
        let mut missing = Vec::new();
        let mut read = |path: PathBuf| match fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                missing.push(path);
                Ok(String::new())
            }
            Err(source) => Err(CertificateError::File { path, source }),
        };
        let stored = Self {
            ca: read(ca)?,
            ca_key: read(ca_key)?,
            server: read(server)?,
            server_key: read(server_key)?,
        };
        match missing.pop() {
            None => Ok(Some(stored)),
            Some(_) if missing.len() + 1 == FILES.len() => Ok(None),
            Some(path) => Err(CertificateError::Incomplete { path }),
        }
    }

    fn save(self, directory: &Path) -> Result<Self, CertificateError> {
        fs::create_dir_all(directory).map_err(|source| CertificateError::File {
            path: directory.to_owned(),
            source,
        })?;
        let texts = [&self.ca, &self.ca_key, &self.server, &self.server_key];
        for (name, text) in FILES.into_iter().zip(texts) {
            let path = directory.join(name);
            fs::write(&path, text).map_err(|source| CertificateError::File { path, source })?;
        }
        Ok(self)
    }
}

fn ca_parameters() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = named("azure-simulator private CA");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    dated(parameters)
}

fn server_parameters(names: Vec<String>) -> Result<CertificateParams, CertificateError> {
    let mut parameters = CertificateParams::new(names).map_err(CertificateError::Certificate)?;
    parameters.distinguished_name = named("azure-simulator");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Python from 3.13 on, and others that verify strictly, want it
    parameters.use_authority_key_identifier_extension = true;
    Ok(dated(parameters))
}

/// Valid for as long as the short form of dates reaches, whatever clock the client has.
fn dated(mut parameters: CertificateParams) -> CertificateParams {
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(2049, 12, 31);
    parameters
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn certified(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
) -> Result<Arc<CertifiedKey>, CertificateError> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = ring::sign::any_supported_type(&key).map_err(CertificateError::Tls)?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate], key)))
}

const FILES: [&str; 4] = ["ca.pem", "ca-key.pem", "server.pem", "server-key.pem"];
