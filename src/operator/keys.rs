//! Tells the metrics how keys are read.

use std::{convert::Infallible, sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::metrics::{KeySource, VaultMetrics};
use crate::observe::{KeyReading, Observer};

/// Often enough for any scraper.
const EVERY: Duration = Duration::from_secs(10);

/// Tells it again and again.
pub(super) async fn tell(observer: Arc<Observer>, metrics: VaultMetrics) -> Infallible {
    loop {
        let KeyReading {
            vaults_direct,
            vaults_through_arm,
            interval_direct,
            interval_through_arm,
        } = observer.key_reading();
        metrics.read(KeySource::Vault, vaults_direct, interval_direct);
        metrics.read(KeySource::Arm, vaults_through_arm, interval_through_arm);
        sleep(EVERY).await;
    }
}
