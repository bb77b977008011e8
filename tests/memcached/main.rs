//! What a connection answers, to the byte.

mod binary;
mod locks;
mod packet;
