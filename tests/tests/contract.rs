//! The seven clauses of the engine's contract, each a property over lives of a node: among stock peers that are played by
//! hand, and in simulated clusters where things go wrong; with and without troubles that no driver makes.
//!
//! Clause 4, on memory, has a file of its own, since it counts allocations.

use proptest::{collection::vec, prelude::*, strategy::ValueTree, test_runner::TestRunner};
use std::{collections::BTreeMap, time::Duration};
use zre_engine::{
    Action, Event, Instant,
    sim::{Call, Life, Op, Operation, Scenario},
};
use zre_tests::{
    lives::{Manner, Player, Poll, cluster, origin, pieces, polls, troubles},
    script::{live, op},
    trouble::troubled,
};

/// So many cases, unless PROPTEST_CASES wants another number.
fn cases(few: u32) -> ProptestConfig {
    let config = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { config.cases } else { few };
    ProptestConfig { cases, ..config }
}

/// Lives a life in the plainest manner.
fn plainly(life: &Life) -> Player {
    Player::live(life, &Manner::default())
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn clause_1_time_that_goes_back_is_an_error_and_changes_nothing(
        origin in origin(4), back in prop_oneof![Just(1), 1u64..1_000_000_000_000], parts in 1usize..8,
    ) {
        let life = origin.life();
        let stale = life.calls.len() / parts + 1;
        let player = Player::live(&life, &Manner { stale, back, ..Manner::default() });
        player.assert_same(&plainly(&life));
    }

    #[test]
    fn clause_1_what_needs_no_answer_is_taken_whatever_the_clock_says(origin in origin(4), back in any::<u64>()) {
        let life = origin.life();
        let mut slow = life.clone();
        let mut now = life.since;
        for (at, call) in &mut slow.calls {
            match call {
                Call::Advance(..) | Call::Consumed(_) | Call::Stop if *at == now => {
                    *at = Instant::from_nanos(at.as_nanos().saturating_sub(back));
                }
                // The application's calls do not all tell the time.
                Call::Listening(_) | Call::Datagram(..) | Call::Received(..) | Call::Timeout => now = *at,
                _ => {}
            }
        }
        plainly(&slow).assert_same(&plainly(&life));
    }

    #[test]
    fn clause_2_when_actions_and_events_are_drained_makes_no_difference(origin in origin(4), manner in polls()) {
        let life = origin.life();
        let (one, other) = (plainly(&life), Player::live(&life, &manner));
        one.assert_same(&other);
        prop_assert_eq!(format!("{:?}", one.node), format!("{:?}", other.node));
    }

    #[test]
    fn clause_3_after_a_timeout_the_next_deadline_is_later(
        origin in origin(4), late in vec(prop_oneof![Just(0), 0u64..2_000_000_000], 1..10),
    ) {
        // The player looks at each Timeout. Here one comes for each deadline, and more of them when the life is over.
        let life = origin.life();
        let mut player = Player::born(&life);
        let mut late = late.iter().cycle();
        let mut timeouts = |player: &mut Player, until: Instant, most: usize| {
            for _ in 0..most {
                let Some(deadline) = player.node.poll_timeout().filter(|deadline| deadline.at <= until) else { break };
                let late = Duration::from_nanos(*late.next().expect("over and over"));
                let at = player.now.max(deadline.at + late).min(until);
                player.call(at, &Call::Timeout, &Manner::default());
                player.poll(Poll::All);
            }
        };
        for (at, call) in &life.calls {
            // Not as many as a second has nanoseconds, where a day has been slept away.
            timeouts(&mut player, *at, 50);
            player.call(*at, call, &Manner::default());
            player.poll(Poll::All);
        }
        timeouts(&mut player, Instant::from_nanos(u64::MAX), 100);
        player.look();
    }

    #[test]
    fn clause_5_no_input_panics_and_a_peers_fault_is_a_close_and_an_exit(origin in origin(40)) {
        // The player looks at the answers and at ENTER and EXIT.
        plainly(&origin.life());
    }

    #[test]
    fn clause_6_any_split_of_the_writes_and_any_chunking_of_the_reads_gives_the_same(
        origin in origin(4), manner in pieces(),
    ) {
        let life = origin.life();
        plainly(&life).assert_same_but_writable(&Player::live(&life, &manner));
    }

    #[test]
    fn clause_7_the_same_inputs_give_the_same_outputs(origin in origin(4)) {
        // From the beginning: the cluster of which the life is, too.
        let (one, other) = (plainly(&origin.life()), plainly(&origin.life()));
        prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}

/// A node that listens and has started, at this time, with a connection that came in.
fn started(now: Instant) -> (Player, zre_engine::ConnId) {
    let mut player = Player::born(&Life::new(zre_engine::Config::default(), [1; 32], now));
    let at = ([10, 0, 0, 1], 7000);
    let calls = [
        Call::Listening(at.into()),
        Call::LinkUp([10, 0, 0, 1].into()),
        Call::Start,
        Call::Accept(
            zre_engine::Address::Tcp(([10, 0, 0, 2], 40_000).into()),
            zre_engine::Address::Tcp(at.into()),
            None,
        ),
    ];
    for call in calls {
        player.call(now, &call, &Manner::default());
    }
    let conn = player.steps.last().and_then(|step| step.answer.clone().ok().flatten()).expect("there is room");
    (player, conn)
}

/// Troubles found it: timers that are set to the end of time were due at once, over and over.
#[test]
fn clause_3_at_the_end_of_time_no_deadline_is_left() {
    let (mut player, _) = started(Instant::from_nanos(u64::MAX - 1));
    player.call(Instant::from_nanos(u64::MAX), &Call::Timeout, &Manner::default());
    assert_eq!(player.node.poll_timeout(), None);
}

/// Troubles found it: the sum of octets overflowed.
#[test]
fn clause_5_octets_that_were_not_there_are_not_written() {
    let (mut player, conn) = started(Instant::ZERO);
    let there = [10, 1000].map(|slices| {
        let mut chunks = vec![&[][..]; slices];
        let filled = player.node.transmit(conn, &mut chunks);
        chunks[..filled].iter().map(|chunk| chunk.len()).sum::<usize>()
    });
    for _ in 0..2 {
        player.call(Instant::ZERO, &Call::Advance(conn, usize::MAX), &Manner::default());
    }
    assert_eq!(player.node.statistics().octets_sent, there[1] as u64);
}

/// What lives reach, and how often: by scripts, in clusters, in clusters with troubles.
#[derive(Default)]
struct Reach(BTreeMap<String, [u64; 3]>);

impl Reach {
    fn count(&mut self, by: usize, what: String) {
        self.0.entry(what).or_default()[by] += 1;
    }

    fn look(&mut self, by: usize, player: &Player) {
        for event in &player.events {
            self.count(by, event.kind().to_owned());
            if let Event::Exit { reason, .. } = event {
                self.count(by, format!("EXIT {reason}"));
            }
        }
        for action in &player.actions {
            if let Action::Close { why, .. } = action {
                // The names of its variants.
                let why = format!("{why:?}");
                let names = why.split(|char: char| !char.is_alphanumeric()).filter(|name| !name.is_empty()).take(2);
                self.count(by, format!("close {}", names.collect::<Vec<_>>().join(" ")));
            }
        }
        for why in &player.wakes {
            self.count(by, format!("wake {why:?}"));
        }
    }
}

/// What clusters of our own nodes come to, when no driver makes a mistake.
const BY_CLUSTERS: &str = "
    ENTER, EVASIVE, SILENT, EXIT, JOIN, LEAVE, WHISPER, SHOUT, ROOM, IDENTITY-CONFLICT, STOP,
    EXIT left, EXIT expired, EXIT restarted, EXIT replaced, EXIT lost, EXIT slow, EXIT unreachable, EXIT stopped,
    close Abandoned, close HandshakeTimeout, close HelloTimeout, close HeartbeatTimeout, close Superseded, close Stopped,
    close Exit Left, close Exit Expired, close Exit Restarted, close Exit Replaced, close Exit Lost, close Exit Slow,
    close Exit Unreachable, close Exit Stopped,
    wake Beacon, wake Peer, wake Connection, wake Linger";

/// What only strangers come to.
const BY_TROUBLES: &str = "
    EXIT protocol, close Exit Protocol,
    close Violation Malformed, close Violation Mechanism, close Violation SocketType, close Violation Handshake,
    close Violation SecondReady, close Violation Refused, close Violation Identity, close Violation MessageTooLarge,
    close Violation Hello, close Violation ExtraFrames, close Violation Sequence, close Violation WrongDirection";

/// The lives are worth something: they reach the states that the clauses speak of.
#[test]
fn lives_reach_every_event_and_every_reason() {
    let mut runner = TestRunner::deterministic();
    let mut reach = Reach::default();
    let ops = vec(op(), 0..120);
    for _ in 0..500 {
        reach.look(0, &plainly(&live(&ops.new_tree(&mut runner).expect("a tree").current())));
    }
    let troubles = troubles(40);
    for seed in 0..200 {
        for (index, (life, player)) in cluster(&Scenario::swarm(seed)).into_iter().enumerate() {
            reach.look(1, &player);
            if index % 4 == 0 {
                let troubles = troubles.new_tree(&mut runner).expect("a tree").current();
                reach.look(2, &plainly(&troubled(life, &troubles)));
            }
        }
    }
    for (_, player) in cluster(&slow()) {
        reach.look(1, &player);
    }
    println!("{:<32}{:>10}{:>10}{:>10}", "", "scripts", "clusters", "troubles");
    for (what, [scripts, clusters, troubles]) in &reach.0 {
        println!("{what:<32}{scripts:>10}{clusters:>10}{troubles:>10}");
    }
    for (by, wanted) in [(1, BY_CLUSTERS), (2, BY_TROUBLES)] {
        for what in wanted.split(',').map(str::trim) {
            assert!(reach.0.get(what).is_some_and(|counts| counts[by] > 0), "{what} was not reached");
        }
    }
}

/// A node whose application takes nothing, and another that does not cease to send to it.
fn slow() -> Scenario {
    let operation = |at, what| Operation { at: Duration::from_secs(at), what };
    let mut scenario = Scenario::new(1, 2);
    scenario.operations.push(operation(2, Op::Slow { node: 1, on: true }));
    let flood = || Op::Flood { node: 0, to: 1, messages: 300, octets: 9_000 };
    scenario.operations.extend((3..20).map(|at| operation(at, flood())));
    scenario
}

#[test]
fn a_hello_that_lay_unread_and_the_next_one_are_two_beginnings() {
    use zre_tests::script::Op::{Accept, App, Handshake, Meet, Pass};
    // While the application does not keep up, a peer says HELLO and comes anew.
    let ops = [
        vec![Meet(3), Accept(2), Handshake(0, 0), Meet(0), Meet(1), Meet(3), Pass(3224), Pass(3186), Meet(1)],
        vec![Accept(0), Meet(0), Meet(3), Pass(10540), Meet(3), Pass(460), Meet(3), App(119, 0)],
    ];
    plainly(&live(&ops.concat()));
}
