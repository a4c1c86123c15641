//! A drawing: a panel for each work, a bar for each contestant.

use super::{short, table::Layout};
use crate::{contestant::Contestant, results::Results, work::Work};
use plotters::{
    backend::SVGBackend,
    chart::ChartBuilder,
    coord::combinators::IntoLogRange as _,
    drawing::{DrawingArea, IntoDrawingArea as _},
    element::{PathElement, Rectangle, Text},
    style::{
        BLACK, Color as _, FontTransform, IntoFont as _, RGBColor, TextStyle, WHITE,
        text_anchor::{HPos, Pos, VPos},
    },
};
use std::error::Error;

const WIDTH: u32 = 1500;
const PANEL: u32 = 340;
const LEGEND: u32 = 70;
/// For how many bars there is room at least.
const FEWEST: f64 = 14.0;
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// The drawing of these works, or why there is none.
pub fn svg(works: &[Work], results: &Results) -> Result<String, String> {
    let works: Vec<Work> = works.iter().copied().filter(|work| !results.cases(*work).is_empty()).collect();
    let mut svg = String::new();
    let size = (WIDTH, LEGEND + PANEL * works.len() as u32);
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    draw(&works, results, &area).map_err(|why| why.to_string())?;
    drop(area);
    Ok(svg)
}

fn draw(works: &[Work], results: &Results, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
    area.fill(&WHITE)?;
    let (top, panels) = area.split_vertically(LEGEND);
    let mut all: Vec<Contestant> = Vec::new();
    for work in works {
        all.extend(results.cases(*work).iter().flat_map(|case| results.contestants(*work, case)));
    }
    all.sort_unstable();
    all.dedup();
    let mut x = 90;
    for contestant in all {
        top.draw(&Rectangle::new([(x, 26), (x + 18, 44)], colour(contestant).filled()))?;
        let name = contestant.to_string();
        let width = 10 * name.len() as i32;
        top.draw(&Text::new(name, (x + 26, 27), (FONT, 18)))?;
        x += 60 + width;
    }
    for (panel, work) in panels.split_evenly((works.len().max(1), 1)).iter().zip(works) {
        draw_work(*work, results, panel)?;
    }
    area.present()?;
    Ok(())
}

/// One place for each bar, and one between two cases; where there are few, they are in the middle.
fn draw_work(work: Work, results: &Results, panel: &Area<'_>) -> Result<(), Box<dyn Error>> {
    let layout = Layout::of(work);
    let mut bars = Vec::new();
    let mut cases = Vec::new();
    let mut x = 0.0;
    for case in results.cases(work) {
        let begin = x;
        for contestant in results.contestants(work, case) {
            if let Some(spread) = results.spread(work, case, contestant, layout.main) {
                bars.push((x, contestant, spread));
                x += 1.0;
            }
        }
        cases.push(((begin + x) / 2.0, case));
        x += 1.0;
    }
    let width = x - 1.0;
    let free = (FEWEST - width).max(1.0) / 2.0;
    let least = bars.iter().map(|(_, _, spread)| spread.min).fold(f64::INFINITY, f64::min).max(1e-3);
    let most = bars.iter().map(|(_, _, spread)| spread.max).fold(least, f64::max);
    // Down to a power of ten that leaves even the least a bar, up to where the numbers have room.
    let floor = 10f64.powf((least / 1.5).log10().floor());
    let range = (floor..most * (most / floor).powf(0.12)).log_scale();
    let mut chart = ChartBuilder::on(panel)
        .caption(format!("{work}: {}", layout.title), (FONT, 22))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(80)
        .build_cartesian_2d(-free..width + free, range)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .disable_x_axis()
        .max_light_lines(1)
        .y_labels(5)
        .bold_line_style(BLACK.mix(0.1))
        .y_label_formatter(&|value| short(*value))
        .label_style((FONT, 15))
        .draw()?;
    let under = Pos::new(HPos::Center, VPos::Top);
    let above = Pos::new(HPos::Center, VPos::Bottom);
    for (x, contestant, spread) in &bars {
        let corners = [(x + 0.06, floor), (x + 0.94, spread.median)];
        chart.draw_series([Rectangle::new(corners, colour(*contestant).filled())])?;
        let middle = x + 0.5;
        chart.draw_series([PathElement::new([(middle, spread.min), (middle, spread.max)], BLACK.mix(0.6))])?;
        let style = TextStyle::from((FONT, 13).into_font()).pos(above).transform(FontTransform::None);
        chart.draw_series([Text::new(short(spread.median), (middle, spread.max), style)])?;
    }
    for (middle, case) in cases {
        let style = TextStyle::from((FONT, 17).into_font()).pos(under);
        let at = chart.backend_coord(&(middle, floor));
        panel.draw(&Text::new(case.to_owned(), panel_coord(panel, (at.0, at.1 + 8)), style))?;
    }
    Ok(())
}

/// From the place in the drawing to that in the panel.
fn panel_coord(panel: &Area<'_>, (x, y): (i32, i32)) -> (i32, i32) {
    let (left, top) = panel.get_base_pixel();
    (x - left, y - top)
}

/// Ours are blue; what is no ZRE is grey or earthen.
fn colour(contestant: Contestant) -> RGBColor {
    match contestant {
        Contestant::Tcp => RGBColor(150, 150, 150),
        Contestant::Libzmq => RGBColor(90, 90, 90),
        Contestant::Zeromq => RGBColor(222, 170, 110),
        Contestant::ZeromqThreads => RGBColor(190, 120, 60),
        Contestant::Omq => RGBColor(130, 90, 60),
        Contestant::Pyre => RGBColor(120, 175, 110),
        Contestant::ZyreJs => RGBColor(70, 130, 70),
        Contestant::Driver => RGBColor(31, 95, 160),
        Contestant::Node => RGBColor(110, 170, 225),
    }
}
