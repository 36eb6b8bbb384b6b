//! The `pointsman` program. Everything it does is in the library: see `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    pointsman::cli::main()
}
