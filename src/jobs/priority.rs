//! Long work steps back behind short work: a key press must not wait for its turn among the threads that predict.

/// Lowers the priority of the calling thread, for good. Where the system cannot, it stays as it is.
pub fn lower() {
    #[cfg(target_os = "linux")]
    {
        use std::ffi::{c_int, c_uint};
        unsafe extern "C" {
            /// setpriority(2). On Linux `who` 0 with `PRIO_PROCESS` is the calling thread.
            safe fn setpriority(which: c_int, who: c_uint, priority: c_int) -> c_int;
        }
        const PRIO_PROCESS: c_int = 0;
        const NICE: c_int = 10;
        setpriority(PRIO_PROCESS, 0, NICE);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn only_the_calling_thread_steps_back() {
        let nice = || {
            let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
            let after_name = stat.rsplit(')').next().unwrap().to_owned();
            let fields: Vec<&str> = after_name.split_whitespace().collect();
            fields[16].parse::<i32>().unwrap()
        };
        let here = nice();
        let there = std::thread::spawn(move || {
            super::lower();
            nice()
        });
        assert!(there.join().unwrap() >= 10);
        assert_eq!(nice(), here);
    }
}
