//! A [`Node`] in tokio: its descriptor is readable while events wait, so an `AsyncFd` tells when to take them.
//!
//! ```text
//! $ cargo run -p zre-mio --example tokio_node
//! ```

use std::{error::Error, time::Duration};
use tokio::{io::unix::AsyncFd, task, time};
use zre_mio::{Event, Node};

const GROUP: &str = "clock";
/// The UDP port of beacons: another one than ZRE's own, 5670, so that the example is a cluster by itself.
const PORT: u16 = 15675;

type Failure = Box<dyn Error + Send + Sync>;

/// A node whose events can be awaited.
struct AsyncNode(AsyncFd<Node>);

impl AsyncNode {
    /// Within a runtime.
    #[expect(
        deprecated,
        reason = "what tokio 1.54 has instead is unsafe, for types whose descriptor may change or close"
    )]
    fn new(node: Node) -> Result<Self, Failure> {
        // A node has the same descriptor for as long as it lives, so this is as safe as it was.
        Ok(Self(AsyncFd::new(node)?))
    }

    /// The next event; none after STOP. It can be dropped before it is ready, as `select!` does, and nothing is lost.
    async fn next(&self) -> Result<Option<Event>, Failure> {
        loop {
            // First, for events may be there already.
            let mut ready = self.0.readable().await?;
            match self.0.get_ref().try_recv() {
                Ok(Some(event)) => return Ok(Some(event)),
                // tokio is to wait for the descriptor again. What came since then is not overlooked.
                Ok(None) => ready.clear_ready(),
                Err(_) => return Ok(None),
            }
        }
    }

    /// Everything else is done by the node itself. Its `try_` methods never wait; `whisper` and `shout` wait for room and
    /// would hold up the whole runtime.
    fn node(&self) -> &Node {
        self.0.get_ref()
    }

    /// Leaves politely, which takes a while: on a thread for such things.
    async fn stop(self) -> Result<(), Failure> {
        let node = self.0.into_inner();
        Ok(task::spawn_blocking(move || node.stop()).await?)
    }
}

/// Shouts the time to whoever is there, until it is thanked.
async fn clock() -> Result<(), Failure> {
    let node = AsyncNode::new(Node::builder("clock").interface("lo").port(PORT).start()?)?;
    let mut ticks = time::interval(Duration::from_millis(20));
    let mut ticked = 0;
    loop {
        tokio::select! {
            event = node.next() => match event? {
                Some(Event::Whisper { name, content, .. }) => {
                    println!("clock: {name} says {:?}", content.text());
                    break;
                }
                Some(_) => {}
                None => break,
            },
            // Nobody in the group: nobody is told.
            _ = ticks.tick() => if node.node().try_shout(GROUP, format!("tick {}", ticked + 1))? > 0 {
                ticked += 1;
            },
        }
    }
    node.stop().await
}

async fn sleeper() -> Result<(), Failure> {
    let node = AsyncNode::new(Node::builder("sleeper").group(GROUP).interface("lo").port(PORT).start()?)?;
    while let Some(event) = node.next().await? {
        match event {
            Event::Shout { peer, name, content, .. } => {
                let tick = content.text();
                if ["tick 1", "tick 2", "tick 3"].contains(&&*tick) {
                    println!("sleeper: {name} says {tick:?}");
                }
                if tick == "tick 3" {
                    node.node().try_whisper(peer, "I am awake")?;
                }
            }
            Event::Exit { name, reason, .. } => {
                println!("sleeper: {name} is gone: {reason}");
                break;
            }
            _ => {}
        }
    }
    node.stop().await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    time::timeout(Duration::from_secs(30), async { tokio::try_join!(clock(), sleeper()) }).await??;
    Ok(())
}
