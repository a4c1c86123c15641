//! More than anybody can take: PINGs, gigabytes for an application that does not read, peers that do not read themselves, and
//! one that shouts another's silence down.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};
use uuid::Uuid;
use zre_mio::{Node, PeerId};
use zre_proto::{
    Message,
    message::Body,
    zmtp::{Command, FrameDecoder},
};
use zre_tests::{
    hostile::{
        Bounds, PATIENCE, Siege, Target, arena, attacker::Raw, by_length, counter, honest::Honest, now, numbered,
        settings::Settings,
    },
    ours::Ours,
    solo::command,
};

const NODE: &str = env!("CARGO_BIN_EXE_hostile-node");
const SECOND: Duration = Duration::from_secs(1);
const MIB: u64 = 1 << 20;
/// Descriptors beyond two for each peer: to meet again those who are gone.
const AGAIN: usize = 8;

/// Those who have gone are not sought for long: the test waits for the end of it.
fn settings(name: &str) -> Settings {
    Settings { introduction: Some(2_000), ..Settings::named(name) }
}

/// Reads all that the node says on a connection, until it is closed. How much that was.
fn drain(mut stream: TcpStream) -> thread::JoinHandle<u64> {
    thread::spawn(move || {
        let (mut octets, mut buffer) = (0, vec![0; 1 << 16]);
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            octets += read as u64;
        }
        octets
    })
}

#[test]
fn pings_as_fast_as_they_can_be_sent() {
    arena("pings_as_fast_as_they_can_be_sent", || {
        // What waits for each of the two that do not read: `Limits::send_queue`, and as much of PONGs.
        let bounds = Bounds { memory: 48 * MIB, descriptors: 4 * 2 + AGAIN };
        Siege::run(NODE, "PINGs", &settings("pinged"), bounds, |siege| {
            let (to, until) = (siege.node.mailbox, now() + by_length(3, 120) * SECOND);
            let of_zmtp = command(&Command::Ping { ttl: 0, context: b"0123456789abcdef"[..].into() }).repeat(1_000);
            let flooding: Vec<_> = [(true, true), (true, false), (false, true), (false, false)]
                .into_iter()
                .enumerate()
                .map(|(which, (zre, reads))| {
                    let mut raw = Raw::meet(to, Uuid::from_u64_pair(0x919, which as u64), "pinging");
                    let of_zmtp = of_zmtp.clone();
                    thread::spawn(move || {
                        let drains = reads.then(|| {
                            let both = [&raw.inbound, &raw.out].map(|stream| stream.try_clone().expect("a descriptor"));
                            both.map(drain)
                        });
                        if !reads {
                            raw.out.set_write_timeout(Some(SECOND / 4)).expect("a deadline");
                        }
                        let mut many = 0;
                        while now() < until {
                            let octets = match zre {
                                true => (0..1_000).flat_map(|_| raw.next(Body::Ping, &[])).collect(),
                                false => of_zmtp.clone(),
                            };
                            match raw.out.write_all(&octets) {
                                Ok(()) => many += 1_000,
                                // Who does not read may be read no more, or be closed.
                                Err(_) if !reads => break,
                                Err(error) => panic!("ZRE: {zre}: {error}"),
                            }
                        }
                        // It ends, and so do those who drain.
                        for stream in [&raw.inbound, &raw.out] {
                            let _ = stream.shutdown(std::net::Shutdown::Both);
                        }
                        let answers = drains.map(|drains| drains.map(|drain| drain.join().expect("it ends")));
                        (zre, reads, many, answers)
                    })
                })
                .collect();
            for flood in flooding {
                let (zre, reads, many, answers) = flood.join().expect("nobody is thrown out for a PING");
                println!("PINGs of ZRE: {zre}, reads: {reads}: {many}, octets of answers {answers:?}");
                assert!(many >= if reads { 10_000 } else { 1_000 });
            }
        });
    });
}

/// Octets of an offered message.
const OFFERED: usize = 64 << 10;

#[test]
fn gigabytes_for_an_application_that_does_not_read() {
    arena("gigabytes_for_an_application_that_does_not_read", || {
        const RAW: usize = 3;
        // `Limits::events` and what a turn brings beyond it; what was read and waits, for each connection.
        let bounds = Bounds { memory: 64 * MIB, descriptors: 2 * RAW + AGAIN };
        let node = Target::start(NODE, &settings("does not read"));
        // The honest pair are two others in the same cluster; what this node says itself waits like all else.
        let beside = Target::start(NODE, &Settings::named("beside"));
        let honest = Honest::start(beside.uuid());
        let each = by_length(2_048, 65_536) * MIB / (RAW as u64 + 1);
        let giver = Node::builder("numbered").interface("lo").send_timeout(3_600 * SECOND);
        let mut giver = Ours::start(giver);
        giver.expect_enter(node.uuid());
        let peers = vec![honest.uuid, beside.uuid(), giver.node.uuid()];
        let siege = Siege::among(node, honest, peers, "gigabytes");
        siege.finish(bounds, |siege| {
            siege.node.ask("pause");
            let (to, uuid) = (siege.node.mailbox, siege.node.uuid());
            let (told, tells) = mpsc::channel();
            let raws = (0..RAW).map(|which| {
                let mut raw = Raw::meet(to, Uuid::from_u64_pair(0x61B, which as u64), "numbered");
                let told = told.clone();
                let peer = PeerId::from(raw.uuid);
                let gives = thread::spawn(move || {
                    raw.out.set_write_timeout(None).expect("as long as it takes");
                    for number in 1..=each / OFFERED as u64 {
                        let content = numbered(number, OFFERED);
                        let octets = raw.next(Body::Whisper, &[&content.iter().next().expect("a frame")[..]]);
                        raw.out.write_all(&octets).expect("it is made to wait, not thrown out");
                        let _ = told.send(());
                    }
                    raw
                });
                (peer, gives)
            });
            let raws: Vec<_> = raws.collect();
            let node = giver.node.clone();
            let gives = thread::spawn(move || {
                for number in 1..=each / OFFERED as u64 {
                    node.whisper(uuid, numbered(number, OFFERED)).expect("it is made to wait");
                    let _ = told.send(());
                }
            });
            // Back-pressure stops all of them.
            let mut sent = 0;
            loop {
                match tells.recv_timeout(SECOND) {
                    Ok(()) => sent += OFFERED as u64,
                    // A busy machine is slow to begin.
                    Err(RecvTimeoutError::Timeout) if sent > 16 * MIB => break,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => panic!("nothing stops them: {sent} octets were taken"),
                }
            }
            println!("{} MiB were taken of those who do not read", sent / MIB);
            assert!(sent < 256 * MIB, "{sent}");
            let waiting = siege.node.ask("counters");
            assert!(counter(&waiting, "events_waiting") < 20 * MIB, "{waiting:#}");
            let peers = waiting["peers"].as_array().map_or(0, Vec::len);
            assert_eq!(peers, RAW + 3, "nobody was given up: {waiting:#}");

            siege.node.ask("resume");
            let raws: Vec<_> =
                raws.into_iter().map(|(peer, gives)| (peer, gives.join().expect("it gives all"))).collect();
            gives.join().expect("it gives all");
            let all = each / OFFERED as u64;
            let givers = raws.iter().map(|(peer, _)| *peer).chain([giver.node.uuid()]);
            let givers: Vec<_> = givers.map(|peer| peer.to_string()).collect();
            let heard = siege.node.until_heard("all of it", 30 * SECOND, |heard| {
                givers.iter().all(|giver| heard["numbered"][giver][0].as_u64() == Some(all))
            });
            let in_order = givers.iter().all(|giver| heard["numbered"][giver][1] == 0);
            assert!(in_order, "{heard:#}");
            for (peer, raw) in raws {
                assert_eq!(siege.node.told_of(peer), ["ENTER"], "while it was made to wait");
                drop(raw);
            }
            giver.assert_steady();
        });
        beside.stop();
    });
}

#[test]
fn peers_that_never_read() {
    arena("peers_that_never_read", || {
        const MANY: usize = 4;
        let settings = Settings { send_timeout: Some(2_000), ..settings("unread") };
        // `Limits::send_queue` for each.
        let bounds = Bounds { memory: MANY as u64 * 9 * MIB + 8 * MIB, descriptors: 2 * MANY + AGAIN };
        Siege::run(NODE, "peers that never read", &settings, bounds, |siege| {
            let to = siege.node.mailbox;
            let raws: Vec<_> = (0..MANY)
                .map(|which| Raw::meet(to, Uuid::from_u64_pair(0xDEAF, which as u64), "watched, never reads"))
                .collect();
            for raw in &raws {
                siege.node.expect_event("ENTER", PATIENCE, raw.uuid.into());
            }
            for raw in &raws {
                let octets = siege.node.fill(raw.uuid.into());
                assert!(octets > 4 * MIB && octets < 20 * MIB, "{octets}");
            }
            let full = now();
            for raw in &raws {
                let exit = siege.node.expect_event("EXIT", 20 * SECOND, raw.uuid.into());
                assert_eq!(exit["reason"], "slow");
            }
            println!("given up after {:.1?}", full.elapsed());
        });
    });
}

/// When the next PING came; everything else that the node says is overlooked.
#[track_caller]
fn next_ping(raw: &mut Raw, decoder: &mut FrameDecoder) -> Instant {
    let mut buffer = [0; 1 << 12];
    loop {
        while let Some(frame) = decoder.next_frame().expect("the node makes sense") {
            if !frame.command && Message::decode(&frame.body).is_ok_and(|message| message.body == Body::Ping) {
                return now();
            }
        }
        let read = raw.inbound.read(&mut buffer).expect("a PING in time");
        assert!(read > 0, "the node gave it up without a PING");
        decoder.push(buffer[..read].to_vec().into());
    }
}

#[test]
fn silence_is_noticed_in_a_flood() {
    arena("silence_is_noticed_in_a_flood", || {
        const EVASIVE: Duration = Duration::from_millis(2_000);
        const SILENT: Duration = Duration::from_millis(800);
        /// Well after SILENT, however late that is: else EXIT comes first on a loaded machine.
        const EXPIRED: Duration = Duration::from_millis(12_000);
        /// How long a PING is waited for.
        const ANSWER: Duration = Duration::from_secs(1);
        /// How late anything may be on a loaded machine. Nothing may be early.
        const LATE: Duration = Duration::from_secs(3);
        // With the tenth more or less that is chance.
        const {
            assert!(
                EVASIVE.as_millis() * 11 / 10 + ANSWER.as_millis() + SILENT.as_millis() + LATE.as_millis()
                    < EXPIRED.as_millis()
            );
        };
        let millis = |duration: Duration| duration.as_millis() as u64;
        let quiet = Some((millis(EVASIVE), millis(SILENT), millis(EXPIRED)));
        // `Limits::events`, twice: those with the node, and those that its application is taking.
        let bounds = Bounds { memory: 48 * MIB, descriptors: 4 + AGAIN };
        Siege::run(NODE, "silence in a flood", &Settings { quiet, ..settings("flooded") }, bounds, |siege| {
            let to = siege.node.mailbox;
            let mut flooder = Raw::meet(to, Uuid::from_u128(0xF100D), "loud");
            let reads = drain(flooder.inbound.try_clone().expect("a descriptor"));
            let (stop, stopped) = mpsc::channel::<()>();
            let flooding = thread::spawn(move || {
                let mut many = 0u64;
                while stopped.try_recv() == Err(mpsc::TryRecvError::Empty) {
                    let octets: Vec<_> = (0..1_000).flat_map(|_| flooder.next(Body::Whisper, &[b"flood"])).collect();
                    flooder.out.write_all(&octets).expect("it is read");
                    many += 1_000;
                }
                many
            });
            for round in 0..by_length(1, 20) {
                let uuid = Uuid::from_u64_pair(0x511E, round);
                let begin = now();
                let mut silent = Raw::meet(to, uuid, "watched, says nothing");
                let said = now();
                let mut decoder = FrameDecoder::new(1 << 16);
                let since = |begin: Instant| begin.elapsed();
                let ping = next_ping(&mut silent, &mut decoder) - begin;
                siege.node.expect_event("EVASIVE", PATIENCE, uuid.into());
                let evasive = since(begin);
                siege.node.expect_event("SILENT", PATIENCE, uuid.into());
                let still = since(begin);
                let exit = siege.node.expect_event("EXIT", PATIENCE, uuid.into());
                let gone = since(begin);
                println!("PING after {ping:.2?}, EVASIVE {evasive:.2?}, SILENT {still:.2?}, EXIT {gone:.2?}");
                assert_eq!(exit["reason"], "expired");
                assert_eq!(siege.node.told_of(uuid.into()), ["ENTER", "EVASIVE", "SILENT", "EXIT"]);
                let latest = LATE + (said - begin);
                for (what, when, due) in [
                    ("PING", ping, EVASIVE * 9 / 10),
                    ("EVASIVE", evasive, EVASIVE * 9 / 10 + ANSWER),
                    ("SILENT", still, EVASIVE * 9 / 10 + ANSWER + SILENT),
                    ("EXIT", gone, EXPIRED),
                ] {
                    assert!(when >= due, "{what} is early: {when:?}, not before {due:?}");
                    // A tenth of `evasive` more or less is chance.
                    assert!(when <= due + EVASIVE / 5 + latest, "{what} is late: {when:?} instead of {due:?}");
                }
            }
            drop(stop);
            let many = flooding.join().expect("it floods to the end");
            reads.join().expect("it ends");
            println!("{many} messages of the flood");
            assert!(many > 100_000);
        });
    });
}
