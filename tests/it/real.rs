//! The compiled operator, with the rights that `deploy/` grants, between a real API server and the
//! simulated Azure on real sockets; kubectl is the user.

mod causes;
mod definition;
mod estate;
mod leases;
mod leaving;
mod onboarding;
mod operator;
mod recovery;
mod restraint;
