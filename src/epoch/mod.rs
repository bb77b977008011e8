//! Reclamation: how memory that readers may still hold is given back.
//!
//! The law, which everything above leans on:
//!
//! > **E1.** What was reachable when a thread pinned, or became reachable later, is not dropped
//! > before that thread lets go of its [`Guard`], provided it is made unreachable first and handed
//! > to [`defer`] after.
//!
//! Three implementations:
//!
//! * [`asymmetric`]: ours, whose pin takes no locked instruction, where the kernel lends a hand.
//! * [`crossbeam`]: `crossbeam-epoch`, to which it turns where the kernel does not.
//! * `strict`: a stand-in under model checkers, which drops garbage at the first moment the law allows
//!   and so finds early reclamation that a lazy collector hides. With `--cfg caskade_epoch` or
//!   `--cfg crossbeam_loom` as well, the models run over the first or the second instead.

#[cfg(all(not(caskade_shuttle), any(not(caskade_loom), caskade_epoch)))]
mod asymmetric;
#[cfg(all(not(caskade_shuttle), any(not(caskade_loom), caskade_epoch)))]
mod barrier;
#[cfg(all(not(caskade_shuttle), any(not(caskade_loom), crossbeam_loom)))]
mod crossbeam;
#[cfg(all(test, caskade_loom, caskade_epoch))]
mod models;
#[cfg(all(not(caskade_shuttle), any(not(caskade_loom), caskade_epoch)))]
mod slots;
#[cfg(any(caskade_shuttle, all(caskade_loom, not(any(caskade_epoch, crossbeam_loom)))))]
mod strict;

#[cfg(all(not(caskade_shuttle), any(not(caskade_loom), caskade_epoch)))]
use asymmetric as imp;
#[cfg(all(caskade_loom, crossbeam_loom))]
use crossbeam as imp;
#[cfg(any(caskade_shuttle, all(caskade_loom, not(any(caskade_epoch, crossbeam_loom)))))]
use strict as imp;

pub(crate) use imp::{Guard, advance, defer, pin};
