//! That the checker is content with what is right, and notices what is wrong: lives made up here, without a node.

use super::*;
use std::sync::Arc;
use zre_mio::Content;

/// Ann and Ben, who have met; Cid, who has not.
struct World {
    check: Check,
    now: Duration,
    said: u64,
}

const ANN: Life = Life(0);
const BEN: Life = Life(1);
const CID: Life = Life(2);
const NAMES: [&str; 3] = ["ann", "ben", "cid"];

impl World {
    fn new() -> Self {
        let mut world = Self::unmet();
        world.hears(BEN, &enter(ANN));
        world.hears(ANN, &enter(BEN));
        world
    }

    fn unmet() -> Self {
        let mut check = Check::default();
        for (number, name) in NAMES.into_iter().enumerate() {
            check.born(Duration::ZERO, name, uuid(Life(number)), &[]);
        }
        Self { check, now: Duration::ZERO, said: 0 }
    }

    fn hears(&mut self, life: Life, event: &Event) {
        self.now += Duration::from_millis(1);
        self.check.event(self.now, life, event);
    }

    /// Sends, and returns the message.
    fn sends(&mut self, from: Life, whom: Whom) -> Message {
        self.said += 1;
        let before = self.check.about_to_send(from, &whom);
        self.check.sent(from, &before, &whom, self.said);
        Message { from, number: self.said, octets: 9 }
    }

    fn whispers(&mut self, from: Life, to: Life) -> Message {
        self.sends(from, Whom::Peer(uuid(to)))
    }

    /// Everything was right so far.
    #[track_caller]
    fn fine(&mut self) {
        let found: Vec<_> = self.check.violations().iter().map(ToString::to_string).collect();
        assert_eq!(found, [""; 0]);
    }

    /// One thing was wrong, and is told with these words.
    #[track_caller]
    fn wrong(&mut self, words: &[&str]) {
        let found: Vec<_> = self.check.violations().iter().map(ToString::to_string).collect();
        assert!(found.len() == 1 && self.check.found() == 1, "{found:#?}");
        words.iter().for_each(|word| assert!(found[0].contains(word), "{word:?} is not in {:?}", found[0]));
    }
}

fn uuid(life: Life) -> PeerId {
    PeerId::from_octets([life.0 as u8 + 1; 16])
}

fn name(life: Life) -> Arc<str> {
    NAMES[life.0].into()
}

fn headers(life: Life) -> Arc<Headers> {
    Arc::new([(HEADER.to_owned(), life.0.to_string())].into_iter().collect())
}

fn enter(of: Life) -> Event {
    let endpoint = "tcp://127.0.0.1:5000".parse().expect("an endpoint");
    Event::Enter { peer: uuid(of), name: name(of), headers: headers(of), endpoint }
}

fn exit(of: Life, reason: ExitReason) -> Event {
    Event::Exit { peer: uuid(of), name: name(of), reason, unsent: 0 }
}

fn join(of: Life, group: &str) -> Event {
    Event::Join { peer: uuid(of), name: name(of), group: group.into() }
}

fn leave(of: Life, group: &str) -> Event {
    Event::Leave { peer: uuid(of), name: name(of), group: group.into() }
}

fn whisper(message: Message) -> Event {
    of_content(message.from, message.content())
}

fn of_content(from: Life, content: Content) -> Event {
    Event::Whisper { peer: uuid(from), name: name(from), content }
}

fn shout(message: Message, group: &str) -> Event {
    let content = message.content();
    Event::Shout { peer: uuid(message.from), name: name(message.from), group: group.into(), content }
}

/// What a node answers that knows these peers, and is in no group.
fn answers(peers: &[Life]) -> Answers {
    let peers = peers.iter().map(|peer| (uuid(*peer), headers(*peer))).collect();
    Answers { connections: 4, peers, ..Answers::default() }
}

#[test]
fn an_ordinary_life_is_right() {
    let mut world = World::new();
    world.check.joins(world.now, BEN, "red");
    world.hears(ANN, &join(BEN, "red"));
    let one = world.whispers(ANN, BEN);
    let two = world.sends(ANN, Whom::Group("red"));
    let back = world.whispers(BEN, ANN);
    world.hears(BEN, &whisper(one));
    world.hears(BEN, &shout(two, "red"));
    world.hears(ANN, &whisper(back));
    world.check.leaves(world.now, BEN, "red");
    world.hears(ANN, &leave(BEN, "red"));
    world.check.stops(world.now, BEN);
    world.hears(BEN, &exit(ANN, ExitReason::Stopped));
    world.hears(BEN, &Event::Stop);
    world.check.gone(world.now, BEN);
    world.hears(ANN, &exit(BEN, ExitReason::Left));
    world.fine();
    assert_eq!((world.check.totals().sent, world.check.totals().received), (3, 3));
}

#[test]
fn a_lost_message_is_noticed_with_the_next() {
    let mut world = World::new();
    let all: Vec<_> = (0..5).map(|_| world.whispers(ANN, BEN)).collect();
    world.hears(BEN, &whisper(all[0]));
    world.hears(BEN, &whisper(all[4]));
    world.wrong(&["ben", "WHISPER of ann", "message 5 comes", "3 before it", "2 to 4"]);
    assert!(world.check.violations()[0].before.iter().any(|note| note.contains("hears ENTER of ann")));
}

#[test]
fn the_first_of_a_relation_is_not_lost_either() {
    let mut world = World::new();
    let [_, second] = [(); 2].map(|()| world.whispers(ANN, BEN));
    world.hears(BEN, &whisper(second));
    world.wrong(&["message 2 comes, and 1"]);
}

#[test]
fn a_lost_message_is_noticed_when_its_sender_leaves_and_when_all_is_quiet() {
    let mut world = World::new();
    world.whispers(ANN, BEN);
    assert!(world.check.missing(BEN).is_some_and(|what| what.contains("message 1 of ann")));
    world.check.stops(world.now, ANN);
    world.hears(BEN, &exit(ANN, ExitReason::Left));
    world.wrong(&["EXIT of ann", "message 1 has not come"]);
}

#[test]
fn who_is_killed_may_take_its_last_messages_along() {
    let mut world = World::new();
    let one = world.whispers(ANN, BEN);
    world.whispers(ANN, BEN);
    world.check.gone(world.now, ANN);
    world.hears(BEN, &whisper(one));
    world.hears(BEN, &exit(ANN, ExitReason::Lost));
    world.fine();
}

#[test]
fn nothing_comes_of_the_dead_once_all_was_quiet() {
    let mut world = World::new();
    let message = world.whispers(ANN, BEN);
    world.check.gone(world.now, ANN);
    world.check.settled();
    world.hears(BEN, &whisper(message));
    world.wrong(&["was not sent to this node"]);
}

#[test]
fn a_message_twice_is_noticed() {
    let mut world = World::new();
    let message = world.whispers(ANN, BEN);
    world.hears(BEN, &whisper(message));
    world.hears(BEN, &whisper(message));
    world.wrong(&["WHISPER of ann", "comes twice"]);
}

#[test]
fn messages_out_of_order_are_noticed() {
    let mut world = World::new();
    let [one, two] = [(); 2].map(|()| world.whispers(ANN, BEN));
    world.hears(BEN, &whisper(two));
    world.hears(BEN, &whisper(one));
    assert_eq!(world.check.found(), 2);
    assert!(world.check.violations()[1].what.contains("after a later one"));
}

#[test]
fn a_message_for_another_is_noticed() {
    let mut world = World::new();
    world.hears(CID, &enter(ANN));
    let message = world.whispers(ANN, BEN);
    world.hears(CID, &whisper(message));
    world.wrong(&["cid", "was not sent to this node"]);
}

#[test]
fn what_comes_in_pieces_changed_or_of_another_is_noticed() {
    let mut world = World::new();
    let message = world.whispers(ANN, BEN);
    let mut longer = message.content();
    longer.push(&b"x"[..]);
    let mut changed = Content::from(&message.content()[0][..]);
    changed.push(&[0; 9][..]);
    let of_cid = Message { from: CID, ..message }.content();
    for (content, words) in [
        (longer, "not as it was sent"),
        (changed, "not as it was sent"),
        ("hello".into(), "no message of this soak"),
        (Content::new(), "no message of this soak"),
        (of_cid, "it is of cid"),
    ] {
        let before = world.check.found();
        world.hears(BEN, &of_content(ANN, content));
        assert_eq!(world.check.found(), before + 1, "{words}");
        assert!(world.check.violations()[before as usize].what.contains(words), "{words}");
    }
}

#[test]
fn a_message_without_an_enter_and_after_the_exit_is_noticed() {
    let mut world = World::unmet();
    world.hears(ANN, &enter(BEN));
    let message = world.whispers(ANN, BEN);
    world.hears(BEN, &whisper(message));
    world.wrong(&["WHISPER", "it has not entered"]);

    let mut world = World::new();
    let message = world.whispers(ANN, BEN);
    world.check.gone(world.now, ANN);
    world.hears(BEN, &exit(ANN, ExitReason::Lost));
    world.hears(BEN, &whisper(message));
    world.wrong(&["it has not entered, or is gone"]);
}

#[test]
fn enter_and_exit_alternate() {
    let mut world = World::new();
    world.hears(ANN, &enter(BEN));
    world.wrong(&["ENTER of ben", "no EXIT has come"]);

    let mut world = World::new();
    world.hears(ANN, &exit(CID, ExitReason::Left));
    world.wrong(&["EXIT", "it has not entered"]);
}

#[test]
fn nobody_goes_or_falls_silent_who_is_there() {
    let mut world = World::new();
    world.hears(ANN, &exit(BEN, ExitReason::Expired));
    world.wrong(&["EXIT of ben: expired, but it runs"]);

    let mut world = World::new();
    world.hears(ANN, &Event::Silent { peer: uuid(BEN), name: name(BEN) });
    world.wrong(&["SILENT of ben: but it runs"]);
}

#[test]
fn joins_and_leaves_alternate_while_the_peer_is_there() {
    for (event, words) in [
        (leave(BEN, "red"), "it was not in \"red\""),
        (join(BEN, "green"), "it was in \"green\" already"),
        (join(CID, "red"), "it has not entered"),
        (leave(CID, "red"), "it has not entered"),
    ] {
        let mut world = World::new();
        world.hears(ANN, &join(BEN, "green"));
        world.hears(ANN, &event);
        world.wrong(&[words]);
    }
}

#[test]
fn nothing_comes_about_oneself_and_nobody_comes_from_elsewhere() {
    let mut world = World::new();
    world.hears(ANN, &enter(ANN));
    world.wrong(&["that is the node itself"]);

    let mut world = World::new();
    let stranger = PeerId::from_octets([99; 16]);
    let endpoint = "tcp://127.0.0.1:5000".parse().expect("an endpoint");
    world.hears(ANN, &Event::Enter { peer: stranger, name: "bob".into(), headers: Arc::default(), endpoint });
    world.wrong(&["no node of this soak (bob)", "--port"]);
}

#[test]
fn a_shout_is_for_members_alone_and_they_miss_none() {
    let mut world = World::new();
    world.check.joins(world.now, BEN, "red");
    world.hears(ANN, &join(BEN, "red"));
    let [one, two] = [(); 2].map(|()| world.sends(ANN, Whom::Group("red")));
    world.check.leaves(world.now, BEN, "red");
    world.hears(BEN, &shout(one, "red"));
    world.wrong(&["it is for \"red\", which the node is not in"]);
    // What it has missed meanwhile nobody minds.
    world.check.joins(world.now, BEN, "red");
    let three = world.whispers(ANN, BEN);
    world.hears(BEN, &whisper(three));
    assert_eq!(world.check.found(), 1);
    let [_, five] = [(); 2].map(|()| world.sends(ANN, Whom::Group("red")));
    world.hears(BEN, &shout(five, "red"));
    assert_eq!(world.check.found(), 2);
    world.hears(BEN, &shout(two, "red"));
    assert_eq!(world.check.found(), 3);
}

#[test]
fn a_shout_to_another_group_than_it_was_sent_to_is_noticed() {
    let mut world = World::new();
    for group in ["red", "blue"] {
        world.check.joins(world.now, BEN, group);
        world.hears(ANN, &join(BEN, group));
    }
    let message = world.sends(ANN, Whom::Group("red"));
    world.hears(BEN, &shout(message, "blue"));
    world.wrong(&["sent to Some(\"red\")", "comes to Some(\"blue\")"]);
}

#[test]
fn a_new_life_of_a_uuid_hears_nothing_of_the_old() {
    let mut world = World::new();
    let old = world.whispers(ANN, BEN);
    world.check.gone(world.now, BEN);
    let again = world.check.born(world.now, "ben again", uuid(BEN), &[]);
    world.hears(ANN, &exit(BEN, ExitReason::Restarted));
    let endpoint = "tcp://127.0.0.1:5001".parse().expect("an endpoint");
    let (peer, name) = (uuid(BEN), "ben again".into());
    world.hears(ANN, &Event::Enter { peer, name, headers: headers(again), endpoint });
    world.hears(again, &enter(ANN));
    let new = world.whispers(ANN, BEN);
    world.hears(again, &whisper(new));
    world.fine();
    world.hears(again, &whisper(old));
    world.wrong(&["ben again", "was not sent to this node"]);
}

#[test]
fn what_is_sent_while_somebody_comes_or_goes_is_uncertain() {
    let mut world = World::new();
    let whom = Whom::Peer(uuid(BEN));
    let before = world.check.about_to_send(ANN, &whom);
    // A node on a thread of its own: it has known that before it sent, or not.
    world.check.gone(world.now, BEN);
    world.hears(ANN, &exit(BEN, ExitReason::Lost));
    world.check.sent(ANN, &before, &whom, 1);
    world.fine();
    assert_eq!(world.check.totals().sent, 0);
}

#[test]
fn wrong_views_are_noticed() {
    let mut world = World::new();
    let wrong = |world: &World, answers: &Answers, words: &str| {
        let found = world.check.wrong(ANN, answers).unwrap_or_default();
        assert!(found.contains(words), "{words:?} is not in {found:?}");
    };
    wrong(&world, &answers(&[BEN]), "should have cid among them");
    wrong(&world, &answers(&[BEN, CID]), "its last ENTER should have been of cid");
    world.hears(ANN, &enter(CID));
    assert_eq!(world.check.wrong(ANN, &answers(&[BEN, CID])), None);
    let mut other = answers(&[BEN, CID]);
    other.peers.insert(uuid(CID), headers(BEN));
    wrong(&world, &other, "the headers of cid");
    other = Answers { connections: 5, ..answers(&[BEN, CID]) };
    wrong(&world, &other, "should have 4 connections, and has 5");
    other = answers(&[BEN, CID]);
    other.own.insert("red".into());
    wrong(&world, &other, "its own groups");
    other = answers(&[BEN, CID]);
    other.members.insert("red", [uuid(BEN)].into());
    wrong(&world, &other, "in \"red\" should be {}");
    // In its answers, but no JOIN has come.
    world.check.joins(world.now, BEN, "red");
    wrong(&world, &other, "its JOINs and LEAVEs {}");
    world.hears(ANN, &join(BEN, "red"));
    assert_eq!(world.check.wrong(ANN, &other), None);
    world.check.refused(ANN, uuid(CID));
    wrong(&world, &other, "no ROOM has come");
    world.hears(ANN, &Event::Room { peer: uuid(CID) });
    world.check.gone(world.now, CID);
    wrong(&world, &other, "should not have cid among them, which is gone");
    world.fine();
}
