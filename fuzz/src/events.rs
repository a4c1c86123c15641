//! Events that wait for the application.

use arbitrary::Unstructured;
use std::{collections::VecDeque, sync::Arc};
use zre_engine::{Content, Event, EventQueue, ExitReason, PeerId};

/// So many things happen at most.
const STEPS: usize = 2000;

/// The same event is put in again and again until it counts for so many octets: some blocks.
const MOST: usize = 100_000;

/// The lengths that frames have: at the edges of what is packed, and of blocks.
const LENGTHS: [usize; 16] = [0, 1, 2, 10, 100, 127, 128, 300, 1000, 4094, 4095, 4096, 4097, 9000, 32_767, 40_000];

/// Two queues, put into and taken from in any order and poured into each other: what comes out is what was put in.
pub fn events(data: &[u8]) {
    // An input that ends early is a short story.
    let _ = play(&mut Unstructured::new(data));
}

fn play(source: &mut Unstructured<'_>) -> arbitrary::Result<()> {
    let mut queues = [EventQueue::default(), EventQueue::default()];
    let mut plain = [VecDeque::new(), VecDeque::new()];
    for _ in 0..STEPS {
        if source.is_empty() {
            break;
        }
        let what: u8 = source.arbitrary()?;
        let side = usize::from(what >> 7);
        match what % 8 {
            0..4 => {
                let event = event(source)?;
                queues[side].push(event.clone());
                plain[side].push_back(event);
            }
            4 => {
                // The same once more, many times: what they have in common is kept once.
                let count: u8 = source.arbitrary()?;
                if let Some(event) = plain[side].back().cloned() {
                    for _ in 0..usize::from(count).min(MOST / event.octets()) {
                        queues[side].push(event.clone());
                        plain[side].push_back(event.clone());
                    }
                }
            }
            5 | 6 => {
                let count: u8 = source.arbitrary()?;
                for _ in 0..=count {
                    let event = plain[side].pop_front();
                    assert_eq!(queues[side].pop(), event);
                    if event.is_none() {
                        break;
                    }
                }
            }
            _ => {
                let [first, second] = &mut queues;
                let (into, from) = if side == 0 { (first, second) } else { (second, first) };
                into.append(from);
                assert!(from.is_empty());
                let moved = std::mem::take(&mut plain[1 - side]);
                plain[side].extend(moved);
            }
        }
        for (queue, plain) in queues.iter().zip(&plain) {
            assert_eq!((queue.len(), queue.is_empty()), (plain.len(), plain.is_empty()));
            assert_eq!(queue.octets(), plain.iter().map(Event::octets).sum::<usize>());
        }
    }
    for (queue, plain) in queues.iter_mut().zip(&mut plain) {
        let is_packed = |event: &Event| matches!(event.kind(), "WHISPER" | "SHOUT" | "JOIN" | "LEAVE" | "LEADER");
        assert_eq!(queue.is_plain(), plain.iter().all(is_packed));
        while let Some(event) = plain.pop_front() {
            assert_eq!(queue.pop(), Some(event));
        }
        assert_eq!(queue.pop(), None);
    }
    Ok(())
}

fn event(source: &mut Unstructured<'_>) -> arbitrary::Result<Event> {
    let [kind, who, group, frames]: [u8; 4] = source.arbitrary()?;
    let peer = PeerId::from_octets([who % 16; 16]);
    // A peer may have had another name before.
    let name: Arc<str> = format!("peer {}", who % 32).into();
    // Names at the edge of what is packed among them.
    let group: Arc<str> = "g".repeat([1, 2, 40, 47, 48, 49, 255, 0][usize::from(group) % 8]).into();
    Ok(match kind % 10 {
        0 | 1 => Event::Whisper { peer, name, content: content(frames, source)? },
        2 | 3 => Event::Shout { peer, name, group, content: content(frames, source)? },
        4 => Event::Join { peer, name, group },
        5 => Event::Leave { peer, name, group },
        6 => Event::Leader { peer, name, group },
        7 => Event::Exit { peer, name, reason: ExitReason::Left, unsent: frames.into() },
        8 => Event::Room { peer },
        _ => Event::Stop,
    })
}

fn content(frames: u8, source: &mut Unstructured<'_>) -> arbitrary::Result<Content> {
    let mut content = Content::new();
    for _ in 0..frames % 5 {
        let [length, fill]: [u8; 2] = source.arbitrary()?;
        content.push(vec![fill; LENGTHS[usize::from(length) % LENGTHS.len()]]);
    }
    Ok(content)
}
