//! Leaders in the simulator: whatever went wrong before, each group has one, and all its members know who.

use std::cell::Cell;
use zre_engine::sim::{Identity, Network, Op, Operation, Plan, Scenario, Sim, Trial, millis, secs};
use zre_tests::seeds::explore_seeds;

const GROUP: &str = "crew";

fn crew(seed: u64, nodes: usize, network: Network) -> Sim<()> {
    Sim::builder(seed).nodes(nodes, |_| ()).contest(GROUP).network(network).build()
}

/// Nodes by their UUIDs, the smallest first.
fn in_order(sim: &Sim<()>) -> Vec<usize> {
    let mut nodes: Vec<_> = sim.living().collect();
    nodes.sort_by_key(|node| sim.id(*node));
    nodes
}

#[test]
fn one_leads_after_the_other() {
    for (seed, network) in [(1, Network::lan()), (2, Network::wifi()), (3, Network::wan())] {
        let mut sim = crew(seed, 12, network);
        sim.assert_converges(secs(5));
        sim.assert_led(secs(3));
        for leader in in_order(&sim).into_iter().take(10) {
            let id = sim.id(leader);
            assert!(sim.living().all(|node| sim.node(node).leader(GROUP) == Some(id)));
            if leader.is_multiple_of(2) {
                sim.kill(leader);
            } else {
                sim.stop(leader);
            }
            sim.run_for(secs(2));
            sim.assert_led(secs(3));
        }
    }
}

#[test]
fn two_halves_have_a_leader_each_and_then_there_is_one() {
    let mut sim = crew(5, 8, Network::lan());
    sim.assert_converges(secs(3));
    sim.assert_led(secs(3));
    let order = in_order(&sim);
    let (one, other) = (order[..4].to_vec(), order[4..].to_vec());
    sim.partition(one.clone(), other.clone());
    sim.run_for(secs(40));
    let leads = |sim: &Sim<()>, node: usize| sim.node(node).leader(GROUP);
    assert!(one.iter().all(|node| leads(&sim, *node) == Some(sim.id(order[0]))));
    assert!(other.iter().all(|node| leads(&sim, *node) == Some(sim.id(order[4]))));
    sim.heal();
    sim.assert_converges(secs(5));
    sim.assert_led(secs(3));
    sim.assert_quiet(secs(60));
}

#[test]
fn who_does_not_want_to_lead_knows_who_does_and_who_is_alone_leads() {
    let mut sim = Sim::builder(7).nodes(5, |_| ()).network(Network::lan()).build();
    sim.assert_converges(secs(3));
    for node in 0..5 {
        sim.with(node, |_, cx| cx.join(GROUP)).expect("a short name");
    }
    let last = *in_order(&sim).last().expect("five");
    sim.run_for(secs(3));
    assert!((0..5).all(|node| sim.node(node).leader(GROUP).is_none()), "nobody wants to");
    sim.with(last, |_, cx| cx.set_contest_in_group(GROUP)).expect("a short name");
    sim.run_for(secs(3));
    assert!((0..5).all(|node| sim.node(node).leader(GROUP) == Some(sim.id(last))));
    assert_eq!(sim.totals().events["LEADER"], 5);
    for node in (0..5).filter(|node| *node != last) {
        sim.kill(node);
    }
    sim.run_for(secs(3));
    assert_eq!(sim.with(last, |_, cx| cx.leader(GROUP)), Some(sim.id(last)));
    sim.restart(last, Identity::New);
    sim.with(last, |_, cx| cx.join(GROUP).and_then(|_| cx.set_contest_in_group(GROUP))).expect("a short name");
    sim.run_for(millis(1_900));
    assert_eq!(sim.node(last).leader(GROUP), None, "somebody may come");
    sim.run_for(millis(200));
    assert_eq!(sim.node(last).leader(GROUP), Some(sim.id(last)));
}

/// Three that once ended without a leader for some.
#[test]
fn whoever_comes_late_or_believes_late_hears_who_leads() {
    for scenario in [
        // A node that joined a second group, before it was known that it is one of ours, heard of the first election only.
        r#"{"seed":17,"nodes":6,"contest":["a"],"operations":[{"at":9000,"do":"contest","node":0,"group":"c"},
            {"at":13000,"do":"partition","one":[0,1,2],"other":[3,4,5]},{"at":28000,"do":"join","node":0,"group":"c"},
            {"at":31000,"do":"join","node":5,"group":"c"}]}"#,
        // Of several that had waited for another leader, which was gone, only the first to answer heard who leads.
        r#"{"seed":24,"nodes":7,"contest":["a"],"operations":[{"at":20000,"do":"move","node":6},
            {"at":20000,"do":"restart","node":1},{"at":30000,"do":"restart","node":0,"same_port":true},
            {"at":40000,"do":"leave","node":6,"group":"a"}]}"#,
        // A peer that comes with another address than before: what was said to it about its groups went to the old one.
        r#"{"seed":332,"nodes":3,"contest":["b"],"network":{"udp":{"latency":[1,100],"late_by":2000},"tcp":{"latency":[1,100],
            "window":65536,"piece":16,"stall_for":3000}},"operations":[{"at":348,"do":"move","node":2}]}"#,
    ] {
        let report = Scenario::from_json(scenario).expect("a scenario").run();
        assert!(report.violations.is_empty(), "{report}");
    }
}

/// More of them: `ZRE_SIM_SEEDS=5000`, or `ZRE_SIM_SEEDS=5000..10000`.
#[test]
fn the_seeds_of_a_swarm_have_one_leader_for_each_group() {
    let leaders = Cell::new(0);
    let scenario = |seed: u64| {
        let mut scenario = Scenario::swarm(seed);
        // All in one group; in another those with even numbers, as they come to be in it.
        scenario.contest = vec!["a".into()];
        let some = (0..scenario.nodes).step_by(2).map(|node| Op::Contest { node, group: "b".into() });
        let some = some.map(|what| Operation { at: secs(1), what });
        scenario.operations.extend(some);
        scenario.operations.sort_by_key(|operation| operation.at);
        if seed.is_multiple_of(3) {
            scenario.discovery = Plan::Gossip { hubs: 1 };
        }
        scenario
    };
    explore_seeds(120, scenario, |scenario| {
        let report = Trial::of_nodes().run(scenario);
        leaders.set(leaders.get() + report.totals.events.get("LEADER").copied().unwrap_or(0));
        report
    });
    assert!(leaders.get() > 0);
}
