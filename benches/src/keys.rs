//! Key sets and access patterns with fixed seeds.
//!
//! A [`Stream`] is an array drawn in advance, so that no generator runs while time is taken.

/// SplitMix64: small, fast, and the same everywhere.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A generator that always yields the same numbers for the same seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number in `0..end`.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }

    /// A number in `0.0..1.0`.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The key of rank `rank`. Rank 0 is the most popular one under [`Shape::Zipf`].
#[must_use]
pub fn key(rank: usize) -> u64 {
    mix(rank as u64 + 1)
}

/// The value every check expects under `key`.
#[must_use]
pub fn value_of(key: u64) -> u64 {
    key.rotate_left(7) & 0xFFFF_FFFF
}

/// A hasher that is the same in every run. Which entries meet in a shard depends on the hash, and
/// hit ratios should not depend on the run.
#[must_use]
pub fn fixed_hasher() -> ahash::RandomState {
    ahash::RandomState::with_seeds(1, 2, 3, 4)
}

/// All `count` keys, in an order that has nothing to do with their rank, so that popular entries
/// do not lie next to each other in memory.
#[must_use]
pub fn shuffled(count: usize) -> Vec<u64> {
    let mut keys: Vec<u64> = (0..count).map(key).collect();
    let mut random = Random::new(0x5EED_0001);
    for last in (1..count).rev() {
        keys.swap(last, random.below(last + 1));
    }
    keys
}

/// How often which key is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// All keys equally often.
    Uniform,
    /// Zipf with exponent 0.99, as YCSB has it.
    Zipf,
    /// The same key every time.
    OneKey,
}

impl Shape {
    /// The word for it in a title.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Uniform => "uniform",
            Self::Zipf => "Zipf 0.99",
            Self::OneKey => "one key",
        }
    }
}

/// Keys in the order in which one thread asks for them.
#[derive(Debug, Clone)]
pub struct Stream {
    keys: Vec<u64>,
}

impl Stream {
    /// These keys.
    #[must_use]
    pub fn of(keys: Vec<u64>) -> Self {
        Self { keys }
    }

    /// `length` draws from `count` keys. Each thread takes another `seed`.
    #[must_use]
    pub fn draw(shape: Shape, count: usize, length: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let keys = match shape {
            Shape::Uniform => (0..length).map(|_| key(random.below(count))).collect(),
            Shape::OneKey => vec![key(0); length],
            Shape::Zipf => {
                let zipf = Zipf::new(count, 0.99);
                (0..length).map(|_| key(zipf.draw(&mut random))).collect()
            }
        };
        Self { keys }
    }

    /// All `count` keys, each once, in shuffled order, or the half of them that belongs to
    /// `thread` of `threads`.
    #[must_use]
    pub fn once_each(count: usize, thread: usize, threads: usize) -> Self {
        let keys = shuffled(count).into_iter().skip(thread).step_by(threads).collect();
        Self { keys }
    }

    /// All keys.
    #[must_use]
    pub fn all(&self) -> &[u64] {
        &self.keys
    }

    /// `length` keys from `start` on; starts again at the front where the rest is too short.
    #[must_use]
    pub fn window(&self, start: usize, length: usize) -> &[u64] {
        let length = length.min(self.keys.len());
        let start = start % self.keys.len();
        let start = if start + length > self.keys.len() { 0 } else { start };
        &self.keys[start..start + length]
    }
}

/// Zipf's distribution of ranks.
#[derive(Debug, Clone)]
pub struct Zipf {
    shares: Vec<f64>,
}

impl Zipf {
    /// Over `count` ranks.
    #[must_use]
    pub fn new(count: usize, exponent: f64) -> Self {
        Self { shares: cumulative_shares(count, exponent) }
    }

    /// A rank; 0 is the most popular one.
    pub fn draw(&self, random: &mut Random) -> usize {
        let at = random.unit();
        self.shares.partition_point(|share| *share < at).min(self.shares.len() - 1)
    }
}

fn cumulative_shares(count: usize, exponent: f64) -> Vec<f64> {
    let mut sum = 0.0;
    let weights = (1..=count).map(|rank| {
        sum += (rank as f64).powf(-exponent);
        sum
    });
    let mut shares: Vec<f64> = weights.collect();
    let total = shares[count - 1];
    shares.iter_mut().for_each(|share| *share /= total);
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_distinct_and_all_there() {
        let mut keys = shuffled(1000);
        assert_ne!(keys, (0..1000).map(key).collect::<Vec<_>>());
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 1000);
    }

    #[test]
    fn zipf_prefers_the_first_rank_as_it_should() {
        let stream = Stream::draw(Shape::Zipf, 1000, 100_000, 1);
        let first = stream.all().iter().filter(|k| **k == key(0)).count() as f64 / 100_000.0;
        let harmonic: f64 = (1..=1000).map(|rank| f64::from(rank).powf(-0.99)).sum();
        assert!((first - 1.0 / harmonic).abs() < 0.01, "{first}");
    }

    #[test]
    fn the_same_seed_draws_the_same_keys() {
        let one = Stream::draw(Shape::Uniform, 1000, 100, 7);
        assert_eq!(one.all(), Stream::draw(Shape::Uniform, 1000, 100, 7).all());
        assert_ne!(one.all(), Stream::draw(Shape::Uniform, 1000, 100, 8).all());
    }

    #[test]
    fn threads_share_the_keys_out() {
        let mut keys = Stream::once_each(101, 0, 2).all().to_vec();
        keys.extend(Stream::once_each(101, 1, 2).all());
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 101);
    }

    #[test]
    fn a_window_past_the_end_starts_again() {
        let stream = Stream::draw(Shape::Uniform, 10, 100, 1);
        assert_eq!(stream.window(90, 20), &stream.all()[..20]);
        assert_eq!(stream.window(0, 1000).len(), 100);
    }
}
