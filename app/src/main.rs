//! The `poselens` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    poselens_app::main()
}
