//! Reclamation: how memory that readers may still hold is given back.
//!
//! The law, which everything above leans on:
//!
//! > **E1.** What was reachable when a thread pinned, or became reachable later, is not dropped
//! > before that thread lets go of its [`Guard`], provided it is made unreachable first and handed
//! > to [`defer`] after.
//!
//! Two more about [`asymmetric`]'s readers:
//!
//! > **E2.** What is not atomic in a reader is touched by its own thread only.
//! >
//! > **E3.** A reader is on the list, which keeps it alive, from its first guard until its last one is
//! > dropped and its thread is ending.
//!
//! And its orderings, beside those of `raw`; B1 is the law of [`barrier`]:
//!
//! | | Release | Acquire | what it carries |
//! |---|---|---|---|
//! | **O8** | the epoch, on a deferral | the epoch, in a pin and in a survey | what was taken out before |
//! | **O9** | a reader's word, in pin and unpin | the word, in a survey | what was read under earlier pins; that it woke |
//! | **O10** | fence in a survey | fence in the pin that wakes a reader | the word, or what was taken out |
//! | **O11** | fence after a write, in `store` | the same of another thread | one write or the other, for who reads next |
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
