//! Reclamation: how memory that readers may still hold is given back.
//!
//! The law, which everything above leans on:
//!
//! > **E1.** What was reachable when a thread pinned, or became reachable later, is not dropped
//! > before that thread lets go of its [`Guard`], provided it is made unreachable first and handed
//! > to [`Guard::defer`] after.
//!
//! Two implementations. The shipped one is `crossbeam-epoch` with a collector of this crate's own:
//! another crate's long pins cannot hold our garbage, and our users' `Drop` code does not run
//! inside their pins. Under a model checker a strict stand-in takes its place, which drops
//! garbage at the first moment the law allows and so finds early reclamation that a lazy collector
//! hides; with `--cfg crossbeam_loom` as well, the models run over `crossbeam-epoch` itself.

#[cfg(any(not(any(caskade_loom, caskade_shuttle)), crossbeam_loom))]
#[path = "collector.rs"]
mod imp;
#[cfg(all(any(caskade_loom, caskade_shuttle), not(crossbeam_loom)))]
#[path = "strict.rs"]
mod imp;
#[cfg(any(not(any(caskade_loom, caskade_shuttle)), crossbeam_loom))]
mod slots;

pub(crate) use imp::{Guard, pin};
