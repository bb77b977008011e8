//! Draws the hit ratios of one trace over the size of the cache, as SVG.

use std::fmt::Write as _;

use crate::cells::{Cell, kinds};

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 210.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;

/// The optimum comes first. Told apart by dashes as well as by colour.
const STYLES: [(&str, &str); 6] = [
    ("#000000", "2 3"),
    ("#d62728", ""),
    ("#1f77b4", "8 3"),
    ("#2ca02c", "3 3"),
    ("#9467bd", "10 3 2 3"),
    ("#7f7f7f", "6 6"),
];

/// From numbers to places on the picture.
struct Axes {
    sizes: (f64, f64),
    hits: (f64, f64),
}

impl Axes {
    /// Wide enough for all lines; the vertical axis begins and ends at multiples of its step.
    fn around(lines: &[Line]) -> Self {
        let points = || lines.iter().flat_map(|line| &line.points);
        let range = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)))
        };
        let (low, high) = range(&mut points().map(|point| point.1));
        let step = step(high - low);
        let hits = ((low / step).floor() * step, ((high / step).floor() + 1.0) * step);
        let (low, high) = range(&mut points().map(|point| point.0.ln()));
        let margin = if high > low { 0.0 } else { 0.5 }; // a single size stands in the middle
        Self { sizes: (low - margin, high + margin), hits }
    }

    fn x(&self, size: f64) -> f64 {
        let (low, high) = self.sizes;
        LEFT + (WIDTH - LEFT - RIGHT) * (size.ln() - low) / (high - low)
    }

    fn y(&self, hits: f64) -> f64 {
        let (low, high) = self.hits;
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (hits - low) / (high - low)
    }
}

/// The distance of two marks, so that there are four to ten.
fn step(range: f64) -> f64 {
    [0.1, 0.2, 0.5, 1.0, 2.0, 5.0].into_iter().find(|step| range / step <= 9.0).unwrap_or(10.0)
}

struct Line {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

/// The picture.
pub(crate) fn svg(trace: &str, cells: &[&Cell]) -> String {
    let lines = lines(cells);
    let axes = Axes::around(&lines);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    let title = format!("{}: hits in percent of requests", escaped(trace));
    text(&mut picture, LEFT, 28.0, "start", &title);
    grid(&mut picture, &axes, cells);
    for (at, (line, style)) in lines.iter().zip(STYLES).enumerate() {
        draw(&mut picture, &axes, line, style);
        legend(&mut picture, at, line.name, style);
    }
    picture + "</svg>\n"
}

fn lines(cells: &[&Cell]) -> Vec<Line> {
    let points = |hits: &dyn Fn(&Cell) -> f64| {
        cells.iter().map(|cell| (cell.capacity as f64, hits(cell))).collect()
    };
    let mut lines = vec![Line { name: "optimum", points: points(&Cell::best) }];
    for (at, kind) in kinds().iter().enumerate() {
        lines.push(Line { name: kind.name, points: points(&|cell| cell.hits(at)) });
    }
    lines
}

fn grid(picture: &mut String, axes: &Axes, cells: &[&Cell]) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    let step = step(axes.hits.1 - axes.hits.0);
    let marks = ((axes.hits.1 - axes.hits.0) / step).round() as u32;
    for mark in 0..=marks {
        let hits = axes.hits.0 + f64::from(mark) * step;
        let y = axes.y(hits);
        rule(picture, (LEFT, y), (right, y));
        text(picture, LEFT - 8.0, y + 4.0, "end", &format!("{hits:.1}"));
    }
    let mut free = f64::MIN; // where the last label ended
    for cell in cells {
        let x = axes.x(cell.capacity as f64);
        rule(picture, (x, TOP), (x, bottom));
        if x - free > 55.0 {
            let percent = 100.0 * cell.capacity as f64 / cell.keys as f64;
            text(picture, x, bottom + 20.0, "middle", &cell.capacity.to_string());
            text(picture, x, bottom + 38.0, "middle", &format!("{percent:.1} %"));
            free = x;
        }
    }
    text(picture, right + 36.0, bottom + 20.0, "start", "entries");
    text(picture, right + 36.0, bottom + 38.0, "start", "of the keys");
}

fn draw(picture: &mut String, axes: &Axes, line: &Line, (colour, dashes): (&str, &str)) {
    let mut path = String::new();
    for (size, hits) in &line.points {
        let _ = write!(path, "{:.1},{:.1} ", axes.x(*size), axes.y(*hits));
    }
    let _ = writeln!(
        picture,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
         stroke-dasharray=\"{dashes}\"/>",
        path.trim_end()
    );
    for (size, hits) in &line.points {
        dot(picture, axes.x(*size), axes.y(*hits), colour);
    }
}

fn legend(picture: &mut String, at: usize, name: &str, (colour, dashes): (&str, &str)) {
    let (x, y) = (WIDTH - RIGHT + 14.0, TOP + 10.0 + 22.0 * at as f64);
    let _ = writeln!(
        picture,
        "<line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\" stroke=\"{colour}\" \
         stroke-width=\"2\" stroke-dasharray=\"{dashes}\"/>",
        x + 28.0
    );
    dot(picture, x + 14.0, y, colour);
    text(picture, x + 36.0, y + 4.0, "start", &escaped(name));
}

fn dot(picture: &mut String, x: f64, y: f64, colour: &str) {
    let _ = writeln!(picture, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
}

fn rule(picture: &mut String, from: (f64, f64), to: (f64, f64)) {
    let _ = writeln!(
        picture,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"#dddddd\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(picture: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    let _ = writeln!(
        picture,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use caskade_bench::replay::Outcome;

    fn cell(capacity: usize, hits: u64) -> Cell {
        let outcome = Outcome { hits, misses: 1000 - hits, peak: 0 };
        Cell {
            trace: "a<b".into(),
            capacity,
            keys: 1000,
            requests: 1000,
            best_hits: 990,
            outcomes: [outcome; 5],
        }
    }

    #[test]
    fn every_line_is_drawn_within_the_picture() {
        let cells = [cell(128, 100), cell(256, 150), cell(512, 700)];
        let picture = svg("a<b", &cells.each_ref());
        assert_eq!(picture.matches("<polyline").count(), 6);
        assert!(picture.contains("a&lt;b") && !picture.contains("a<b"));
        let lines = lines(&cells.each_ref());
        let axes = Axes::around(&lines);
        for (size, hits) in lines.iter().flat_map(|line| &line.points) {
            assert!((LEFT..=WIDTH - RIGHT).contains(&axes.x(*size)));
            assert!((TOP..=HEIGHT - BOTTOM).contains(&axes.y(*hits)));
        }
        assert!((axes.x(256.0) * 2.0 - axes.x(128.0) - axes.x(512.0)).abs() < 1e-9, "logarithmic");
    }

    #[test]
    fn a_single_size_can_be_drawn() {
        assert!(!svg("t", &[&cell(128, 990)]).contains("NaN"));
    }
}
