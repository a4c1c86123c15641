//! The curve of convergence: how many pairs see each other, over time.

use super::Outcome;
use plotters::{
    chart::ChartBuilder,
    drawing::IntoDrawingArea,
    series::LineSeries,
    style::{Color, RGBColor, WHITE},
};
use std::{error::Error, time::Duration};
use zre_engine::sim::Sample;

const SIZE: (u32, u32) = (960, 540);
/// A little more than all, so that a line at 100 % is not lost in the frame.
const TOP: f64 = 103.0;
const BLUE: RGBColor = RGBColor(31, 95, 160);

/// In how many parts the time is cut where there are too many samples: three of each part are drawn, with two points for
/// each, and nobody sees more on so many pixels.
const PARTS: usize = 330;

/// The drawing, or why there is none. The same run gives the same octets.
pub(super) fn svg(outcome: &Outcome) -> Result<String, String> {
    let mut svg = String::new();
    draw(outcome, &mut svg).map_err(|error| error.to_string())?;
    Ok(svg)
}

fn draw(outcome: &Outcome, svg: &mut String) -> Result<(), Box<dyn Error>> {
    let Outcome { nodes, network, seed, .. } = outcome;
    // As far as anything changes, and a little more: a good network has its mesh in a hundredth of the time.
    let changed = outcome.curve.last().map_or(Duration::ZERO, |sample| sample.at + sample.at / 8);
    let end = changed.min(outcome.simulated).max(Duration::from_millis(1));
    let area = plotters::backend::SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("{nodes} nodes, {network} network, seed {seed}"), ("sans-serif", 26))
        .margin(16)
        .x_label_area_size(56)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..end.as_secs_f64(), 0.0..TOP)?;
    let about = match outcome.full_mesh {
        Some(time) => format!("simulated time in seconds (full mesh after {:.3})", time.as_secs_f64()),
        None => "simulated time in seconds (no full mesh)".into(),
    };
    chart
        .configure_mesh()
        .max_light_lines(1)
        .bold_line_style(BLUE.mix(0.15))
        .x_label_formatter(&label)
        .y_label_formatter(&label)
        .axis_desc_style(("sans-serif", 20))
        .label_style(("sans-serif", 18))
        .x_desc(about)
        .y_desc("pairs that see each other, in %")
        .draw()?;
    chart.draw_series(LineSeries::new(steps(&outcome.curve, end), BLUE.stroke_width(2)))?;
    area.present()?;
    Ok(())
}

/// Without the digits that only the arithmetic brings.
fn label(value: &f64) -> String {
    ((value * 1e6).round() / 1e6).to_string()
}

/// A line through the samples: each holds until the next comes.
fn steps(curve: &[Sample], end: Duration) -> Vec<(f64, f64)> {
    let mut points = vec![(0.0, 0.0)];
    let mut last = 0.0;
    for (at, share) in thinned(curve, end) {
        points.extend([(at, last), (at, share)]);
        last = share;
    }
    points.push((end.as_secs_f64(), last));
    points
}

/// Seconds and percent: all samples, or of each part of the time the least, the most and the last.
fn thinned(curve: &[Sample], end: Duration) -> Vec<(f64, f64)> {
    let all: Vec<_> = curve.iter().map(|sample| (sample.at.as_secs_f64(), percent(sample))).collect();
    if all.len() <= 3 * PARTS {
        return all;
    }
    let part = |(at, _): &(f64, f64)| (at / end.as_secs_f64() * PARTS as f64) as usize;
    let mut kept = Vec::new();
    for samples in all.chunk_by(|one, other| part(one) == part(other)) {
        let by_share = |one: &&(f64, f64), other: &&(f64, f64)| one.1.total_cmp(&other.1);
        let mut of_part: Vec<(f64, f64)> = Vec::new();
        of_part.extend(samples.iter().min_by(by_share));
        of_part.extend(samples.iter().max_by(by_share));
        of_part.extend(samples.last());
        of_part.sort_by(|one, other| one.0.total_cmp(&other.0));
        of_part.dedup();
        kept.extend(of_part);
    }
    kept
}

fn percent(sample: &Sample) -> f64 {
    // Where there is nobody to see, nothing is seen.
    if sample.pairs == 0 { 0.0 } else { sample.seen as f64 * 100.0 / sample.pairs as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(samples: u64) -> Vec<Sample> {
        let share = |number| if number == samples / 2 { 0 } else { 5 + number % 2 };
        (0..samples)
            .map(|number| Sample { at: Duration::from_millis(number), pairs: 10, seen: share(number) })
            .collect()
    }

    #[test]
    fn a_few_samples_stay_as_they_are() {
        let points = steps(&curve(3), Duration::from_secs(1));
        let at = |millis: f64, percent: f64| (millis / 1e3, percent);
        let expected =
            [at(0.0, 0.0), at(0.0, 0.0), at(0.0, 50.0), at(1.0, 50.0), at(1.0, 0.0), at(2.0, 0.0), at(2.0, 50.0)];
        assert_eq!(points[..7], expected);
        assert_eq!(points[7..], [(1.0, 50.0)]);
    }

    #[test]
    fn many_are_thinned_and_no_dip_is_lost() {
        let points = steps(&curve(100_000), Duration::from_secs(100));
        assert!((500..=2_000).contains(&points.len()), "{} points", points.len());
        assert!(points.is_sorted_by(|one, other| one.0 <= other.0));
        assert!(points.iter().any(|(at, share)| *at == 50.0 && *share == 0.0));
        assert_eq!(points.last(), Some(&(100.0, 60.0)));
    }
}
