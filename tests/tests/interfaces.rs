//! Interfaces that come, go and change while a node runs, in a network of the test's own.

use std::time::Duration;
use zre_mio::{Event, Node};
use zre_tests::{
    namespace::{self, Namespace},
    ours::Ours,
};

const WITHIN: Duration = Duration::from_secs(10);

fn start(name: &str, interface: Option<&str>) -> Ours {
    let mut node = Node::builder(name).interval(Duration::from_millis(200));
    if let Some(interface) = interface {
        node = node.interface(interface);
    }
    let config = node.config();
    config.evasive = Duration::from_millis(1000);
    config.expired = Duration::from_millis(3000);
    Ours::start(node)
}

fn is_enter(event: &Event) -> bool {
    matches!(event, Event::Enter { .. })
}

fn is_exit(event: &Event) -> bool {
    matches!(event, Event::Exit { .. })
}

fn endpoint_of(event: &Event) -> String {
    let Event::Enter { endpoint, .. } = event else { panic!("{event:?}") };
    endpoint.to_string()
}

#[test]
fn an_address_that_changes_is_advertised_anew() {
    namespace::run("an_address_that_changes_is_advertised_anew", || {
        let mut alice = start("alice", Some(namespace::INTERFACE));
        let mut bob = start("bob", None);
        alice.expect("ENTER", is_enter);
        bob.expect("ENTER", is_enter);
        namespace::ip("addr del 10.66.0.1/24 dev v0");
        namespace::ip("addr add 10.67.0.9/24 brd + dev v0");
        let endpoint = endpoint_of(&alice.expect_within("ENTER at the new address", WITHIN, is_enter));
        assert!(endpoint.starts_with("tcp://10.67.0.9:"), "{endpoint}");
        let endpoint = endpoint_of(&bob.expect_within("ENTER at the new address", WITHIN, is_enter));
        assert!(endpoint.starts_with("tcp://10.67.0.9:"), "{endpoint}");
        let own = alice.node.endpoint().expect("an endpoint").to_string();
        assert_eq!(own, endpoint);
        assert_eq!(alice.node.whisper(bob.node.uuid(), "here again"), Ok(()));
        bob.expect("WHISPER", |event| matches!(event, Event::Whisper { .. }));
    });
}

#[test]
fn an_interface_that_goes_is_left_and_used_again_when_it_is_back() {
    namespace::run("an_interface_that_goes_is_left_and_used_again_when_it_is_back", || {
        let mut alice = start("alice", Some(namespace::INTERFACE));
        let mut bob = start("bob", Some(namespace::INTERFACE));
        alice.expect("ENTER", is_enter);
        bob.expect("ENTER", is_enter);
        namespace::ip("link set v0 down");
        // Both are on this host, so that their connections live on; only beacons have no way.
        let sent = |ours: &Ours| ours.node.statistics().beacons_sent;
        let mut carol = None;
        alice.expect_none("EXIT", Duration::from_millis(2500), is_exit);
        let before = sent(&alice);
        alice.expect_none("EXIT", Duration::from_millis(1000), is_exit);
        assert_eq!(sent(&alice), before, "no beacons on an interface that is down");
        namespace::ip("link set v0 up");
        carol.get_or_insert_with(|| start("carol", Some(namespace::INTERFACE)));
        for ours in [&mut alice, &mut bob] {
            ours.expect_within(
                "carol",
                WITHIN,
                |event| matches!(event, Event::Enter { name, .. } if &**name == "carol"),
            );
        }
        assert!(sent(&alice) > before);
    });
}

#[test]
fn another_interface_is_used_when_the_chosen_one_goes_for_good() {
    namespace::run("another_interface_is_used_when_the_chosen_one_goes_for_good", || {
        let mut alice = start("alice", None);
        let mut bob = start("bob", None);
        alice.expect("ENTER", is_enter);
        bob.expect("ENTER", is_enter);
        namespace::ip("link add w0 type veth peer name w1");
        namespace::ip("addr add 10.68.0.1/24 brd + dev w0");
        namespace::ip("link set w0 up");
        namespace::ip("link set w1 up");
        namespace::ip("link del v0");
        for ours in [&mut alice, &mut bob] {
            let endpoint = endpoint_of(&ours.expect_within("ENTER on the other", WITHIN, is_enter));
            assert!(endpoint.starts_with("tcp://10.68.0.1:"), "{endpoint}");
        }
    });
}

#[test]
fn nodes_at_several_addresses_of_one_interface_stay_together() {
    let network = Namespace::new("nodes_at_several_addresses_of_one_interface_stay_together");
    network.address("10.66.0.2/24").address("10.66.0.3/24").run(|| {
        let start = |address: &str| Ours::start(Node::builder(address).interface(address));
        let mut nodes = ["10.66.0.1", "10.66.0.2", "10.66.0.3"].map(start);
        for ours in &mut nodes {
            for _ in 0..2 {
                let entered = ours.expect("ENTER", |event| matches!(event, Event::Enter { .. }));
                let Event::Enter { name, endpoint, .. } = entered else { unreachable!("an ENTER") };
                assert_eq!(endpoint.ip().map(|ip| ip.to_string()).as_deref(), Some(&*name), "where it listens");
            }
        }
        // Longer than somebody may be out of reach.
        for ours in &mut nodes {
            ours.expect_none("an EXIT", Duration::from_secs(4), |event| matches!(event, Event::Exit { .. }));
            assert_eq!(ours.node.statistics().connections, 4);
        }
    });
}
