//! The private CA of one control plane, and what it signs.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The files of one control plane.
#[derive(Debug, Clone)]
pub(crate) struct Certificates {
    pub(crate) ca: PathBuf,
    pub(crate) server: Pair,
    /// A member of `system:masters`.
    pub(crate) admin: Pair,
    /// What signs the tokens of service accounts: the public key and the private one.
    pub(crate) service_accounts: Pair,
}

impl Certificates {
    /// Makes all of them new in `folder`. They are valid for any length of time: the control
    /// plane that trusts them lives for minutes.
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)
            .with_context(|| format!("failed to create the folder {}", folder.display()))?;
        let (issuer, ca) = authority(folder)?;
        let server = sign(&issuer, folder, "server", &server_certificate()?)?;
        let admin = sign(&issuer, folder, "admin", &admin_certificate())?;
        let service_accounts = service_account_keys(folder)?;
        Ok(Self {
            ca,
            server,
            admin,
            service_accounts,
        })
    }
}

fn authority(folder: &Path) -> Result<(Issuer<'static, KeyPair>, PathBuf)> {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::CommonName, "dicomenc test control plane");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    let key = KeyPair::generate().context("failed to make the key of a private CA")?;
    let certificate = params
        .self_signed(&key)
        .context("failed to sign the certificate of a private CA")?;
    let file = folder.join("ca.pem");
    write(&file, &certificate.pem())?;
    Ok((Issuer::new(params, key), file))
}

fn server_certificate() -> Result<CertificateParams> {
    let names = [
        "127.0.0.1",
        "localhost",
        "kubernetes.default.svc",
        "10.0.0.1",
    ];
    let mut params = CertificateParams::new(names.map(String::from).to_vec())
        .context("failed to name the API server in its certificate")?;
    params
        .distinguished_name
        .push(DnType::CommonName, "kube-apiserver");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn admin_certificate() -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "system:masters");
    params.distinguished_name.push(DnType::CommonName, "admin");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

fn sign(
    issuer: &Issuer<'_, KeyPair>,
    folder: &Path,
    name: &str,
    params: &CertificateParams,
) -> Result<Pair> {
    let key =
        KeyPair::generate().with_context(|| format!("failed to make a key for the {name}"))?;
    let certificate = params
        .signed_by(&key, issuer)
        .with_context(|| format!("failed to sign the certificate of the {name}"))?;
    let pair = Pair {
        certificate: folder.join(format!("{name}.pem")),
        key: folder.join(format!("{name}-key.pem")),
    };
    write(&pair.certificate, &certificate.pem())?;
    write(&pair.key, &key.serialize_pem())?;
    Ok(pair)
}

fn service_account_keys(folder: &Path) -> Result<Pair> {
    let key = KeyPair::generate().context("failed to make the key of the service accounts")?;
    let pair = Pair {
        certificate: folder.join("service-accounts.pem"),
        key: folder.join("service-accounts-key.pem"),
    };
    write(&pair.certificate, &key.public_key_pem())?;
    write(&pair.key, &key.serialize_pem())?;
    Ok(pair)
}

/// Readable by its owner alone, as keys must be.
fn write(file: &Path, pem: &str) -> Result<()> {
    let mut open = OpenOptions::new();
    open.write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(file)
        .and_then(|mut opened| opened.write_all(pem.as_bytes()))
        .with_context(|| format!("failed to write {}", file.display()))
}
