//! Two operators and one Lease.

use super::estate::Estate;
use super::operator::{Operator, RADIOLOGY, apply, eventually, wait_for_ready};
use crate::cluster::{Cluster, cluster};

#[test]
fn the_second_operator_takes_over_when_the_first_is_told_to_end() {
    let cluster = cluster();
    let access = cluster.access();
    let namespace = cluster.namespace("lease");
    let estate = Estate::start("lease");
    let flags = [
        "--namespace",
        &namespace,
        "--leader-elect",
        "--leader-election-namespace=dicomenc-system",
    ];
    let mut first = Operator::start(access, &estate, "lease-first", &flags);
    first.wait_until_ready();
    let held = eventually("a holder of the lease", || holder(cluster));
    let second = Operator::start(access, &estate, "lease-second", &flags);
    second.wait_until_ready();
    assert_eq!(holder(cluster), Ok(held.clone()));

    assert!(first.stop().success());
    eventually("another holder", || {
        let now = holder(cluster)?;
        if now == held { Err(now) } else { Ok(()) }
    });
    apply(access, &namespace, RADIOLOGY);
    wait_for_ready(access, (&namespace, "radiology"), ["True", "Healthy"]);
}

fn holder(cluster: &Cluster) -> Result<String, String> {
    let arguments = [
        "get",
        "lease",
        "dicomenc-operator",
        "-n",
        "dicomenc-system",
        "-o=jsonpath={.spec.holderIdentity}",
    ];
    let output = cluster.access().kubectl(&arguments);
    let output = output.map_err(|error| error.to_string())?;
    if output.success && !output.stdout.is_empty() {
        Ok(output.stdout)
    } else {
        Err(output.stderr)
    }
}
