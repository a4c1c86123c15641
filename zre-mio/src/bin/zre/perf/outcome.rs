//! What came of whispers or shouts, for programs and for people.

use super::{protocol::Plan, source::Outcome};
use crate::{
    cli::complain,
    json::Object,
    output::{Colour, Output},
    text::count,
};
use std::{process::ExitCode, time::Duration};

/// What takes less time than this says more about how messages begin to flow than about how they flow.
const SHORTEST: Duration = Duration::from_millis(200);

/// Prints it. A failure where something was lost.
pub(super) fn print(outcome: &Outcome, plan: &Plan, json: bool) -> ExitCode {
    let output = Output::new();
    if json {
        output.line(to_json(outcome, plan));
    } else {
        for_people(outcome, plan, &output);
    }
    if outcome.rates.time < SHORTEST {
        complain("that was too short to mean much: a larger --count tells more");
    }
    match outcome.lost {
        Some(1..) => {
            complain("not all of it arrived");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

fn to_json(outcome: &Outcome, plan: &Plan) -> String {
    let Outcome { rates, receivers, lost } = outcome;
    Object::new()
        .raw("messages_per_s", &format!("{:.1}", rates.messages_per_s()))
        .raw("mb_per_s", &format!("{:.3}", rates.mb_per_s()))
        .raw("seconds", &format!("{:.9}", rates.seconds()))
        .number("count", plan.count)
        .number("size", plan.size as u64)
        .number("receivers", receivers.len() as u64)
        .raw("lost", &lost.map_or_else(|| "null".into(), |lost| lost.to_string()))
        .end()
}

fn for_people(outcome: &Outcome, plan: &Plan, output: &Output) {
    let Outcome { rates, receivers, lost } = outcome;
    let to = match &receivers[..] {
        [peer] => peer.text(),
        all => format!("{} receivers", count(all.len() as u64)),
    };
    let octets = if plan.size == 1 { "octet" } else { "octets" };
    let (many, noun, size) = (count(plan.count), plan.way.noun(plan.count), count(plan.size as u64));
    output.line(output.paint(Colour::Bold, &format!("{many} {noun} of {size} {octets} to {to}")));
    let lost = match lost {
        None => "not known".into(),
        Some(0) => "nothing".into(),
        Some(lost) => count(*lost),
    };
    let place = match (outcome.lost, receivers.len()) {
        (None, _) => "sender",
        (Some(_), 1) => "receiver",
        (Some(_), _) => "slowest receiver",
    };
    for (name, text) in
        [("rate", rates.text()), ("time", format!("{:.3} s, measured at the {place}", rates.seconds())), ("lost", lost)]
    {
        output.line(format_args!("  {}  {text}", output.paint(Colour::Dim, name)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perf::{protocol::Way, rates::Rates};

    #[test]
    fn the_object_has_its_keys_in_order() {
        let rates = Rates { messages: 3000, octets: 96_000, time: Duration::from_micros(1_500_250) };
        let plan = Plan { way: Way::Whispers, count: 3000, size: 32 };
        let outcome = |lost| Outcome { rates, receivers: Vec::new(), lost };
        assert_eq!(
            to_json(&outcome(Some(0)), &plan),
            r#"{"messages_per_s":1999.7,"mb_per_s":0.064,"seconds":1.500250000,"count":3000,"size":32,"receivers":0,"lost":0}"#
        );
        assert!(to_json(&outcome(None), &plan).ends_with(r#""lost":null}"#));
    }
}
