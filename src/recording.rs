//! The bridge from [`Stats`] to the `metrics` facade.

use crate::Stats;

/// What a statistic becomes.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Counter,
    Gauge,
}

type Row = (&'static str, Kind, &'static str, fn(&Stats) -> Option<u64>);

/// Name, kind, description and source of each metric.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("caskade_hits_total", Kind::Counter, "look-ups that found an entry", |s| Some(s.hits)),
    ("caskade_misses_total", Kind::Counter, "look-ups that found none", |s| Some(s.misses)),
    ("caskade_writes_total", Kind::Counter, "writes that took effect", |s| Some(s.writes)),
    ("caskade_conflicts_total", Kind::Counter, "conditional writes that came too late", |s| Some(s.conflicts)),
    ("caskade_locks_taken_total", Kind::Counter, "key locks taken", |s| Some(s.locks_taken)),
    ("caskade_locks_refused_total", Kind::Counter, "operations refused because of a key lock", |s| Some(s.locks_refused)),
    ("caskade_locks_lapsed_total", Kind::Counter, "key locks that opened by themselves", |s| Some(s.locks_lapsed)),
    ("caskade_expired_total", Kind::Counter, "entries that expired", |s| Some(s.expired)),
    ("caskade_evicted_total", Kind::Counter, "entries that were evicted", |s| Some(s.evicted)),
    ("caskade_evicted_weight_total", Kind::Counter, "what the evicted entries weighed", |s| Some(s.evicted_weight)),
    ("caskade_ghost_hits_total", Kind::Counter, "keys that came back soon after their eviction", |s| Some(s.ghost_hits)),
    ("caskade_loads_total", Kind::Counter, "loads begun", |s| Some(s.loads)),
    ("caskade_fills_refused_total", Kind::Counter, "fills refused because the key was invalidated or fenced", |s| Some(s.fills_refused)),
    ("caskade_entries", Kind::Gauge, "entries present", |s| Some(s.entries)),
    ("caskade_weight", Kind::Gauge, "what the entries weigh", |s| Some(s.weight)),
    ("caskade_bound", Kind::Gauge, "the most that the entries may weigh", |s| s.bound),
    ("caskade_entry_bytes", Kind::Gauge, "bytes of the entries themselves", |s| Some(s.entry_bytes)),
    ("caskade_overhead_bytes", Kind::Gauge, "bytes of tables and bookkeeping", |s| Some(s.overhead_bytes)),
    ("caskade_waiting", Kind::Gauge, "removed pieces that may still be read", |s| Some(s.waiting)),
    ("caskade_waiting_weight", Kind::Gauge, "what the values among them weigh", |s| Some(s.waiting_weight)),
];

impl Stats {
    /// Hands the numbers to the recorder of the [`metrics`] facade, labelled `cache = name`. Needs the
    /// feature `metrics`.
    ///
    /// Call it now and then, before the metrics are read: the cache does not do so by itself. Caches
    /// need names of their own, or they overwrite each other's numbers.
    ///
    /// Counters, which are set to the values since the cache was built: `caskade_hits_total`,
    /// `caskade_misses_total`, `caskade_writes_total`, `caskade_conflicts_total`,
    /// `caskade_locks_taken_total`, `caskade_locks_refused_total`, `caskade_locks_lapsed_total`,
    /// `caskade_expired_total`, `caskade_evicted_total`, `caskade_evicted_weight_total`,
    /// `caskade_ghost_hits_total`, `caskade_loads_total`, `caskade_fills_refused_total`.
    ///
    /// Gauges: `caskade_entries`, `caskade_weight`, `caskade_bound` (with a bound only),
    /// `caskade_entry_bytes`, `caskade_overhead_bytes`, `caskade_waiting`,
    /// `caskade_waiting_weight`.
    ///
    /// # Panics
    ///
    /// Only if the recorder does.
    ///
    /// # Examples
    ///
    /// ```
    /// use caskade::Cache;
    ///
    /// let pages = Cache::new();
    /// pages.insert("home", "<html>")?;
    /// pages.stats().record_metrics("pages"); // every ten seconds, say
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record_metrics(&self, name: &str) {
        for (metric, kind, _, number) in ROWS {
            let Some(number) = number(self) else { continue };
            match kind {
                Kind::Counter => {
                    metrics::counter!(*metric, "cache" => name.to_owned()).absolute(number);
                }
                Kind::Gauge => {
                    metrics::gauge!(*metric, "cache" => name.to_owned()).set(number as f64);
                }
            }
        }
    }

    /// Tells the recorder of the [`metrics`] facade what the metrics of
    /// [`record_metrics`](Self::record_metrics) mean. Once is enough, after the recorder is installed.
    ///
    /// # Panics
    ///
    /// Only if the recorder does.
    ///
    /// # Examples
    ///
    /// ```
    /// caskade::Stats::describe_metrics();
    /// ```
    pub fn describe_metrics() {
        for (metric, kind, description, _) in ROWS {
            match kind {
                Kind::Counter => metrics::describe_counter!(*metric, *description),
                Kind::Gauge => metrics::describe_gauge!(*metric, *description),
            }
        }
    }
}
