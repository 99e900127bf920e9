//! The proxy: `CONNECT` to an Azure host ends here, in TLS with a certificate for that host.
//! It never opens a connection to anywhere.

use std::sync::Arc;

use http::{Request, Response, StatusCode, uri::Authority};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::{Shared, Via, answer::refusal, converse, wire::Body};

/// Whether the simulator plays this host of Azure's public cloud.
pub(super) fn is_azure_host(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    HOSTS.contains(&host.as_str())
        || SUFFIXES.iter().any(|suffix| {
            host.strip_suffix(suffix)
                .is_some_and(|name| !name.is_empty() && !name.contains('.'))
        })
}

/// Agrees to a tunnel and serves Azure inside it, or says why not.
pub(super) fn open(shared: &Arc<Shared>, via: &Via, request: Request<Incoming>) -> Response<Body> {
    if let Via::Tunnel(host) = via {
        let message = format!("this is a tunnel to {host} already; send it the request itself");
        return refusal(StatusCode::BAD_REQUEST, &message);
    }
    let host = match permitted(request.uri().authority()) {
        Ok(host) => host,
        Err(message) => return refusal(StatusCode::FORBIDDEN, &message),
    };
    let inside = Arc::clone(shared);
    shared.spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else {
            return;
        };
        let accepted = inside.acceptor.accept(TokioIo::new(upgraded)).await;
        // a client that does not trust our CA says so itself
        if let Ok(stream) = accepted {
            // boxed: the conversation may itself ask for a tunnel, as far as the types know
            Box::pin(converse(Arc::clone(&inside), Via::Tunnel(host), stream)).await;
        }
    });
    Response::new(Body::empty())
}

/// The host as it stands in the URIs of requests inside the tunnel.
fn permitted(target: Option<&Authority>) -> Result<Authority, String> {
    let Some(target) = target else {
        return Err("CONNECT names no host; write CONNECT host:443".to_owned());
    };
    let is_https = target.port_u16().is_none_or(|port| port == 443);
    if !is_https || !is_azure_host(target.host()) {
        return Err(format!(
            "this proxy leads to the simulated Azure only, not to {target}; it knows {}, *{} at \
             port 443 (put other hosts into NO_PROXY)",
            HOSTS.join(", "),
            SUFFIXES.join(", *"),
        ));
    }
    Authority::try_from(target.host()).map_err(|error| format!("{target} is no host: {error}"))
}

const HOSTS: [&str; 2] = ["management.azure.com", "login.microsoftonline.com"];
const SUFFIXES: [&str; 2] = [".vault.azure.net", ".dicom.azurehealthcareapis.com"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hosts_of_azure_that_the_simulator_plays_are_let_through() {
        for host in [
            "management.azure.com",
            "Management.Azure.com",
            "login.microsoftonline.com",
            "clinic-keys.vault.azure.net",
            "clinic-radiology.dicom.azurehealthcareapis.com",
        ] {
            assert!(is_azure_host(host), "{host}");
        }
        for host in [
            "example.org",
            "management.azure.com.example.org",
            "vault.azure.net",
            ".vault.azure.net",
            "a.b.vault.azure.net",
            "management.usgovcloudapi.net",
            "127.0.0.1",
        ] {
            assert!(!is_azure_host(host), "{host}");
        }
    }

    #[test]
    fn a_tunnel_leads_to_port_443_and_its_host_carries_no_port() {
        let permitted = |target: &str| permitted(Some(&target.parse().unwrap()));
        assert_eq!(
            permitted("management.azure.com:443").unwrap(),
            "management.azure.com"
        );
        assert_eq!(
            permitted("management.azure.com").unwrap(),
            "management.azure.com"
        );
        let refused = permitted("management.azure.com:22").unwrap_err();
        assert!(refused.contains("at port 443"), "{refused}");
    }
}
