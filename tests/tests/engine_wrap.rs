//! The end of the sequence numbers, towards peers of each kind.

use std::time::Duration;
use zre_engine::IoCause;
use zre_proto::{
    Message,
    message::{Body, Membership},
};
use zre_tests::{
    solo::{Solo, Stock, router_opening},
    world::World,
};

/// A met peer, and our next number to it is 65535.
fn at_the_end() -> (Solo, Stock) {
    let mut solo = Solo::default();
    let stock = Stock::meets(&mut solo, 0xB0B, "10.0.0.2");
    solo.told();
    for number in 2..=65534 {
        whisper(&mut solo, &stock, "x");
        let said = solo.messages(stock.from_node);
        assert_eq!(said, [Message { sequence: number, body: Body::Whisper }]);
    }
    (solo, stock)
}

fn whisper(solo: &mut Solo, stock: &Stock, text: &str) {
    solo.node.whisper(solo.now, stock.id(), text).expect("room for a whisper");
}

/// Sequence numbers and names of what was said.
fn said(solo: &mut Solo, stock: &Stock) -> Vec<(u16, &'static str)> {
    solo.messages(stock.from_node).iter().map(|message| (message.sequence, message.body.name())).collect()
}

#[test]
fn a_peer_of_unknown_kind_is_asked_and_messages_wait_for_its_answer() {
    let (mut solo, mut stock) = at_the_end();
    whisper(&mut solo, &stock, "one");
    whisper(&mut solo, &stock, "two");
    solo.node.join(solo.now, "chat").unwrap();
    assert_eq!(said(&mut solo, &stock), [(0, "PING")]);
    stock.say(&mut solo, Body::PingOk, &[]);
    assert_eq!(said(&mut solo, &stock), [(1, "WHISPER"), (2, "WHISPER"), (3, "JOIN")]);
    // What was learnt is not asked again.
    for _ in 4..=65534 {
        whisper(&mut solo, &stock, "x");
        solo.messages(stock.from_node);
    }
    whisper(&mut solo, &stock, "over");
    assert_eq!(said(&mut solo, &stock), [(0, "WHISPER")]);
    assert_eq!(solo.told(), [""; 0]);
}

#[test]
fn a_pong_to_an_earlier_ping_confirms_nothing() {
    let (mut solo, mut stock) = at_the_end();
    solo.pass(Duration::from_millis(5600));
    assert_eq!(said(&mut solo, &stock), [(0, "PING")], "a PING of silence that is the guess as well");
    whisper(&mut solo, &stock, "one");
    assert_eq!(said(&mut solo, &stock), []);
    stock.say(&mut solo, Body::PingOk, &[]);
    assert_eq!(said(&mut solo, &stock).last().unwrap().1, "WHISPER");
}

#[test]
fn a_wrong_guess_costs_a_new_introduction_and_no_message() {
    for breaks_first in [false, true] {
        let (mut solo, mut stock) = at_the_end();
        whisper(&mut solo, &stock, "one");
        solo.node.join(solo.now, "chat").unwrap();
        whisper(&mut solo, &stock, "two");
        assert_eq!(said(&mut solo, &stock), [(0, "PING")]);
        solo.actions();
        // It wanted 65535: it gives us up, and our next beacon leads it to us again.
        if breaks_first {
            solo.broken(stock.to_node, IoCause::Finished);
        }
        solo.pass(Duration::from_millis(900));
        stock.to_node = solo.accept("10.0.0.2:40002");
        stock.opening(&mut solo, stock.to_node);
        stock.sequence = 1;
        let hello = stock.hello("stock", &["all"]);
        stock.say(&mut solo, hello, &[]);
        let connects = solo.connects();
        assert_eq!(connects.len(), 1, "a fresh connection");
        stock.from_node = connects[0].0;
        solo.connected(stock.from_node);
        solo.feed(stock.from_node, &router_opening());
        assert_eq!(said(&mut solo, &stock), [(1, "HELLO"), (2, "WHISPER"), (3, "WHISPER")]);
        stock.say(&mut solo, Body::Whisper, &[b"still here"]);
        assert_eq!(solo.told(), ["JOIN stock all", r#"WHISPER stock [b"still here"]"#], "neither EXIT nor ENTER");
        // What was learnt: this one wants 65535.
        for _ in 4..=65534 {
            whisper(&mut solo, &stock, "x");
            solo.messages(stock.from_node);
        }
        whisper(&mut solo, &stock, "full");
        whisper(&mut solo, &stock, "over");
        assert_eq!(said(&mut solo, &stock), [(65535, "WHISPER"), (0, "WHISPER")]);
    }
}

#[test]
fn a_connection_that_breaks_under_a_guess_proves_nothing() {
    let (mut solo, mut stock) = at_the_end();
    whisper(&mut solo, &stock, "one");
    assert_eq!(said(&mut solo, &stock), [(0, "PING")]);
    // libzmq resumes, and the answer comes on the new connection.
    solo.broken(stock.to_node, IoCause::Reset);
    stock.to_node = solo.accept("10.0.0.2:40002");
    stock.opening(&mut solo, stock.to_node);
    stock.say(&mut solo, Body::PingOk, &[]);
    assert_eq!(said(&mut solo, &stock), [(1, "WHISPER")]);
    assert_eq!(solo.told(), [""; 0]);

    // Our own connection breaks: what it carried may be lost, and that is told.
    let (mut solo, stock) = at_the_end();
    whisper(&mut solo, &stock, "one");
    solo.broken(stock.from_node, IoCause::Reset);
    solo.pass(Duration::from_secs(1));
    assert_eq!(solo.told(), ["EXIT stock lost"]);
}

#[test]
fn a_peer_whose_own_numbers_have_wrapped_is_not_asked() {
    for (last, next) in [(65535u16, 65535), (65534, 0)] {
        let (mut solo, mut stock) = at_the_end();
        while stock.sequence != last {
            stock.say(&mut solo, Body::PingOk, &[]);
        }
        stock.say(&mut solo, Body::PingOk, &[]);
        stock.sequence = 0;
        stock.say(&mut solo, Body::PingOk, &[]);
        whisper(&mut solo, &stock, "one");
        assert_eq!(said(&mut solo, &stock), [(next, "WHISPER")]);
    }
}

#[test]
fn two_of_ours_wrap_without_asking() {
    let mut world = World::new();
    world.add("alice");
    world.add("bob");
    world.run_for(Duration::from_secs(1));
    world.told(0);
    world.told(1);
    let bob = world.id(1);
    let mut came = 0u32;
    for number in 0..70_000u32 {
        world.with(0, |node, now| node.whisper(now, bob, number.to_string())).unwrap();
        if number % 5_000 == 4_999 {
            world.run_for(Duration::from_millis(1));
            for told in world.told(1) {
                assert_eq!(told, format!("WHISPER alice [b\"{came}\"]"));
                came += 1;
            }
        }
    }
    assert_eq!(came, 70_000);
    assert_eq!(world.told(0), [""; 0]);
}

#[test]
fn the_status_wraps_after_256_changes() {
    let mut solo = Solo::default();
    let stock = Stock::meets(&mut solo, 0xB0B, "10.0.0.2");
    for change in 1..=600u32 {
        let join = change % 2 == 1;
        if join {
            solo.node.join(solo.now, "chat").unwrap();
        } else {
            solo.node.leave(solo.now, "chat").unwrap();
        }
        let expected = Membership { group: "chat".into(), status: change as u8 };
        let body = solo.messages(stock.from_node).pop().unwrap().body;
        assert_eq!(body, if join { Body::Join(expected) } else { Body::Leave(expected) });
    }
}
