//! Azure as a synchronous state machine. It knows nothing of the operator's code.

pub mod azure;
