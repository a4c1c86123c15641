//! The simulator: what it promises of itself, and what clusters of our nodes do in it.

use std::{cell::RefCell, collections::BTreeSet, process::Command};
use zre_engine::{
    Event, PeerId,
    app::{App, Cx},
    sim::{Drain, Identity, Network, Scenario, Share, Sim, Trial, millis, secs},
};
use zre_tests::seeds::explore_seeds;

/// Writes down what it hears, in short: `ENTER node-1`, `EXIT node-1 left`, `SHOUT node-2 hello`.
#[derive(Default)]
struct Recorder {
    heard: Vec<String>,
}

impl App for Recorder {
    fn on_start(&mut self, cx: &mut Cx<'_>) {
        cx.join("all").expect("a short name");
    }

    fn on_event(&mut self, _: &mut Cx<'_>, event: Event) {
        let what = match &event {
            Event::Exit { reason, .. } => reason.to_string(),
            Event::Whisper { content, .. } | Event::Shout { content, .. } => content.text().into_owned(),
            _ => String::new(),
        };
        self.heard.push(format!("{} {} {what}", event.kind(), event.name().unwrap_or_default()).trim_end().to_owned());
    }
}

fn cluster(seed: u64, nodes: usize, network: Network) -> Sim<Recorder> {
    Sim::builder(seed).nodes(nodes, |_| Recorder::default()).network(network).build()
}

fn count(sim: &Sim<Recorder>, kind: &str) -> u64 {
    sim.totals().events.get(kind).copied().unwrap_or(0)
}

/// The digests of some scenarios, for a look from another process too.
fn digests() -> Vec<u64> {
    (0..20).map(|seed| Scenario::swarm(seed).run().digest).collect()
}

#[test]
fn the_same_seed_is_the_same_run_in_any_process() {
    const CHILD: &str = "ZRE_TESTS_SIM_CHILD";
    if std::env::var_os(CHILD).is_some() {
        println!("digests {:?}", digests());
        return;
    }
    let name = "the_same_seed_is_the_same_run_in_any_process";
    let this = std::env::current_exe().expect("a test has a program");
    let child = Command::new(this).args([name, "--exact", "--nocapture"]).env(CHILD, "1").output().expect("it runs");
    let told = String::from_utf8_lossy(&child.stdout);
    let expected = format!("digests {:?}", digests());
    assert!(told.lines().any(|line| line.contains(&expected)), "{expected}\n{told}");
}

#[test]
fn the_order_in_which_a_driver_drains_makes_no_difference() {
    for seed in 0..40 {
        let scenario = Scenario::swarm(seed);
        let of = |drain| Trial::of_nodes().drain(drain).run(&scenario).digest;
        let first = of(Drain::EventsFirst);
        assert_eq!([first; 2], [of(Drain::ActionsFirst), of(Drain::Alternating)], "seed {seed}");
    }
}

#[test]
fn a_hundred_seeds_are_a_hundred_runs() {
    let scenarios = (0..100).map(|seed| {
        let mut sim = cluster(seed, 5, Network::lan());
        sim.run_for(secs(3));
        sim.digest()
    });
    assert_eq!(scenarios.collect::<BTreeSet<_>>().len(), 100);
    let swarms: BTreeSet<_> = (0..100).map(|seed| Scenario::swarm(seed).run().digest).collect();
    assert_eq!(swarms.len(), 100);
}

/// More of them: `ZRE_SIM_SEEDS=5000`, or `ZRE_SIM_SEEDS=5000..10000`.
#[test]
fn the_seeds_of_a_swarm_violate_nothing() {
    let seen = RefCell::new(BTreeSet::new());
    let many = explore_seeds(200, Scenario::swarm, |scenario| {
        let report = Trial::of_nodes().run(scenario);
        seen.borrow_mut().extend(report.totals.events.keys().copied());
        report
    });
    let all = [
        "ENTER",
        "EVASIVE",
        "EXIT",
        "IDENTITY-CONFLICT",
        "JOIN",
        "LEADER",
        "LEAVE",
        "ROOM",
        "SHOUT",
        "SILENT",
        "STOP",
        "WHISPER",
    ];
    // Else the swarm does not go where things happen.
    if many >= 200 {
        assert_eq!(seen.borrow().iter().copied().collect::<Vec<_>>(), all);
    }
}

#[test]
fn a_thousand_connections_mesh_within_the_first_beacons() {
    let mut sim = Sim::builder(1).nodes(100, |_| ()).network(Network::lan()).build();
    let took = sim.assert_converges(secs(3)).expect("within three seconds");
    assert_eq!(sim.mesh(), (9900, 9900));
    assert_eq!(sim.totals().connects, 9900, "one connection each way: {took:?}");
    assert!(sim.mesh_times().iter().all(Option::is_some));
    assert!(sim.full_mesh().is_some_and(|at| at <= took) && sim.curve().last().is_some_and(|last| last.seen == 9900));
}

#[test]
fn lost_beacons_and_stalled_connections_cost_nobody() {
    let mut network = Network::lan();
    network.udp.loss = Share::percent(20);
    network.tcp.stall = Share::percent(5);
    network.tcp.stall_for = secs(3);
    for seed in [7, 8] {
        let mut sim = cluster(seed, 50, network.clone());
        sim.run_for(secs(600));
        assert_eq!(count(&sim, "EXIT"), 0);
        sim.converged().expect("all views are exact");
    }
}

#[test]
fn a_cluster_that_was_in_two_halves_for_a_minute_is_one_within_three_seconds() {
    for seed in 0..3 {
        let mut sim = cluster(seed, 50, Network::lan());
        sim.assert_converges(secs(3));
        sim.partition(0..30, 30..50);
        sim.run_for(secs(60));
        let (pairs, seen) = sim.mesh();
        assert_eq!((pairs, seen), (50 * 49, 30 * 29 + 20 * 19), "each half has forgotten the other");
        sim.heal();
        assert!(sim.assert_converges(secs(3)).is_some());
    }
}

#[test]
fn without_beacons_between_them_peers_that_know_each_other_stay() {
    let mut sim = cluster(3, 6, Network::lan());
    sim.assert_converges(secs(3));
    sim.partition_udp(0..3, 3..6);
    sim.run_for(secs(120));
    assert_eq!((count(&sim, "EXIT"), count(&sim, "EVASIVE")), (0, 0));
    sim.with(0, |_, cx| cx.shout("all", "hello")).expect("it goes out");
    sim.run_for(secs(1));
    assert!((1..6).all(|node| sim.app(node).heard.contains(&"SHOUT node-0 hello".to_owned())));
}

#[test]
fn without_beacons_from_the_start_two_sides_never_meet_and_meet_when_they_come() {
    let mut sim = cluster(3, 6, Network::lan());
    sim.partition_udp(0..3, 3..6);
    sim.run_for(secs(20));
    assert_eq!(sim.mesh(), (30, 12));
    sim.heal();
    assert!(sim.assert_converges(secs(3)).is_some());
}

/// One side hears nothing of the other, which hears everything: the one gives up, and the other is told by its closing.
#[test]
fn a_way_that_is_cut_in_one_direction_ends_the_relation_on_both_sides() {
    let mut sim = cluster(5, 2, Network::lan());
    sim.assert_converges(secs(3));
    sim.partition_one_way(0, 1);
    sim.run_for(secs(60));
    let told = |node: usize| sim.app(node).heard.join(", ");
    assert!(told(1).ends_with("EVASIVE node-0, SILENT node-0, EXIT node-0 expired"), "{}", told(1));
    assert!(told(0).ends_with("EXIT node-1 lost"), "{}", told(0));
    sim.heal();
    assert!(sim.assert_converges(secs(3)).is_some());
}

/// One-way from the start: who hears beacons tries, and gets no answer; nobody believes in the other.
#[test]
fn a_way_that_was_never_open_in_one_direction_makes_no_relation() {
    let mut sim = cluster(5, 3, Network::lan());
    sim.partition_one_way(0, 1);
    sim.run_for(secs(60));
    let names = |node: usize| sim.node(node).peers().count();
    assert_eq!([names(0), names(1), names(2)], [1, 1, 2]);
    let enters = |node: usize| sim.app(node).heard.iter().filter(|what| what.starts_with("ENTER")).count();
    assert_eq!([enters(0), enters(1)], [1, 1], "nobody enters again and again");
    sim.heal();
    assert!(sim.assert_converges(secs(3)).is_some());
}

/// Two machines with one UUID (a cloned disk): whoever was there first stays, the other is told of, and nobody flaps.
#[test]
fn a_second_node_with_the_uuid_of_a_live_one_displaces_nobody() {
    let uuid = PeerId::from_octets([7; 16]);
    let mut sim = Sim::builder(9)
        .nodes(4, |_| Recorder::default())
        .config(move |node, config| config.uuid = (node < 2).then_some(uuid.into()))
        .keep_going(true)
        .start_within(millis(0))
        .build();
    sim.crash(1);
    sim.run_for(secs(5));
    sim.restart(1, Identity::Same);
    sim.run_for(secs(120));
    for node in [2, 3] {
        let heard = &sim.app(node).heard;
        let told = |what: &str| heard.iter().filter(|heard| heard.starts_with(what)).count();
        assert_eq!((told("ENTER node-0"), told("EXIT node-0"), told("ENTER node-1")), (1, 0, 0), "{heard:?}");
        assert!(told("IDENTITY-CONFLICT") > 0);
        assert!(sim.node(node).peer(uuid).is_some_and(|peer| &**peer.name() == "node-0"));
    }
    // Once the first is gone, the second is taken.
    sim.stop(0);
    sim.run_for(secs(60));
    assert!([2, 3].iter().all(|node| sim.node(*node).peer(uuid).is_some_and(|peer| &**peer.name() == "node-1")));
}

/// The old connections are dead and nobody says so: the silence is noticed, and beacons from the new address are believed.
#[test]
fn a_node_that_moves_to_another_address_is_found_again() {
    let mut sim = cluster(11, 5, Network::lan());
    sim.assert_converges(secs(3));
    let before = sim.node(0).endpoint().expect("an endpoint");
    sim.change_address(2);
    sim.run_for(secs(40));
    sim.converged().expect("all views are exact again");
    let id = sim.id(2);
    let endpoint = sim.node(0).peer(id).expect("it is there").endpoint().clone();
    assert_eq!(Some(&endpoint), sim.node(2).endpoint().as_ref());
    assert_ne!(endpoint, before);
    sim.assert_quiet(secs(60));
}

#[test]
fn each_way_to_go_is_told_by_its_reason() {
    let mut sim = cluster(13, 6, Network::lan());
    sim.assert_converges(secs(3));
    sim.stop(1);
    sim.kill(2);
    sim.crash(3);
    sim.restart(4, Identity::Same);
    sim.run_for(secs(40));
    let heard = &sim.app(0).heard;
    for what in ["EXIT node-1 left", "EXIT node-2 lost", "EXIT node-3 expired", "EXIT node-4 lost", "ENTER node-4"] {
        assert!(heard.contains(&what.to_owned()), "{what}: {heard:?}");
    }
    assert!(!heard.iter().any(|what| what.starts_with("EXIT node-5")));
    assert_eq!(sim.app(1).heard.last().map(String::as_str), Some("STOP"));
}

#[test]
fn a_machine_that_sleeps_or_reads_slowly_or_has_a_wrong_clock_comes_back() {
    let mut sim = cluster(17, 6, Network::wifi());
    sim.assert_converges(secs(5));
    sim.pause(0);
    sim.set_slow(1, true);
    sim.set_clock_rate(2, 500);
    sim.set_link(3, false);
    sim.run_for(secs(45));
    assert!(sim.converged().is_err());
    sim.heal();
    assert!(sim.assert_converges(secs(45)).is_some());
    assert!(!sim.app(4).heard.contains(&"EXIT node-2 expired".to_owned()), "half a thousandth is nothing");
    assert!(!sim.app(4).heard.iter().any(|what| what.starts_with("EXIT node-1")), "who reads slowly is no less alive");
}

#[test]
fn a_fault_that_is_taken_away_leaves_the_others_their_luck() {
    let lost = |with_reset: bool| {
        let mut network = Network::lan();
        network.udp.loss = Share::percent(30);
        let mut sim = Sim::builder(19).nodes(4, |_| ()).network(network).trace(true).build();
        sim.run_for(secs(10));
        if with_reset {
            sim.reset(0, 1);
        }
        sim.run_for(secs(10));
        let beacons = sim.trace().expect("asked for").records().iter().filter_map(|record| match record.what {
            zre_engine::sim::What::Datagram { lost, .. } => Some((record.node, lost)),
            _ => None,
        });
        beacons.collect::<Vec<_>>()
    };
    assert_eq!(lost(false), lost(true));
}

#[test]
fn an_invariant_of_the_users_ends_the_run_and_says_how_to_see_it_again() {
    let run = || {
        let mut sim = Sim::builder(23).nodes(3, |_| ()).build();
        sim.invariant("nobody sees two", |sim| {
            let crowd = sim.living().find(|node| sim.node(*node).peers().count() == 2);
            crowd.map_or(Ok(()), |node| Err(format!("node {node} does")))
        });
        sim.run_for(secs(5));
    };
    let panic = std::panic::catch_unwind(run).expect_err("three nodes see two each");
    let text = panic.downcast_ref::<String>().expect("a text");
    assert!(text.contains("nobody sees two") && text.contains("seed 23"), "{text}");
}
