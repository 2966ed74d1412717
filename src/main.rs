//! The binary: see `redress::cli`.

fn main() -> std::process::ExitCode {
    // candle shares elementwise work with helper threads that wait by spinning, behind one lock. Ours runs side by side
    // on all cores already; the helpers only take time from it.
    if std::env::var_os("CANDLE_NUM_THREADS").is_none() {
        // Sound: no other thread runs yet.
        unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    }
    redress::cli::main()
}
