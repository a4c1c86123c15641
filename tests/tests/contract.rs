//! The seven clauses of the engine's contract, each a property over random lives of a node.
//!
//! Clause 4, on memory, has a file of its own, since it counts allocations.

use proptest::{collection::vec, prelude::*};
use zre_engine::{Action, CloseReason, Event, Input, InputError};
use zre_tests::script::{Call, Life, Op, Player, live, op};

fn ops() -> impl Strategy<Value = Vec<Op>> {
    vec(op(), 0..120)
}

/// Plays a life again.
fn play(life: &Life, first: &Player, writes: usize, mut after_each: impl FnMut(&mut Player, usize)) -> Player {
    let mut player = Player::new(writes);
    player.conns = first.conns.clone();
    after_each(&mut player, 0);
    for (index, (at, call)) in life.iter().enumerate() {
        player.call(*at, call);
        after_each(&mut player, index + 1);
    }
    player.drain();
    player
}

/// What came out: `Writable` apart, which says when octets were written and not what happened.
fn outcome(player: &Player) -> (Vec<Action>, Vec<Event>) {
    (player.actions.clone(), player.events.clone())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn clause_1_any_input_at_any_time_and_time_never_goes_back(ops in ops(), back in 1u64..1_000_000) {
        let (_, mut player) = live(&ops);
        let earlier = zre_engine::Instant::from_nanos(player.now.as_nanos() - back);
        let before = format!("{:?}", player.node);
        let inputs = [Input::Timeout, Input::Datagram {
            link: zre_engine::LinkId(0), from: ([10, 0, 0, 2], 1).into(), data: b"",
        }];
        for input in inputs {
            prop_assert_eq!(player.node.handle(earlier, input), Err(InputError::TimeWentBackwards));
        }
        prop_assert!(player.node.join(earlier, "other").is_err());
        prop_assert_eq!(format!("{:?}", player.node), before, "nothing has changed");
    }

    #[test]
    fn clause_2_when_actions_and_events_are_drained_makes_no_difference(ops in ops(), every in 2usize..20) {
        let (life, first) = live(&ops);
        // Octets are written at the same moments (that is an input); what differs is when the queues are emptied.
        let eager = play(&life, &first, usize::MAX, |player, _| player.drain());
        let lazy = play(&life, &first, usize::MAX, |player, index| {
            player.write_all();
            if index % every == 0 {
                player.take_queues();
            }
        });
        prop_assert_eq!(outcome(&eager), outcome(&lazy));
        prop_assert_eq!(&eager.written, &lazy.written);
    }

    #[test]
    fn clause_3_after_a_timeout_the_next_deadline_is_later(ops in ops()) {
        let (_, mut player) = live(&ops);
        for _ in 0..50 {
            let Some(deadline) = player.node.poll_timeout() else { break };
            let at = deadline.at.max(player.now);
            player.call(at, &Call::Timeout);
            player.drain();
            prop_assert!(player.node.poll_timeout().is_none_or(|next| next.at > at), "{:?}", deadline.why);
        }
    }

    #[test]
    fn clause_5_no_input_panics_and_a_peers_fault_is_a_close_and_an_exit(ops in ops(), garbage in vec(any::<u8>(), 1..200)) {
        let (life, mut player) = live(&ops);
        let (at, before) = (player.now, player.events.len());
        let peers: Vec<_> = player.node.peers().collect();
        // Garbage on every connection there has ever been: an error only where the connection is gone or not there yet.
        let conns: Vec<_> = life.iter().filter_map(|(_, call)| match call {
            Call::Received(conn, _) => Some(*conn),
            _ => None,
        }).collect();
        for conn in conns {
            let result = player.node.handle(at, Input::Received { conn, data: garbage.clone().into() });
            prop_assert!(matches!(
                result,
                Ok(()) | Err(InputError::UnknownConnection | InputError::NotConnected)
            ));
        }
        player.drain();
        for peer in peers {
            let gone = player.node.peer(peer).is_none();
            let exit = player.events[before..].iter().any(|event| {
                matches!(event, Event::Exit { peer: gone, .. } if *gone == peer)
            });
            prop_assert_eq!(gone, exit, "who is gone has had an EXIT");
        }
        for action in &player.actions {
            if let Action::Close { why: CloseReason::Violation(violation), .. } = action {
                prop_assert!(!violation.to_string().is_empty());
            }
        }
    }

    #[test]
    fn clause_6_any_split_of_the_writes_and_any_chunking_of_the_reads_gives_the_same(
        ops in ops(), writes in 1usize..100, chunk in 1usize..60,
    ) {
        let (life, first) = live(&ops);
        let whole = play(&life, &first, usize::MAX, |player, _| player.drain());
        let mut split = Player::new(writes);
        split.conns = first.conns.clone();
        split.drain();
        for (at, call) in &life {
            match call {
                Call::Received(conn, data) => {
                    for piece in data.chunks(chunk) {
                        split.call(*at, &Call::Received(*conn, bytes::Bytes::copy_from_slice(piece)));
                    }
                }
                call => {
                    split.call(*at, call);
                }
            }
            split.drain();
        }
        prop_assert_eq!(outcome(&whole), outcome(&split));
        prop_assert_eq!(&whole.written, &split.written);
    }

    #[test]
    fn clause_7_the_same_inputs_give_the_same_outputs(ops in ops()) {
        let (life, first) = live(&ops);
        let one = play(&life, &first, usize::MAX, |player, _| player.drain());
        let other = play(&life, &first, usize::MAX, |player, _| player.drain());
        prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
    }
}

/// The lives are worth something: they reach the states that the clauses speak of.
#[test]
fn random_lives_reach_every_kind_of_event() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut kinds = std::collections::BTreeSet::new();
    let mut reasons = std::collections::BTreeSet::new();
    for _ in 0..1500 {
        let ops = ops().new_tree(&mut runner).expect("a tree").current();
        let (_, player) = live(&ops);
        for event in &player.events {
            kinds.insert(event.kind());
            if let Event::Exit { reason, .. } = event {
                reasons.insert(reason.as_str());
            }
        }
    }
    for kind in ["ENTER", "EXIT", "JOIN", "LEAVE", "WHISPER", "SHOUT", "EVASIVE", "SILENT", "ROOM", "STOP"] {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }
    for reason in ["left", "expired", "restarted", "lost", "protocol", "stopped"] {
        assert!(reasons.contains(reason), "{reason} is not among {reasons:?}");
    }
}
