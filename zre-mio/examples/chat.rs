//! A chat: lines that you type go to everybody in the group, lines of others appear.
//!
//! ```text
//! $ cargo run -p zre-mio --example chat -- alice
//! ```
//!
//! The same in a second terminal, with another name. It ends with its input (Ctrl-D).

use std::{env, error::Error, io, thread};
use zre_mio::{Event, Node};

const GROUP: &str = "chat";

fn main() -> Result<(), Box<dyn Error>> {
    let name = env::args().nth(1).unwrap_or_else(|| "somebody".into());
    // Only this machine, and a UDP port of its own, so that the example meets nobody but itself. Without these two it meets
    // all that is on your network.
    let node = Node::builder(name).group(GROUP).interface("lo").port(15673).start()?;

    // Handles are cheap and for any thread; this one waits for events.
    let listener = node.clone();
    let events = thread::spawn(move || {
        for event in listener.events() {
            match event {
                Event::Join { name, .. } => println!("{name} is here"),
                Event::Shout { name, content, .. } => println!("{name}: {}", content.text()),
                Event::Exit { name, reason, .. } => println!("{name} is gone: {reason}"),
                _ => {}
            }
        }
    });
    for line in io::stdin().lines() {
        node.shout(GROUP, line?)?;
    }
    // Others are told that we leave, once they have read what we said. That ends the events as well.
    node.stop();
    events.join().map_err(|_| "the thread for events panicked")?;
    Ok(())
}
