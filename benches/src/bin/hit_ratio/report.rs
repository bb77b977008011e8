//! The tables, in Markdown.

use caskade_bench::ours;
use caskade_bench::trace::Trace;

use crate::cells::{CASKADE, Cell, DealtOut, LRU, MOKA, QUICK_CACHE, TIDY_MOKA, kinds};
use crate::summary::{behind, gap_closed, mean, mean_hits, score};

const RIVALS: [usize; 3] = [QUICK_CACHE, TIDY_MOKA, MOKA];
/// Points that caskade may be under a rival in a cell before the cell is listed.
const TOLERATED: f64 = 0.5;

#[derive(Debug)]
pub(crate) struct Report {
    names: [&'static str; 5],
}

impl Default for Report {
    fn default() -> Self {
        Self { names: kinds().map(|kind| kind.name) }
    }
}

impl Report {
    /// The cells of one trace.
    pub(crate) fn trace(&self, trace: &Trace, cells: &[&Cell]) {
        let (requests, keys) = (trace.keys.len(), trace.next_uses.unique());
        println!("### {}: {requests} requests for {keys} keys\n", trace.name);
        self.cells("% of keys | entries", cells, |cell| {
            let percent = 100.0 * cell.capacity as f64 / cell.keys as f64;
            format!("{percent:.1} | {}", cell.capacity)
        });
    }

    /// The made-up traces.
    pub(crate) fn zipf(&self, cells: &[Cell]) {
        println!("### Stationary Zipf\n");
        let cells: Vec<&Cell> = cells.iter().collect();
        self.cells("trace | entries", &cells, |cell| format!("{} | {}", cell.trace, cell.capacity));
    }

    fn cells(&self, labels: &str, cells: &[&Cell], label: impl Fn(&Cell) -> String) {
        let heads = self.names.map(|name| format!(" {name} | peak |")).concat();
        println!("| {labels} | optimum |{heads}");
        println!("|---|{}", "---:|".repeat(2 + 2 * self.names.len()));
        for cell in cells {
            let outcomes = cell.outcomes.map(|o| format!(" {:.2} | {} |", o.percent(), o.peak));
            println!("| {} | {:.2} |{}", label(cell), cell.best(), outcomes.concat());
        }
        println!();
    }

    /// What all recorded traces come to.
    pub(crate) fn means(&self, cells: &[Cell]) {
        println!("### Over all cells: {}\n", cells.len());
        println!("| cache | mean hits % | LRU-to-optimum gap closed % | highest peak ÷ limit |");
        println!("|---|---:|---:|---:|");
        let best = mean(cells.iter().map(Cell::best));
        println!("| optimum | {} | 100.0 | |", number(best, 2));
        for (kind, name) in self.names.iter().enumerate() {
            let fullness = |cell: &Cell| cell.outcomes[kind].peak as f64 / cell.capacity as f64;
            let fullest = cells.iter().map(fullness).max_by(f64::total_cmp);
            let [hits, gap] = [mean_hits(cells, kind), gap_closed(cells, kind)];
            let [hits, gap, fullest] = [number(hits, 2), number(gap, 1), number(fullest, 3)];
            println!("| {name} | {hits} | {gap} | {fullest} |");
        }
        println!("\nmoka, tidy: made to catch up before it holds more than its limit.\n");
        for rival in [QUICK_CACHE, TIDY_MOKA, MOKA, LRU] {
            let [ahead, level, behind] = score(cells, CASKADE, rival);
            let (ours, rival) = (self.names[CASKADE], self.names[rival]);
            println!("- {ours} to {rival}: {ahead} cells ahead, {level} level, {behind} behind");
        }
        self.cells_behind(cells);
    }

    fn cells_behind(&self, cells: &[Cell]) {
        let ours = self.names[CASKADE];
        println!("\nCells where {ours} is more than {TOLERATED} points under a rival:\n");
        let mut none = true;
        for rival in RIVALS {
            for (cell, difference) in behind(cells, CASKADE, rival, TOLERATED) {
                let Cell { trace, capacity, .. } = cell;
                let (rival, peak) = (self.names[rival], cell.outcomes[rival].peak);
                println!("- {trace}, {capacity}: {difference:.2} to {rival} (which held {peak})");
                none = false;
            }
        }
        println!("{}", if none { "none\n" } else { "" });
    }

    /// Whether it is good enough.
    pub(crate) fn goals(&self, cells: &[Cell], zipf: &[Cell]) {
        println!("| goal | bar | measured | verdict |\n|---|---|---:|---|");
        for rival in RIVALS {
            let lead = mean(cells.iter().map(|cell| cell.hits(CASKADE) - cell.hits(rival)));
            goal(&format!("mean ahead of {}, points", self.names[rival]), "≥ 2", lead, |l| {
                l >= 2.0
            });
        }
        let worst = |cells: &[Cell], rival| {
            let leads = cells.iter().map(|cell| cell.hits(CASKADE) - cell.hits(rival));
            leads.min_by(f64::total_cmp)
        };
        for rival in [QUICK_CACHE, TIDY_MOKA] {
            let goal_name = format!("worst cell to {}, points", self.names[rival]);
            goal(&goal_name, "≥ -0.5", worst(cells, rival), |lead| lead >= -TOLERATED);
        }
        for cell in zipf {
            let name = format!("{}, {} entries, to quick_cache, points", cell.trace, cell.capacity);
            let lead = cell.hits(CASKADE) - cell.hits(QUICK_CACHE);
            goal(&name, "≥ -0.3", Some(lead), |lead| lead >= -0.3);
        }
    }
}

/// One thread against several.
pub(crate) fn dealt_out(rows: &[DealtOut], threads: usize) {
    println!("### {}: one thread, and {threads} that share the trace\n", ours::NAME);
    println!("| trace | entries | optimum | 1 thread | {threads} threads | points | peak |");
    println!("|---|{}", "---:|".repeat(6));
    let change = |row: &DealtOut| row.many.hits(CASKADE) - row.one.hits(CASKADE);
    for row in rows {
        let [one, many] = [&row.one, &row.many].map(|cell| cell.hits(CASKADE));
        let Cell { trace, capacity, outcomes, .. } = &row.many;
        let (best, change, peak) = (row.one.best(), change(row), outcomes[CASKADE].peak);
        println!(
            "| {trace} | {capacity} | {best:.2} | {one:.2} | {many:.2} | {change:+.2} | {peak} |"
        );
    }
    println!("\n| goal | bar | measured | verdict |\n|---|---|---:|---|");
    let mean = mean(rows.iter().map(change));
    goal("mean change, points", "within 0.3", mean, |change| change.abs() <= 0.3);
}

fn goal(name: &str, bar: &str, value: Option<f64>, met: impl Fn(f64) -> bool) {
    let verdict = match value {
        Some(value) if met(value) => "met",
        Some(_) => "missed",
        None => "not measured",
    };
    println!("| {name} | {bar} | {} | {verdict} |", number(value, 2));
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".into(), |value| format!("{value:.digits$}"))
}
