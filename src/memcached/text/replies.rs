//! Answers that are always the same.

use crate::memcached::Compat;

pub(super) const ERROR: &[u8] = b"ERROR\r\n";
pub(super) const BAD_LINE: &[u8] = b"CLIENT_ERROR bad command line format\r\n";
pub(super) const BAD_CHUNK: &[u8] = b"CLIENT_ERROR bad data chunk\r\n";
pub(super) const BAD_EXPTIME: &[u8] = b"CLIENT_ERROR invalid exptime argument\r\n";
pub(super) const BAD_DELTA: &[u8] = b"CLIENT_ERROR invalid numeric delta argument\r\n";
pub(super) const NOT_NUMERIC: &[u8] =
    b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
pub(super) const TOO_LARGE: &[u8] = b"SERVER_ERROR object too large for cache\r\n";
pub(super) const NO_MEMORY: &[u8] = b"SERVER_ERROR out of memory storing object\r\n";
pub(super) const KEY_LOCKED: &[u8] = b"SERVER_ERROR key is locked\r\n";
pub(super) const BUSY: &[u8] = b"SERVER_ERROR busy\r\n";
pub(super) const OK: &[u8] = b"OK\r\n";
pub(super) const END: &[u8] = b"END\r\n";
pub(super) const STORED: &[u8] = b"STORED\r\n";
pub(super) const NOT_STORED: &[u8] = b"NOT_STORED\r\n";
pub(super) const EXISTS: &[u8] = b"EXISTS\r\n";
pub(super) const NOT_FOUND: &[u8] = b"NOT_FOUND\r\n";
pub(super) const DELETED: &[u8] = b"DELETED\r\n";
pub(super) const TOUCHED: &[u8] = b"TOUCHED\r\n";

/// To a line that lacks words.
pub(super) fn too_few_words(compat: Compat) -> &'static [u8] {
    if is_old(compat) { ERROR } else { BAD_LINE }
}

/// Whether this version is from before the parser of 1.6.40.
pub(super) fn is_old(compat: Compat) -> bool {
    compat < Compat::V1_6_45
}
