//! The binary `caskade-server`.
