//! Nodes that find each other by other means than beacons: over hubs, which die and come back, and because they were told.

use serde_json::Value;
use std::collections::BTreeMap;
use zre_engine::sim::{Discovery, Identity, Network, Plan, Scenario, Sim, Trial, secs};
use zre_tests::seeds::explore_seeds;

fn gossiping(seed: u64, nodes: usize, plan: Plan) -> Sim<()> {
    Sim::builder(seed)
        .nodes(nodes, |_| ())
        .hubs(plan.hubs())
        .discovery(move |machine| plan.of(machine, nodes))
        .network(Network::lan())
        .build()
}

#[test]
fn twenty_nodes_mesh_by_gossip_within_a_second() {
    let mut sim = gossiping(1, 20, Plan::Gossip { hubs: 1 });
    let took = sim.assert_converges(secs(1)).expect("within a second");
    println!("{took:?}");
    assert_eq!((sim.mesh(), sim.totals().datagrams), ((380, 380), 0));
    sim.assert_quiet(secs(60));
}

#[test]
fn a_hub_that_is_killed_and_comes_back_knows_everybody_again() {
    for seed in 0..5 {
        let mut sim = gossiping(seed, 6, Plan::Gossip { hubs: 1 });
        sim.assert_converges(secs(2));
        let hub = sim.hub(0);
        sim.kill(hub);
        sim.run_for(secs(120));
        assert_eq!(sim.converged(), Ok(()), "who knows each other needs no hub");
        assert_eq!(sim.totals().flaps, 0);
        // Who starts without a hub finds nobody, until it is there.
        sim.restart(5, Identity::New);
        sim.run_for(secs(60));
        assert_eq!(sim.mesh(), (30, 20));
        sim.restart(hub, Identity::New);
        let took = sim.assert_converges(secs(7));
        println!("all see each other {took:?} after the hub is back");
    }
}

/// Between the hubs there is one node that has both; later there is another.
#[test]
fn nodes_behind_different_hubs_meet_over_a_node_that_has_both() {
    let discovery = |machine| match machine {
        0..3 => Discovery::gossip(8),
        3..6 => Discovery::gossip(9),
        6 | 7 => Discovery::gossip([8, 9]),
        _ => Discovery::none(),
    };
    let mut sim = Sim::builder(3).nodes(8, |_| ()).hubs(2).discovery(discovery).network(Network::lan()).build();
    sim.kill(7);
    sim.assert_converges(secs(2));
    sim.kill(6);
    // What a hub was told by a node that is gone holds for half a minute.
    sim.run_for(secs(35));
    sim.restart(0, Identity::New);
    sim.run_for(secs(90));
    assert_eq!(sim.node(0).peers().count(), 2, "those behind its own hub");
    sim.restart(7, Identity::New);
    sim.assert_converges(secs(3));
}

#[test]
fn a_node_that_died_is_forgotten_by_all_after_a_minute() {
    for plan in [Plan::Gossip { hubs: 1 }, Plan::Gossip { hubs: 3 }] {
        let mut sim = gossiping(5, 6, plan);
        sim.assert_converges(secs(2));
        sim.crash(1);
        sim.run_for(secs(65));
        let tuples = |machine: usize| sim.node(machine).statistics().tuples;
        assert!((6..6 + plan.hubs()).all(|hub| tuples(hub) == 5), "{plan:?}");
        assert!([0, 2, 3, 4, 5].iter().all(|node| tuples(*node) == 4), "{plan:?}");
        // Nobody tries to reach it any more.
        sim.assert_quiet(secs(60));
    }
}

/// A node that gossips with both tells each what it has from the other: they must not keep each other believing.
#[test]
fn two_hubs_that_share_clients_forget_a_node_that_died() {
    let discovery = |machine| if machine < 4 { Discovery::gossip([4, 5]) } else { Discovery::gossip(4) };
    for seed in 0..20 {
        for mixed in [false, true] {
            let mut sim = if mixed {
                gossiping(seed, 8, Plan::Mixed { hubs: 1 })
            } else {
                Sim::builder(seed).nodes(4, |_| ()).hubs(2).discovery(discovery).network(Network::wifi()).build()
            };
            sim.assert_converges(secs(5));
            sim.crash(3);
            sim.run_for(secs(100));
            let hub = sim.hub(0);
            assert_eq!(sim.node(hub).statistics().tuples, 3, "seed {seed}, mixed: {mixed}");
        }
    }
}

#[test]
fn a_node_that_was_told_of_one_joins_a_cluster_that_beacons() {
    let discovery = |machine| if machine < 5 { Discovery::beacons() } else { Discovery::peers(0..5) };
    let mut sim = Sim::builder(7).nodes(6, |_| ()).discovery(discovery).network(Network::lan()).build();
    sim.assert_converges(secs(3));
    // It is looked for where it was, and found, though it is another and comes late.
    sim.crash(2);
    sim.run_for(secs(60));
    assert_eq!(sim.node(5).peers().count(), 4);
    sim.restart(2, Identity::New);
    sim.assert_converges(secs(35));
    sim.change_address(5);
    sim.run_for(secs(40));
    sim.assert_converges(secs(35));
    sim.assert_quiet(secs(60));
}

#[test]
fn a_node_can_be_a_hub() {
    let discovery = |machine| if machine == 0 { Discovery::none().as_hub() } else { Discovery::gossip(0) };
    let mut sim = Sim::builder(9).nodes(5, |_| ()).discovery(discovery).network(Network::wifi()).build();
    sim.assert_converges(secs(3));
    sim.stop(0);
    sim.run_for(secs(30));
    assert_eq!(sim.mesh(), (12, 12));
    sim.restart(0, Identity::New);
    sim.assert_converges(secs(8));
}

/// More of them: `ZRE_SIM_SEEDS=5000`, or `ZRE_SIM_SEEDS=5000..10000`.
#[test]
fn the_seeds_of_a_swarm_violate_nothing_however_nodes_find_each_other() {
    let plans = [Plan::Gossip { hubs: 1 }, Plan::Gossip { hubs: 3 }, Plan::Peers, Plan::Mixed { hubs: 2 }];
    let scenario = |seed: u64| Scenario { discovery: plans[(seed % 4) as usize], ..Scenario::swarm(seed / 4) };
    explore_seeds(120, scenario, |scenario| Trial::of_nodes().run(scenario));
}

#[test]
fn a_plan_is_part_of_a_scenario() {
    let with = |discovery| format!(r#"{{"seed":1,"nodes":3{discovery},"operations":[]}}"#);
    let scenario = Scenario::from_json(&with(r#","discovery":{"gossip":{"hubs":2}}"#)).expect("a scenario");
    assert_eq!(scenario.discovery, Plan::Gossip { hubs: 2 });
    assert_eq!(scenario.to_json(), with(r#","discovery":{"gossip":{"hubs":2}}"#));
    assert_eq!(Scenario::from_json(&with("")).expect("as it was before").discovery, Plan::Beacons);
    assert!(Scenario::from_json(&with(r#","discovery":{"gossip":{"hubs":65}}"#)).is_err());
    assert!(Scenario::from_json(&with(r#","discovery":"magic""#)).is_err());
}

#[test]
fn a_trace_tells_gossip_from_what_peers_say() {
    let mut sim = Sim::builder(11)
        .nodes(2, |_| ())
        .hubs(1)
        .discovery(|_| Discovery::gossip(2))
        .network(Network::lan())
        .trace(true)
        .build();
    sim.assert_converges(secs(2));
    sim.run_for(secs(2));
    let (trace, hub) = (sim.trace().expect("asked for"), sim.hub(0));
    let mut text = Vec::new();
    trace.write_jsonl(&mut text).expect("memory");
    let lines = text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
    let lines: Vec<Value> = lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect();
    assert_eq!(lines.iter().filter(|line| line["what"] == "start" && line["name"] == "hub-0").count(), 1);
    let held = |line: &Value| line["holds"].as_array().cloned().unwrap_or_default();
    let mut gossip: BTreeMap<String, u64> = BTreeMap::new();
    for line in &lines {
        let at_hub =
            [&line["from"], &line["to"]].iter().any(|end| end.as_str().is_some_and(|end| end.ends_with(":5671")));
        for item in held(line) {
            assert!(item["broken"].is_null(), "{line}");
            assert!(at_hub || item["gossip"].is_null(), "peers do not gossip with each other: {line}");
            assert!(!at_hub || item["message"].is_null(), "peers do not meet at the hub: {line}");
            if let Some(name) = item["gossip"].as_str() {
                *gossip.entry(name.to_owned()).or_default() += 1;
            }
            if item["gossip"] == "PUBLISH" {
                assert!(item["key"] == sim.id(0).to_string() || item["key"] == sim.id(1).to_string());
                assert!(item["value"].as_str().is_some_and(|value| value.starts_with("tcp://10.0.0.")));
            }
        }
    }
    assert_eq!((gossip["HELLO"], gossip["PING"]), (2, gossip["PONG"]));
    assert!(gossip["PING"] >= 12 && gossip["PUBLISH"] >= 5, "{gossip:?}");
    assert!(lines.iter().any(|line| line["node"] == hub && line["what"] == "segment"));
    let mut capture = Vec::new();
    trace.write_pcap(&mut capture).expect("memory");
    assert!(capture.len() > 1_000);
}
