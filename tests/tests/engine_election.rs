//! Leaders of groups: one for each, whoever joins, leaves, dies or is held up.

use proptest::{collection::vec, prelude::*};
use std::{collections::BTreeSet, time::Duration};
use zre_engine::{Config, Event, IoCause, PeerId};
use zre_proto::message::Body;
use zre_tests::{
    solo::{Solo, Stock, router_opening},
    world::World,
};

const GROUP: &str = "crew";

/// When all is quiet, an election takes no longer than this: a member that is alone waits two seconds, and so does
/// one whose others do not answer.
const BOUND: Duration = Duration::from_secs(4);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// A node that contests or does not, and is in the group.
fn member(world: &mut World, name: &str, contests: bool) -> usize {
    let index = world.add(name);
    if contests {
        world.with(index, |node, now| node.set_contest_in_group(now, GROUP)).unwrap();
    }
    world.with(index, |node, now| node.join(now, GROUP)).unwrap();
    index
}

/// The smallest UUID of these hosts.
fn smallest(world: &World, hosts: &[usize]) -> PeerId {
    hosts.iter().map(|host| world.id(*host)).min().expect("one at least")
}

fn leaders(world: &World, hosts: &[usize]) -> BTreeSet<Option<PeerId>> {
    hosts.iter().map(|host| world.node(*host).leader(GROUP)).collect()
}

fn told_leaders(world: &mut World, host: usize) -> Vec<PeerId> {
    let leader = |event| match event {
        Event::Leader { peer, group, .. } if &*group == GROUP => Some(peer),
        _ => None,
    };
    world.events(host).into_iter().filter_map(leader).collect()
}

#[test]
fn all_agree_on_the_smallest_and_hear_of_it_once() {
    let mut world = World::new();
    let all: Vec<_> = ["ann", "bob", "cat", "dan"].map(|name| member(&mut world, name, true)).into();
    world.run_for(secs(1));
    let leader = smallest(&world, &all);
    assert_eq!(leaders(&world, &all), [Some(leader)].into());
    for host in &all {
        assert_eq!(told_leaders(&mut world, *host).last(), Some(&leader));
    }
    world.run_for(secs(60));
    for host in &all {
        assert_eq!(told_leaders(&mut world, *host), []);
    }
}

#[test]
fn who_does_not_contest_hears_who_leads_and_never_leads() {
    let mut world = World::new();
    let all: Vec<_> = ["ann", "bob", "cat", "dan"].map(|name| member(&mut world, name, name == "cat")).into();
    world.run_for(secs(2));
    assert_eq!(leaders(&world, &all), [Some(world.id(2))].into());
    world.kill(2);
    world.run_for(secs(40));
    assert_eq!(leaders(&world, &[0, 1, 3]), [None].into());
}

#[test]
fn a_group_without_a_contest_has_no_leader_and_says_nothing_of_one() {
    let mut world = World::new();
    let all: Vec<_> = ["ann", "bob"].map(|name| member(&mut world, name, false)).into();
    world.run_for(secs(10));
    assert_eq!(leaders(&world, &all), [None].into());
    assert_eq!(told_leaders(&mut world, 0), []);
}

#[test]
fn a_member_alone_leads_after_two_seconds() {
    let mut world = World::new();
    member(&mut world, "ann", true);
    world.run_for(millis(1900));
    assert_eq!(world.node(0).leader(GROUP), None);
    world.run_for(millis(200));
    assert_eq!(told_leaders(&mut world, 0), [world.id(0)]);
    world.with(0, |node, now| node.leave(now, GROUP)).unwrap();
    assert_eq!(world.node(0).leader(GROUP), None);
    world.with(0, |node, now| node.join(now, GROUP)).unwrap();
    world.run_for(millis(2100));
    assert_eq!(told_leaders(&mut world, 0), [world.id(0)]);
}

#[test]
fn a_leader_that_leaves_stops_or_dies_is_followed_at_once() {
    for end in ["leave", "stop", "kill"] {
        let mut world = World::new();
        let mut all: Vec<_> = ["ann", "bob", "cat"].map(|name| member(&mut world, name, true)).into();
        world.run_for(secs(2));
        let leader = *all.iter().min_by_key(|host| world.id(**host)).unwrap();
        all.retain(|host| *host != leader);
        match end {
            "leave" => drop(world.with(leader, |node, now| node.leave(now, GROUP)).unwrap()),
            "stop" => world.with(leader, zre_engine::Node::stop),
            _ => world.kill(leader),
        }
        world.run_for(millis(500));
        let next = smallest(&world, &all);
        assert_eq!(leaders(&world, &all), [Some(next)].into(), "{end}");
    }
}

#[test]
fn who_takes_offence_at_an_election_and_says_hello_again_has_begun_anew() {
    let mut solo = Solo::default();
    solo.node.join(solo.now, GROUP).unwrap();
    solo.node.set_contest_in_group(solo.now, GROUP).unwrap();
    solo.actions();
    // Its HELLO comes before ours, which it does not answer, for it holds us ready then.
    let to_node = solo.accept("10.0.0.9:40001");
    let mut stock =
        Stock { uuid: uuid::Uuid::from_u128(9), host: "10.0.0.9", sequence: 1, to_node, from_node: to_node };
    stock.opening(&mut solo, to_node);
    let hello = stock.hello("stock", &[GROUP]);
    stock.say(&mut solo, hello.clone(), &[]);
    let said = |solo: &mut Solo| {
        let (conn, _) = solo.connects()[0];
        solo.connected(conn);
        solo.feed(conn, &router_opening());
        solo.pass(secs(1));
        solo.messages(conn).into_iter().map(|message| message.body).collect::<Vec<_>>()
    };
    let first = said(&mut solo);
    assert!(matches!(first[..], [Body::Hello(_), Body::Elect { .. }, ..]), "{first:?}");
    assert_eq!(solo.told()[0], "ENTER stock");

    // It drops us for the ELECT, hears our beacon, and begins anew.
    solo.broken(to_node, IoCause::Finished);
    (stock.to_node, stock.sequence) = (solo.accept("10.0.0.9:40002"), 1);
    stock.opening(&mut solo, stock.to_node);
    stock.say(&mut solo, hello, &[]);
    let told = solo.told();
    assert!(told.iter().any(|event| event.starts_with("EXIT")), "{told:?}");
    assert!(told.iter().any(|event| event.starts_with("ENTER")), "{told:?}");
    let again = said(&mut solo);
    assert!(matches!(again[..], [Body::Hello(_), ..]), "{again:?}");
    assert!(!again.iter().any(|body| matches!(body, Body::Elect { .. })), "once is enough: {again:?}");
}

#[test]
fn elections_of_groups_have_nothing_to_do_with_each_other() {
    let mut world = World::new();
    let all: Vec<_> = ["ann", "bob"].map(|name| world.add(name)).into();
    world.run_for(secs(1));
    for (host, groups) in [(0, ["one", "both"]), (1, ["two", "both"])] {
        for group in groups {
            world.with(host, |node, now| node.set_contest_in_group(now, group)).unwrap();
        }
        for group in ["one", "two", "both", "none"] {
            world.with(host, |node, now| node.join(now, group)).unwrap();
        }
    }
    world.run_for(secs(1));
    let leader = |world: &World, group| all.iter().map(|host| world.node(*host).leader(group)).collect::<Vec<_>>();
    let (ann, bob) = (world.id(0), world.id(1));
    assert_eq!(leader(&world, "one"), [Some(ann); 2]);
    assert_eq!(leader(&world, "two"), [Some(bob); 2]);
    assert_eq!(leader(&world, "both"), [Some(ann.min(bob)); 2]);
    assert_eq!(leader(&world, "none"), [None; 2]);
}

/// What happens to a node.
#[derive(Debug, Clone)]
enum Change {
    Contest(usize),
    Join(usize),
    Leave(usize),
    Kill(usize),
    Restart(usize),
    Reset(usize, usize),
    Cut(usize, usize),
    Heal(usize, usize),
    Wait(u64),
}

fn change(nodes: usize) -> impl Strategy<Value = Change> {
    let one = 0..nodes;
    let two = (0..nodes, 0..nodes);
    prop_oneof![
        2 => one.clone().prop_map(Change::Contest),
        4 => one.clone().prop_map(Change::Join),
        3 => one.clone().prop_map(Change::Leave),
        2 => one.clone().prop_map(Change::Kill),
        3 => one.prop_map(Change::Restart),
        1 => two.clone().prop_map(|(a, b)| Change::Reset(a, b)),
        1 => two.clone().prop_map(|(a, b)| Change::Cut(a, b)),
        2 => two.prop_map(|(a, b)| Change::Heal(a, b)),
        6 => prop_oneof![0u64..5, 0u64..300, 0u64..4000].prop_map(Change::Wait),
    ]
}

/// What a schedule has come to: who is alive, contests, is in the group.
struct Cluster {
    world: World,
    alive: Vec<bool>,
    contests: Vec<bool>,
    joined: Vec<bool>,
}

impl Cluster {
    fn apply(&mut self, change: &Change) {
        let world = &mut self.world;
        match *change {
            Change::Contest(host) if self.alive[host] => {
                world.with(host, |node, now| node.set_contest_in_group(now, GROUP)).unwrap();
                self.contests[host] = true;
            }
            Change::Join(host) if self.alive[host] => {
                world.with(host, |node, now| node.join(now, GROUP)).unwrap();
                self.joined[host] = true;
            }
            Change::Leave(host) if self.alive[host] => {
                world.with(host, |node, now| node.leave(now, GROUP)).unwrap();
                self.joined[host] = false;
            }
            Change::Kill(host) if self.alive[host] => {
                world.kill(host);
                (self.alive[host], self.contests[host], self.joined[host]) = (false, false, false);
            }
            Change::Restart(host) if !self.alive[host] => {
                world.restart(host, Config::default());
                self.alive[host] = true;
            }
            Change::Reset(a, b) if a != b => world.reset(a, b),
            Change::Cut(a, b) if a != b => world.set_cut(a, b, true),
            Change::Heal(a, b) => world.set_cut(a, b, false),
            Change::Wait(milliseconds) => world.run_for(millis(milliseconds)),
            _ => {}
        }
    }

    fn hosts_alive(&self) -> Vec<usize> {
        (0..self.alive.len()).filter(|host| self.alive[*host]).collect()
    }

    fn hosts(&self, which: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.alive.len()).filter(|host| self.alive[*host] && self.joined[*host] && which(*host)).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_group_comes_to_one_leader(
        seed in any::<u64>(),
        most in 0u64..200,
        chunk in prop_oneof![Just(usize::MAX), 1usize..100],
        (nodes, changes) in (2usize..6).prop_flat_map(|nodes| (Just(nodes), vec(change(nodes), 0..40))),
    ) {
        let mut world = World::new().delayed(seed, millis(most)).chunks_of(chunk);
        for index in 0..nodes {
            let mut config = Config::default();
            config.expired = secs(10);
            config.uuid = Some(uuid::Uuid::from_u128(u128::from(seed.rotate_left(11 * index as u32)) << 64 | index as u128));
            world.add_with(config);
        }
        let mut cluster =
            Cluster { world, alive: vec![true; nodes], contests: vec![false; nodes], joined: vec![false; nodes] };
        changes.iter().for_each(|change| cluster.apply(change));
        for a in 0..nodes {
            (0..a).for_each(|b| cluster.world.set_cut(a, b, false));
        }
        // All are found again, and the dead are noticed. Who leads is known soon after the last of that.
        let (alive, members) = (cluster.hosts_alive(), cluster.hosts(|_| true));
        let (mut seen, mut led) = (Vec::new(), BTreeSet::new());
        let (mut last_seen, mut last_led) = (cluster.world.now(), cluster.world.now());
        for _ in 0..640 {
            cluster.world.run_for(millis(100));
            let now = cluster.world.now();
            let view = alive.iter().map(|host| cluster.world.node(*host)).map(|node| {
                (node.peers().collect::<Vec<_>>(), node.peers_by_group(GROUP))
            });
            let view: Vec<_> = view.collect();
            if view != seen {
                (seen, last_seen) = (view, now);
            }
            let leaders = leaders(&cluster.world, &members);
            if leaders != led {
                (led, last_led) = (leaders, now);
            }
        }
        prop_assert!(last_led.since(last_seen) <= BOUND, "the leader is known {:?} late", last_led.since(last_seen));
        let candidates = cluster.hosts(|host| cluster.contests[host]);
        let expected = (!candidates.is_empty()).then(|| smallest(&cluster.world, &candidates));
        for host in &members {
            prop_assert_eq!(cluster.world.node(*host).peers().count(), cluster.alive.iter().filter(|alive| **alive).count() - 1);
            prop_assert_eq!(cluster.world.node(*host).leader(GROUP), expected, "host {}", host);
        }
        // What the application was told last is what is known.
        for host in members {
            let told = told_leaders(&mut cluster.world, host);
            if let Some(expected) = expected {
                prop_assert_eq!(told.last(), Some(&expected));
            }
        }
        // And nothing more is said of it.
        let sent: Vec<_> = (0..nodes).map(|host| cluster.world.node(host).statistics().messages_sent).collect();
        cluster.world.run_for(secs(2));
        for host in (0..nodes).filter(|host| cluster.alive[*host]) {
            let more = cluster.world.node(host).statistics().messages_sent - sent[host];
            prop_assert!(more <= 2 * nodes as u64, "{more} messages in a quiet cluster");
        }
    }
}

/// How many schedules are tried: a few hundred, or as many as `PROPTEST_CASES` says.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1000)
}
