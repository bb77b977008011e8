//! The binary: memcached's protocols over a store of this crate. See `caskade::memcached::server`.

fn main() -> std::process::ExitCode {
    caskade::memcached::server::main()
}
