//! The embedded engine as a program of its own, for tests; `driftline engine` is the same.

fn main() {
    driftline_store::engine::main_like(std::env::args_os().skip(1));
}
