//! The binary: see `redress::cli`.

fn main() -> std::process::ExitCode {
    // candle shares elementwise work with helper threads that wait by spinning, behind one lock. Ours runs side by side
    // on all cores already; the helpers only take time from it.
    if std::env::var_os("CANDLE_NUM_THREADS").is_none() {
        // Sound: no other thread runs yet.
        unsafe { std::env::set_var("CANDLE_NUM_THREADS", "1") };
    }
    few_arenas();
    redress::cli::main()
}

/// glibc gives its heap eight arenas a core, and each keeps what its threads once needed. With one a core the screen over a million sentences holds
/// 330 MiB instead of 396, and 404 instead of 512 once its index was made anew; an import of them takes some 3 % longer (docs/performance.md).
fn few_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if std::env::var_os("MALLOC_ARENA_MAX").is_none() {
        let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
        let arenas = i32::try_from(cores).unwrap_or(i32::MAX);
        // Sound: a setting of the allocator, and no other thread runs yet. It may refuse, and that changes nothing.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
    }
}
