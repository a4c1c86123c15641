//! A node that is told anything.
//!
//! | file | its story |
//! |---|---|
//! | `doing` | what happens, as the input says it |
//! | `author` | that, made into calls |
//! | `say` | what others say |
//! | `step` | a call |
//! | `run` | a node that is called, and what must always be so |

mod author;
mod doing;
mod run;
mod say;
mod step;

use arbitrary::Unstructured;
use author::{Author, config};
pub use doing::Doing;
use run::{Manner, Run};
use std::collections::BTreeSet;

/// Any calls in any order, with any ids and octets: the contract of the engine holds. What a node is told is told to another
/// that is emptied at other times and is now and then told a time that is over, and to a third that reads and writes in other
/// pieces; the same comes of all three.
pub fn node(data: &[u8]) {
    node_reaches(data);
}

/// Does the same, and says what kinds of events came of it, and why connections were closed.
pub fn node_reaches(data: &[u8]) -> BTreeSet<String> {
    // An input that ends early is a short story.
    tell(&mut Unstructured::new(data)).ok().flatten().unwrap_or_default()
}

fn tell(source: &mut Unstructured<'_>) -> arbitrary::Result<Option<BTreeSet<String>>> {
    let [traits, stale]: [u8; 2] = source.arbitrary()?;
    let polls: [u8; 4] = source.arbitrary()?;
    let sizes: [u8; 4] = source.arbitrary()?;
    let Some(mut author) = Author::new(traits) else { return Ok(None) };
    author.write(source)?;
    let Author { mut run, steps, .. } = author;
    run.poll_all();
    run.look();
    let again = |manner: &Manner| Run::again(config(traits), &steps, manner);
    let polls = Manner { polls: polls.into(), stale: stale.into(), ..Manner::default() };
    if let Some(other) = again(&polls) {
        run.assert_same(&other, false);
    }
    let sizes = sizes.iter().map(|size| if *size < 200 { 1 + usize::from(*size) } else { 10 * usize::from(*size) });
    let pieces = Manner { sizes: sizes.collect(), ..Manner::default() };
    if let Some(other) = again(&pieces) {
        run.assert_same(&other, true);
    }
    Ok(Some(run.reached()))
}
