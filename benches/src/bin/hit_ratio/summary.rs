//! What many cells come to.

use crate::cells::{Cell, LRU};

/// Over a smaller gap, in points, a share says nothing: a point under LRU could be minus 600 %.
const SMALLEST_GAP: f64 = 0.5;

pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// The mean of a cache's hit ratios, in percent.
pub(crate) fn mean_hits(cells: &[Cell], kind: usize) -> Option<f64> {
    mean(cells.iter().map(|cell| cell.hits(kind)))
}

/// The mean share of the way from exact LRU to the optimum, in percent.
pub(crate) fn gap_closed(cells: &[Cell], kind: usize) -> Option<f64> {
    mean(cells.iter().filter_map(|cell| share(cell.hits(kind), cell.hits(LRU), cell.best())))
}

fn share(hits: f64, lru: f64, best: f64) -> Option<f64> {
    (best - lru >= SMALLEST_GAP).then(|| 100.0 * (hits - lru) / (best - lru))
}

/// Cells in which `kind` is more than `points` under `rival`, worst first, with the difference.
pub(crate) fn behind(cells: &[Cell], kind: usize, rival: usize, points: f64) -> Vec<(&Cell, f64)> {
    let difference = |cell: &Cell| cell.hits(kind) - cell.hits(rival);
    let mut behind: Vec<(&Cell, f64)> =
        cells.iter().map(|cell| (cell, difference(cell))).filter(|(_, d)| *d < -points).collect();
    behind.sort_by(|one, other| one.1.total_cmp(&other.1));
    behind
}

/// In how many cells `kind` is ahead of `rival`, level with it (to 0.05 points), behind it.
pub(crate) fn score(cells: &[Cell], kind: usize, rival: usize) -> [usize; 3] {
    let mut score = [0; 3];
    for cell in cells {
        let difference = cell.hits(kind) - cell.hits(rival);
        let place = if difference.abs() < 0.05 { 1 } else { usize::from(difference < 0.0) * 2 };
        score[place] += 1;
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::{CASKADE, QUICK_CACHE};
    use caskade_bench::replay::Outcome;

    /// Of 1000 requests.
    fn cell(caskade: u64, quick_cache: u64, lru: u64, best_hits: u64) -> Cell {
        let of = |hits| Outcome { hits, misses: 1000 - hits, peak: 0 };
        let mut outcomes = [of(0); 5];
        outcomes[CASKADE] = of(caskade);
        outcomes[QUICK_CACHE] = of(quick_cache);
        outcomes[LRU] = of(lru);
        Cell { trace: "t".into(), capacity: 9, keys: 9, requests: 1000, best_hits, outcomes }
    }

    #[test]
    fn means_are_over_cells() {
        let cells = [cell(500, 0, 0, 1000), cell(700, 0, 0, 1000)];
        assert_eq!(mean_hits(&cells, CASKADE), Some(60.0));
        assert_eq!(mean_hits(&[], CASKADE), None);
    }

    #[test]
    fn the_gap_is_from_lru_to_the_optimum() {
        assert_eq!(gap_closed(&[cell(500, 0, 400, 600)], CASKADE), Some(50.0));
        assert_eq!(gap_closed(&[cell(300, 0, 400, 600)], CASKADE), Some(-50.0));
        let no_gap = cell(300, 0, 400, 400);
        assert_eq!(gap_closed(&[no_gap.clone(), cell(500, 0, 400, 600)], CASKADE), Some(50.0));
        assert_eq!(gap_closed(&[no_gap], CASKADE), None);
    }

    #[test]
    fn cells_behind_a_rival_come_worst_first() {
        let cells = [cell(496, 500, 0, 0), cell(490, 500, 0, 0), cell(400, 500, 0, 0)];
        let behind = behind(&cells, CASKADE, QUICK_CACHE, 0.5);
        let differences: Vec<i64> = behind.iter().map(|(_, d)| d.round() as i64).collect();
        assert_eq!(differences, [-10, -1]);
        assert_eq!(score(&cells, CASKADE, QUICK_CACHE), [0, 0, 3]);
        assert_eq!(score(&cells, QUICK_CACHE, CASKADE), [3, 0, 0]);
        assert_eq!(score(&cells, CASKADE, CASKADE), [0, 3, 0]);
    }
}
