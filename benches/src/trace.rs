//! Recorded requests: files called `NAME.u64.zst`, each a zstd file of little-endian 64-bit keys, one
//! per request, in the order of the requests.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use crate::optimum::NextUses;

const SUFFIX: &str = ".u64.zst";
const LARGEST_WINDOW: u64 = 1 << 27; // what `zstd --long` writes
const MOST_REQUESTS: usize = 1 << 28;

/// A trace and what is known of its future.
#[derive(Debug, Clone)]
pub struct Trace {
    /// The file's name without its ending.
    pub name: String,
    /// What is asked for.
    pub keys: Vec<u64>,
    /// When it is asked for again.
    pub next_uses: NextUses,
}

impl Trace {
    /// A trace of these requests.
    #[must_use]
    pub fn new(name: impl Into<String>, keys: Vec<u64>) -> Self {
        Self { name: name.into(), next_uses: NextUses::of(&keys), keys }
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read or is no trace.
    pub fn read(path: &Path) -> Result<Self, BadTrace> {
        let bytes = fs::read(path).map_err(|error| BadTrace::Unreadable(error.to_string()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self::new(name.trim_end_matches(SUFFIX), decode(&bytes)?))
    }

    /// `percent` of the trace's keys, in entries, but not less than `least`.
    #[must_use]
    pub fn entries_at(&self, percent: f64, least: usize) -> usize {
        ((self.next_uses.unique() as f64 * percent / 100.0).round() as usize).max(least)
    }
}

/// Why a file is no trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadTrace {
    /// The system does not give it to us.
    Unreadable(String),
    /// zstd does not understand it.
    NotZstd(String),
    /// Its checksum is that of another content.
    Damaged,
    /// So many bytes are no whole number of keys.
    Ragged(usize),
    /// Nothing was asked for.
    Empty,
    /// More requests than we want to hold in memory.
    TooLong,
}

impl fmt::Display for BadTrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::NotZstd(why) => write!(f, "is not a valid zstd file: {why}"),
            Self::Damaged => f.write_str("is damaged: its checksum does not match"),
            Self::Ragged(bytes) => write!(f, "holds {bytes} bytes, which are no 64-bit keys"),
            Self::Empty => f.write_str("holds no requests"),
            Self::TooLong => write!(f, "holds more than {MOST_REQUESTS} requests"),
        }
    }
}

impl std::error::Error for BadTrace {}

/// The keys in a compressed file.
///
/// # Errors
///
/// If there are none, or something else is in it.
pub fn decode(mut file: &[u8]) -> Result<Vec<u64>, BadTrace> {
    let mut bytes = Vec::new();
    while !file.is_empty() {
        decode_frame(&mut file, &mut bytes)?;
    }
    let (keys, rest) = bytes.as_chunks::<8>();
    match (keys, rest) {
        (_, [_, ..]) => Err(BadTrace::Ragged(bytes.len())),
        ([], _) => Err(BadTrace::Empty),
        (keys, _) => Ok(keys.iter().copied().map(u64::from_le_bytes).collect()),
    }
}

fn decode_frame(file: &mut &[u8], bytes: &mut Vec<u8>) -> Result<(), BadTrace> {
    let most = MOST_REQUESTS * 8;
    let mut decoder = StreamingDecoder::new_with_max_window_size(&mut *file, LARGEST_WINDOW)
        .map_err(|error| BadTrace::NotZstd(error.to_string()))?;
    let room = (most - bytes.len()) as u64 + 1;
    let read = decoder.by_ref().take(room).read_to_end(bytes);
    read.map_err(|error| BadTrace::NotZstd(error.to_string()))?;
    if bytes.len() > most {
        return Err(BadTrace::TooLong);
    }
    let stored = decoder.decoder.get_checksum_from_data();
    if stored.is_some() && stored != decoder.decoder.get_calculated_checksum() {
        return Err(BadTrace::Damaged);
    }
    Ok(())
}

/// The file that [`decode`] reads these keys from.
#[must_use]
pub fn encode(keys: &[u64]) -> Vec<u8> {
    let bytes: Vec<u8> = keys.iter().flat_map(|key| key.to_le_bytes()).collect();
    compress_to_vec(&bytes[..], CompressionLevel::Fastest)
}

/// All traces in a folder, by name.
///
/// # Errors
///
/// A sentence that says what is wrong with the folder, if it has none.
pub fn traces_in(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let shown = folder.display();
    if !folder.is_dir() {
        return Err(format!("there is no folder {shown}"));
    }
    let entries = fs::read_dir(folder).map_err(|error| format!("{shown}: {error}"))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut traces: Vec<PathBuf> =
        paths.filter(|path| path.to_string_lossy().ends_with(SUFFIX)).collect();
    traces.sort();
    if traces.is_empty() {
        return Err(format!("the folder {shown} holds no trace: no file ends in {SUFFIX}"));
    }
    Ok(traces)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encoded_is_decoded() {
        let keys: Vec<u64> = (0..100_000).map(|at| at * at % 1_000).chain([u64::MAX, 0]).collect();
        assert_eq!(decode(&encode(&keys)), Ok(keys));
    }

    #[test]
    fn files_may_be_strung_together() {
        let both = [encode(&[1, 2]), encode(&[3])].concat();
        assert_eq!(decode(&both), Ok(vec![1, 2, 3]));
    }

    #[test]
    fn every_kind_of_wrong_file_is_told_apart() {
        assert_eq!(decode(&encode(&[])), Err(BadTrace::Empty));
        assert_eq!(decode(&[]), Err(BadTrace::Empty));
        let ragged = compress_to_vec(&b"seven.."[..], CompressionLevel::Fastest);
        assert_eq!(decode(&ragged), Err(BadTrace::Ragged(7)));
        assert!(matches!(decode(b"what is this?"), Err(BadTrace::NotZstd(_))));
        let missing = PathBuf::from("no/such/trace.u64.zst");
        assert!(matches!(Trace::read(&missing), Err(BadTrace::Unreadable(_))));
    }

    #[test]
    fn a_file_that_was_cut_off_or_changed_is_refused() {
        let keys: Vec<u64> = (0..1_000).map(|at| at * at).collect();
        let file = encode(&keys);
        for length in [1, 5, file.len() / 2, file.len() - 1] {
            assert!(matches!(decode(&file[..length]), Err(BadTrace::NotZstd(_))), "{length}");
        }
        let mut changed = file.clone();
        *changed.last_mut().expect("not empty") ^= 1; // a byte of the checksum
        assert_eq!(decode(&changed), Err(BadTrace::Damaged));
    }

    #[test]
    fn a_folder_without_traces_says_so() {
        let none = traces_in(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").as_path());
        assert!(none.is_err_and(|message| message.contains("holds no trace")));
        let missing = traces_in(Path::new("no/such/folder"));
        assert_eq!(missing, Err("there is no folder no/such/folder".into()));
    }

    #[test]
    fn sizes_are_shares_of_the_keys() {
        let trace = Trace::new("t", (0..1_000).chain(0..1_000).collect());
        assert_eq!(trace.entries_at(20.0, 128), 200);
        assert_eq!(trace.entries_at(0.5, 128), 128);
    }
}
