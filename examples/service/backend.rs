//! Where articles come from.

use std::fmt;

/// Somewhere far away.
pub(crate) trait Backend: Send + Sync + 'static {
    /// The article, or `None` if there is none of this name.
    fn article(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Option<String>, Unavailable>> + Send;
}

/// The backend does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unavailable;

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the backend does not answer")
    }
}

impl std::error::Error for Unavailable {}
