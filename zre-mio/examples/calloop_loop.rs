//! A [`Node`] in calloop, the event loop of many Wayland programs. Its descriptor is readable while events wait; GLib, libuv,
//! Qt or a plain `poll` watch it in the same way.
//!
//! ```text
//! $ cargo run -p zre-mio --example calloop_loop
//! ```

use calloop::{
    EventLoop, Interest, LoopSignal, Mode, PostAction,
    generic::Generic,
    timer::{TimeoutAction, Timer},
};
use std::{error::Error, io, time::Duration};
use zre_mio::{Event, Node};

/// The UDP port of beacons: another one than ZRE's own, 5670, so that the example is a cluster by itself.
const PORT: u16 = 15676;

/// What the callbacks share.
struct Program {
    signal: LoopSignal,
    asked: bool,
    answered: bool,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut event_loop: EventLoop<'_, Program> = EventLoop::try_new()?;
    let (handle, signal) = (event_loop.handle(), event_loop.get_signal());

    // Two nodes in one loop. Each is a source of its own.
    let asks = Node::builder("asks").interface("lo").port(PORT).start()?;
    let answers = Node::builder("answers").interface("lo").port(PORT).start()?;

    // Level-triggered: as long as an event is left, the loop comes back to it.
    handle.insert_source(Generic::new(asks.clone(), Interest::READ, Mode::Level), |_, node, program| {
        while let Ok(Some(event)) = node.try_recv() {
            match event {
                Event::Enter { peer, name, .. } => {
                    println!("asks: {name} is here");
                    // Callbacks must not wait, so the methods with `try_`: an error says that the peer has gone again, or
                    // does not keep up.
                    program.asked = node.try_whisper(peer, "what is the answer?").is_ok();
                }
                Event::Whisper { name, content, .. } => {
                    println!("asks: {name} says {:?}", content.text());
                    program.answered = true;
                    program.signal.stop();
                }
                _ => {}
            }
        }
        Ok::<_, io::Error>(PostAction::Continue)
    })?;
    handle.insert_source(Generic::new(answers.clone(), Interest::READ, Mode::Level), |_, node, _| {
        while let Ok(Some(event)) = node.try_recv() {
            if let Event::Whisper { peer, name, content, .. } = event {
                println!("answers: {name} says {:?}", content.text());
                let _ = node.try_whisper(peer, "42");
            }
        }
        Ok::<_, io::Error>(PostAction::Continue)
    })?;
    // What else the loop has to do: here, not to wait forever.
    handle.insert_source(Timer::from_duration(Duration::from_secs(30)), |_, (), program| {
        program.signal.stop();
        TimeoutAction::Drop
    })?;

    let mut program = Program { signal, asked: false, answered: false };
    event_loop.run(None, &mut program, |_| {})?;
    println!("asked: {}, answered: {}", program.asked, program.answered);
    // These wait until peers are told, so they come when the loop is over (or go to a thread).
    asks.stop();
    answers.stop();
    Ok(())
}
