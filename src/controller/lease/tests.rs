mod fake;

use std::sync::Arc;

use tokio::{
    sync::watch,
    task::{JoinHandle, spawn_local},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use self::fake::{Fault, LeaseServer, Seen};
use super::*;
use crate::{
    clock::{Clock, VirtualClock},
    metrics::{KubeMetrics, registry},
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(millis: u64) -> Monotonic {
    Monotonic::from_origin(Duration::from_millis(millis))
}

fn settings(identity: &str) -> LeaseSettings {
    LeaseSettings {
        name: "dicomenc-operator".to_owned(),
        identity: identity.to_owned(),
        lease_duration: seconds(15),
        renew_deadline: seconds(10),
        retry_period: seconds(2),
    }
}

fn held_by(holder: &str, duration: Option<Duration>) -> LeaseView {
    LeaseView {
        holder: Some(holder.to_owned()),
        duration,
        renewed: None,
        transitions: 3,
    }
}

#[test]
fn decisions_follow_our_own_clock_since_the_record_changed() {
    let released = LeaseView {
        holder: None,
        ..held_by("", None)
    };
    let (mine, theirs) = (
        held_by("me", Some(seconds(15))),
        held_by("them", Some(seconds(15))),
    );
    let long = held_by("them", Some(seconds(60)));
    let without_duration = held_by("them", None);
    let stand_by = |millis| Decision::StandBy {
        recheck: Duration::from_millis(millis),
    };
    let hold = |millis| Decision::Hold {
        recheck: Duration::from_millis(millis),
    };
    for (case, lease, unchanged_for, expected) in [
        ("there is no lease", None, 0, Decision::Acquire),
        ("it was released", Some(&released), 0, Decision::Acquire),
        ("ours, just renewed", Some(&mine), 0, hold(2000)),
        ("ours, nearly due", Some(&mine), 1500, hold(500)),
        ("ours, due", Some(&mine), 2000, Decision::Renew),
        ("ours, long forgotten", Some(&mine), 90_000, Decision::Renew),
        ("theirs, just seen", Some(&theirs), 0, stand_by(2000)),
        ("theirs, soon expired", Some(&theirs), 14_500, stand_by(500)),
        (
            "theirs, in its last moment",
            Some(&theirs),
            14_999,
            stand_by(1),
        ),
        ("theirs, expired", Some(&theirs), 15_000, Decision::Acquire),
        (
            "theirs with a longer duration than ours",
            Some(&long),
            15_000,
            stand_by(2000),
        ),
        (
            "theirs without a duration",
            Some(&without_duration),
            14_000,
            stand_by(1000),
        ),
        (
            "theirs without a duration, expired",
            Some(&without_duration),
            15_000,
            Decision::Acquire,
        ),
    ] {
        let changed = at(100_000);
        let now = changed.after(Duration::from_millis(unchanged_for));
        assert_eq!(
            decide(lease, changed, now, &settings("me")),
            expected,
            "{case}"
        );
    }
}

#[test]
fn an_empty_holder_or_duration_in_a_lease_counts_as_none() {
    let lease: Lease = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "dicomenc-operator"},
        "spec": {"holderIdentity": "", "leaseDurationSeconds": 0, "leaseTransitions": 4}
    }))
    .unwrap();
    assert_eq!(
        LeaseView::from(&lease),
        LeaseView {
            holder: None,
            duration: None,
            renewed: None,
            transitions: 4
        }
    );
}

#[test]
fn two_processes_on_one_host_are_two_candidates() {
    let (first, second) = (identity("operator-0"), identity("operator-0"));
    assert!(first.starts_with("operator-0_"));
    assert_ne!(first, second);
}

#[test]
fn a_fence_without_an_election_never_closes() {
    assert!(Fence::always().may_write(Monotonic::END));
    let unelected = Leadership::unelected(Timestamp::UNIX_EPOCH);
    let following = Fence::following(watch::channel(unelected).1);
    assert!(following.may_write(at(1)));
}

struct Candidate {
    leadership: watch::Receiver<Leadership>,
    fence: Fence,
    mark: SweepMark,
    shutdown: CancellationToken,
    running: JoinHandle<()>,
    clock: Arc<VirtualClock>,
}

impl Candidate {
    fn start(server: &LeaseServer, identity: &str) -> Self {
        let start = "2026-03-01T08:00:00Z".parse().unwrap();
        let clock = Arc::new(VirtualClock::starting_at(start));
        let metrics = KubeMetrics::register(&mut registry());
        let election = Arc::clone(&clock);
        let elector = Elector::new(server.api(identity), settings(identity), election, metrics);
        let (leadership, fence, mark) =
            (elector.leadership(), elector.fence(), elector.sweep_mark());
        let shutdown = CancellationToken::new();
        let running = spawn_local(elector.run(shutdown.clone()));
        Self {
            leadership,
            fence,
            mark,
            shutdown,
            running,
            clock,
        }
    }

    async fn leads(&mut self) {
        self.leadership
            .wait_for(Leadership::is_leading)
            .await
            .unwrap();
    }

    async fn stands_by(&mut self) {
        self.leadership
            .wait_for(|leadership| !leadership.is_leading())
            .await
            .unwrap();
    }

    fn may_write(&self) -> bool {
        self.fence.may_write(self.clock.monotonic())
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn the_first_candidate_creates_the_lease_and_renews_it() {
    let server = LeaseServer::default();
    let mut first = Candidate::start(&server, "first");
    first.mark.swept("2026-03-01T07:59:30Z".parse().unwrap());
    first.leads().await;
    assert!(first.may_write());

    sleep(seconds(61)).await;

    assert!(first.may_write());
    let seen = server.seen();
    assert_eq!(
        seen,
        Seen {
            holder: Some("first".to_owned()),
            duration: Some(15),
            transitions: Some(0),
            renewed: Some("2026-03-01T08:01:00Z".parse().unwrap()),
            last_sweep: Some("2026-03-01T07:59:30Z".to_owned()),
        }
    );
    // one GET, one POST, and a PUT every two seconds without another GET
    assert_eq!(
        server.calls(),
        ("GET".to_owned() + " POST" + &" PUT".repeat(30))
    );
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_second_candidate_takes_over_when_the_lease_expires_and_not_before() {
    let server = LeaseServer::default();
    let mut first = Candidate::start(&server, "first");
    first.leads().await;
    let mut second = Candidate::start(&server, "second");
    sleep(seconds(120)).await;
    assert!(!second.may_write());

    let died = Instant::now();
    first.running.abort();
    second.leads().await;

    // the last renewal may be one retry period old when it dies, and seen one later
    let took = died.elapsed();
    assert!(took >= seconds(13) && took <= seconds(17), "{took:?}");
    assert!(second.may_write());
    // what is left of the first one can no longer write: its fence closed by itself
    assert!(!first.may_write());
    assert_eq!(server.seen().holder.as_deref(), Some("second"));
    assert_eq!(server.seen().transitions, Some(1));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn two_candidates_never_may_write_at_the_same_time_while_the_network_of_one_is_cut() {
    for fault in [Fault::Refuse, Fault::Hang, Fault::LoseAnswer] {
        let server = LeaseServer::default();
        let mut first = Candidate::start(&server, "first");
        first.leads().await;
        let mut second = Candidate::start(&server, "second");
        server.break_for("first", Some(fault));
        let watching = async {
            for _ in 0..1200 {
                assert!(!(first.may_write() && second.may_write()), "{fault:?}");
                sleep(Duration::from_millis(100)).await;
            }
        };
        let healing = async {
            sleep(seconds(60)).await;
            server.break_for("first", None);
        };
        tokio::join!(watching, healing);
        if fault == Fault::LoseAnswer {
            // its renewals arrive, so nobody can take over; it leads again when answers do too
            first.leads().await;
        } else {
            second.leads().await;
            first.stands_by().await;
        }
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn leadership_is_lost_exactly_when_renewals_fail_past_the_deadline() {
    for fault in [Fault::Refuse, Fault::Hang] {
        let server = LeaseServer::default();
        let mut only = Candidate::start(&server, "only");
        only.leads().await;
        let renewed = Instant::now();
        server.break_for("only", Some(fault));

        only.stands_by().await;
        assert_eq!(renewed.elapsed(), seconds(10), "{fault:?}");
        assert!(!only.may_write());

        server.break_for("only", None);
        only.leads().await;
        assert!(only.may_write());
    }
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn one_failed_renewal_costs_nothing() {
    let server = LeaseServer::default();
    let mut only = Candidate::start(&server, "only");
    only.leads().await;
    let since = *only.leadership.borrow();
    server.break_for("only", Some(Fault::Refuse));
    sleep(seconds(5)).await;
    assert!(only.may_write());
    server.break_for("only", None);
    sleep(seconds(60)).await;

    assert!(only.may_write());
    let (Leadership::Leading { since: before, .. }, Leadership::Leading { since: after, .. }) =
        (since, *only.leadership.borrow())
    else {
        panic!("leads before and after");
    };
    assert_eq!(before, after);
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_conflict_is_read_again_and_not_forced() {
    let server = LeaseServer::default();
    let mut first = Candidate::start(&server, "first");
    first.leads().await;

    // a person annotates the lease: the next renewal conflicts, the one after succeeds
    server.edit(|lease| lease["metadata"]["annotations"]["note"] = "seen".into());
    sleep(seconds(9)).await;
    assert!(first.may_write());
    assert!(
        server.calls().contains("PUT(409) GET PUT"),
        "{}",
        server.calls()
    );

    // a person gives it to somebody else: it is not taken back before that one's time is over
    server.edit(|lease| lease["spec"]["holderIdentity"] = "by-hand".into());
    first.stands_by().await;
    let given_away = Instant::now();
    assert!(!first.may_write());
    first.leads().await;
    assert!(
        given_away.elapsed() >= seconds(14),
        "{:?}",
        given_away.elapsed()
    );
    assert_eq!(server.seen().transitions, Some(1));
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_shutdown_closes_the_fence_and_releases_the_lease_for_the_next() {
    let server = LeaseServer::default();
    let mut first = Candidate::start(&server, "first");
    first.leads().await;
    let mut second = Candidate::start(&server, "second");
    sleep(seconds(7)).await;

    let ordered = Instant::now();
    first.shutdown.cancel();
    (&mut first.running).await.unwrap();
    assert!(!first.may_write());
    assert_eq!(server.seen().holder, None);
    assert_eq!(ordered.elapsed(), Duration::ZERO);

    second.leads().await;
    assert!(ordered.elapsed() <= seconds(2), "{:?}", ordered.elapsed());
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_shutdown_while_standing_by_leaves_the_lease_of_the_other_alone() {
    let server = LeaseServer::default();
    let mut first = Candidate::start(&server, "first");
    first.leads().await;
    let mut second = Candidate::start(&server, "second");
    sleep(seconds(3)).await;

    second.shutdown.cancel();
    (&mut second.running).await.unwrap();

    assert_eq!(server.seen().holder.as_deref(), Some("first"));
    assert!(first.may_write());
}

#[tokio::test(flavor = "local", start_paused = true)]
async fn a_shutdown_that_cuts_a_write_short_reads_what_became_of_it_and_releases() {
    let server = LeaseServer::default();
    server.break_for("first", Some(Fault::LoseAnswer));
    let mut first = Candidate::start(&server, "first");
    // the lease is created, and the answer never comes
    while server.seen().holder.is_none() {
        sleep(Duration::from_millis(10)).await;
    }
    server.break_for("first", None);
    first.shutdown.cancel();
    (&mut first.running).await.unwrap();

    assert!(!first.may_write());
    assert_eq!(server.seen().holder, None);
}
