//! The binary: see `redress::cli`.

fn main() -> std::process::ExitCode {
    redress::cli::main()
}
