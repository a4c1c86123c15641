//! Elections of a leader over sockets: among nodes of ours, and with programs in the group that know nothing of elections.

use serde_json::json;
use std::{thread, time::Duration};
use zre_mio::{Builder, Event, Node, PeerId};
use zre_tests::{
    children::JsonLines,
    namespace,
    ours::{Ours, all_meet},
    pyre::{Pyre, PyreNode, PyreOptions},
    zre,
    zyrejs::{ZyreJs, ZyreJsNode, ZyreJsOptions},
};

const SECOND: Duration = Duration::from_secs(1);

const GROUP: &str = "tea";

fn is_exit(event: &Event) -> bool {
    matches!(event, Event::Exit { .. })
}

fn is_leader(event: &Event) -> bool {
    matches!(event, Event::Leader { group, .. } if &**group == GROUP)
}

/// Each of these is told that this one leads, as the last that it is told of it, and says so.
#[track_caller]
fn expect_leader(nodes: &mut [Ours], leader: PeerId) {
    for ours in nodes {
        let told = |ours: &mut Ours| ours.seen("LEADER").last().and_then(|event| event.peer());
        while told(ours) != Some(leader) || ours.node.leader(GROUP) != Some(leader) {
            ours.expect(&format!("LEADER {leader}"), is_leader);
        }
    }
}

/// Who is to lead: the smallest UUID.
fn least(nodes: &[Ours]) -> PeerId {
    nodes.iter().map(|ours| ours.node.uuid()).min().expect("some")
}

/// Takes the leader out.
fn take(nodes: &mut Vec<Ours>, leader: PeerId) -> Ours {
    let at = nodes.iter().position(|ours| ours.node.uuid() == leader).expect("it is one of them");
    nodes.remove(at)
}

fn leaders_follow_each_other(start: impl Fn(&str) -> Builder) {
    let contests = |name| Ours::start(start(name).group(GROUP).contest(GROUP));
    let mut nodes: Vec<_> = ["alice", "bob", "carol"].map(contests).into();
    nodes.push(Ours::start(start("onlooker").group(GROUP)));
    all_meet(&mut nodes);
    // The onlooker does not contest, however small its UUID.
    let onlooker = nodes.pop().expect("four");
    let leader = least(&nodes);
    nodes.push(onlooker);
    expect_leader(&mut nodes, leader);

    // The leader stops, and another follows.
    take(&mut nodes, leader).node.stop();
    let onlooker = nodes.pop().expect("three");
    let second = least(&nodes);
    nodes.push(onlooker);
    expect_leader(&mut nodes, second);

    // The leader leaves the group, and the last who contests follows.
    let gone = take(&mut nodes, second);
    assert_eq!(gone.node.leave(GROUP), Ok(true));
    let last = nodes[0].node.uuid();
    expect_leader(&mut nodes, last);
    assert_eq!(gone.node.leader(GROUP), None);
    // And comes back.
    assert_eq!(gone.node.join(GROUP), Ok(true));
    nodes.push(gone);
    expect_leader(&mut nodes, last.min(second));
    assert!(nodes.iter().all(|ours| ours.node.leader(GROUP) == Some(last.min(second))));
}

#[test]
fn leaders_follow_each_other_where_beacons_call() {
    namespace::run("leaders_follow_each_other_where_beacons_call", || {
        leaders_follow_each_other(|name| Node::builder(name).interface("lo"));
    });
}

#[test]
fn leaders_follow_each_other_by_gossip_over_each_transport() {
    for place in ["tcp://127.0.0.1:*", "ipc://*", "inproc://*"] {
        let hub = Ours::start(Node::builder("hub").hub().gossip_bind(place));
        let hub_at = hub.node.gossip_endpoints()[0].to_string();
        leaders_follow_each_other(|name| Node::builder(name).endpoint(place).gossip_connect(&hub_at));
    }
}

#[test]
fn a_leader_that_is_killed_is_followed_by_another() {
    zre::program();
    namespace::run("a_leader_that_is_killed_is_followed_by_another", || {
        let mut pipes: Vec<JsonLines> = ["one", "two", "three"]
            .iter()
            .map(|name| zre::pipe(name, &["--interface", "lo", "--contest", GROUP]))
            .collect();
        while pipes.len() > 1 {
            let leader = pipes.iter().map(|pipe| pipe.uuid().to_owned()).min().expect("some");
            for pipe in &mut pipes {
                // On the way there others may lead, or nobody.
                while pipe.ask(json!({"do": "leader", "group": GROUP})) != json!(leader) {
                    pipe.expect_event("LEADER", |event| event["group"] == GROUP);
                }
                assert_eq!(pipe.ask(json!({"do": "leader", "group": "coffee"})), json!(null));
            }
            let at = pipes.iter().position(|pipe| pipe.uuid() == leader).expect("one of them");
            pipes.remove(at).kill9();
        }
        let own = pipes[0].uuid().to_owned();
        pipes[0].expect_event("LEADER", |event| event["peer"] == *own);
    });
}

#[test]
fn all_at_once_elect_one() {
    let hub = Ours::start(Node::builder("hub").hub().gossip_bind("inproc://*"));
    let hub_at = hub.node.gossip_endpoints()[0].to_string();
    let start = |number: usize| {
        let node = Node::builder(format!("node {number}")).endpoint("inproc://*").gossip_connect(&hub_at);
        Ours::start(node.group(GROUP).contest(GROUP))
    };
    let start = &start;
    let mut nodes: Vec<Ours> = thread::scope(|scope| {
        let starting: Vec<_> = (0..10).map(|number| scope.spawn(move || start(number))).collect();
        starting.into_iter().map(|node| node.join().expect("it starts")).collect()
    });
    all_meet(&mut nodes);
    let leader = least(&nodes);
    expect_leader(&mut nodes, leader);
}

/// A program that knows nothing of elections breaks with each node that tells it of one, once. All are together then.
#[track_caller]
fn settle(ours: &mut Ours, stranger: PeerId) {
    let is_its_exit = |event: &Event| is_exit(event) && event.peer() == Some(stranger);
    ours.expect("EXIT", is_its_exit);
    ours.expect_enter(stranger);
}

/// Such a program is in the group.
fn is_told_once(theirs: &mut JsonLines) {
    // It is soon found out that somebody who has closed his connection says nothing.
    let evasive = SECOND / 2;
    let start = |name| Node::builder(name).interface(namespace::INTERFACE).evasive(evasive).group(GROUP);
    let mut ours = ["alice", "bob"].map(|name| Ours::start(start(name).contest(GROUP)));
    ours.sort_by_key(|ours| ours.node.uuid());
    let [first, second] = ours.each_ref().map(|ours| ours.node.uuid());
    let mut ours: Vec<_> = ours.into();
    ours.push(Ours::start(start("onlooker")));
    let stranger: PeerId = theirs.uuid().parse().expect("a UUID");
    all_meet(&mut ours);
    ours.iter_mut().for_each(|ours| ours.expect_enter(stranger));
    expect_leader(&mut ours, first);
    let change = |ours: &mut [Ours]| {
        assert_eq!(ours[0].node.leave(GROUP), Ok(true));
        expect_leader(&mut ours[1..], second);
        assert_eq!(ours[0].node.join(GROUP), Ok(true));
        expect_leader(ours, first);
    };
    change(&mut ours);
    ours.iter_mut().for_each(|ours| settle(ours, stranger));
    // From now on it is told of none, and nobody notices that it takes no part.
    for round in 0..3 {
        change(&mut ours);
        for ours in &mut ours {
            let text = format!("round {round}, {}", ours.uuid());
            ours.node.whisper(stranger, text.as_str()).expect("a whisper");
            theirs.expect_event("WHISPER", |event| event["content"] == json!([text]));
            theirs.whisper(&ours.uuid(), &json!([text]));
            assert_eq!(ours.expect_whisper(&text), stranger);
        }
    }
    theirs.shout(GROUP, &json!(["to all"]));
    for ours in &mut ours {
        ours.expect("SHOUT", |event| matches!(event, Event::Shout { content, .. } if content.text() == "to all"));
        assert_eq!(ours.node.leader(GROUP), Some(first));
    }
    let breaks: Vec<_> = ours.iter_mut().map(|ours| ours.seen("EXIT").len()).collect();
    assert_eq!(breaks, [1, 1, 1]);
}

#[test]
fn a_pyre_in_a_contested_group_is_told_once() {
    if Pyre::install().is_none() {
        return;
    }
    namespace::run("a_pyre_in_a_contested_group_is_told_once", || {
        let mut theirs = PyreNode::start(&PyreOptions::named("theirs").group(GROUP));
        is_told_once(&mut theirs);
    });
}

#[test]
fn a_zyrejs_in_a_contested_group_is_told_once() {
    if ZyreJs::install().is_none() {
        return;
    }
    namespace::run("a_zyrejs_in_a_contested_group_is_told_once", || {
        let mut theirs = ZyreJsNode::start(&ZyreJsOptions::named("theirs").group(GROUP));
        is_told_once(&mut theirs);
    });
}
