//! Hostile machines in the simulator: however many there are, the nodes stay together.

use std::{cell::RefCell, collections::BTreeMap};
use zre_engine::sim::{Network, Rule, Scenario, Sim, Trial, millis, secs};
use zre_tests::seeds::explore_seeds;

/// More of them: `ZRE_SIM_SEEDS=5000`, or `ZRE_SIM_SEEDS=5000..10000`.
#[test]
fn the_seeds_of_a_siege_violate_nothing() {
    let seen: RefCell<BTreeMap<&str, u64>> = RefCell::default();
    let many = explore_seeds(60, Scenario::siege, |scenario| {
        let report = Trial::of_nodes().run(scenario);
        for (kind, count) in &report.totals.events {
            *seen.borrow_mut().entry(kind).or_default() += count;
        }
        report
    });
    println!("events: {:?}", seen.borrow());
    // Else the hostile ones do not get where it hurts.
    assert!(seen.borrow()["IDENTITY-CONFLICT"] > 10 * many.min(10) && seen.borrow()["ENTER"] > 100);
}

#[test]
fn nodes_that_come_during_a_siege_are_met() {
    for (seed, network) in [Network::lan(), Network::wifi(), Network::wan()].into_iter().enumerate() {
        let mut sim =
            Sim::builder(seed as u64).nodes(10, |_| ()).hostile(20).network(network).start_within(secs(10)).build();
        sim.run_for(secs(10));
        let took = sim.assert_converges(secs(15));
        println!("all 10 see each other {took:?} after the last has started, among 20 hostile machines");
        sim.run_for(secs(60));
        assert_eq!(sim.totals().flaps, 0);
        for node in 0..10 {
            let (found, limits) = (sim.node(node).statistics(), sim.node(node).limits());
            assert!(found.strangers <= limits.strangers && found.peers <= limits.peers, "{found:?}");
        }
        // And when it is over, it is over.
        sim.calm();
        sim.run_for(secs(45));
        for node in 0..10 {
            let found = sim.node(node).statistics();
            assert_eq!((found.peers, found.strangers, found.connections), (9, 0, 18));
        }
    }
}

#[test]
fn a_siege_is_the_same_each_time_and_can_be_seen_again() {
    let scenario = Scenario::siege(5);
    assert!(scenario.hostile > 0);
    assert_eq!(scenario.reproduction(), "Scenario::siege(5)");
    assert_eq!(Scenario::from_json(&scenario.to_json()), Ok(scenario.clone()));
    assert_eq!(scenario.run().digest, scenario.run().digest);
    let other = Scenario { hostile: scenario.hostile + 1, ..scenario.clone() };
    assert_ne!(other.run().digest, scenario.run().digest);
    assert!(Scenario::from_json(r#"{"seed": 1, "nodes": 2, "hostile": 1001}"#).is_err());
}

#[test]
fn what_hostile_machines_make_up_is_no_node() {
    let mut sim = Sim::builder(3).nodes(3, |_| ()).hostile(2).keep_going(true).build();
    sim.run_for(secs(20));
    let made_up: usize = (0..3).map(|node| sim.node(node).peers().count() - 2).sum();
    assert!(made_up > 0, "some of it is let in");
    assert_eq!(sim.converged(), Ok(()));
    assert_eq!(sim.mesh(), (6, 6));
    let protocol = sim.violations().iter().find(|found| found.rule == Rule::Protocol);
    assert!(protocol.is_none() && sim.violations().is_empty(), "{:?}", sim.violations());
    sim.run_for(millis(1));
}
