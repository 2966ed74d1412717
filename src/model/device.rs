//! Where models run. The only place that knows of the `cuda` feature.

use candle_core::Device;

#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("unknown device `{0}`: expected `auto`, `cpu` or `cuda:N` (N a GPU's number, from 0)")]
    Unknown(String),
    #[error(
        "this program was built without GPU support: use `cpu` or `auto`, or build with `--features cuda`"
    )]
    NotBuilt,
    #[error("GPU {index} cannot be opened: {reason}")]
    Unavailable { index: usize, reason: String },
}

/// `auto`, `cpu` or `cuda:N` (`cuda` means `cuda:0`). The note, when there is one, says why `auto` took the CPU in a program
/// that was built for GPUs; in another one nobody expects it to look for one.
pub fn select(name: &str) -> Result<(Device, Option<String>), DeviceError> {
    match name {
        "cpu" => Ok((Device::Cpu, None)),
        "auto" => Ok(match open_gpu(0) {
            Ok(device) => (device, None),
            Err(DeviceError::NotBuilt) => (Device::Cpu, None),
            Err(reason) => (Device::Cpu, Some(format!("running on the CPU: {reason}"))),
        }),
        _ => {
            let unknown = || DeviceError::Unknown(name.to_owned());
            let index = match name.strip_prefix("cuda").ok_or_else(unknown)? {
                "" => 0,
                rest => rest
                    .strip_prefix(':')
                    .and_then(|digits| digits.parse().ok())
                    .ok_or_else(unknown)?,
            };
            open_gpu(index).map(|device| (device, None))
        }
    }
}

/// What `auto` takes here and why, for reports.
pub fn describe() -> String {
    match open_gpu(0) {
        Ok(_) => "GPU 0".to_owned(),
        Err(DeviceError::NotBuilt) => "CPU (built without GPU support)".to_owned(),
        Err(reason) => format!("CPU ({reason})"),
    }
}

/// One stream for all threads. `Device::new_cuda` would give each its own: what one thread computes another, a worker of
/// rayon or the optimizer, could then read before it is there.
#[cfg(feature = "cuda")]
fn open_gpu(index: usize) -> Result<Device, DeviceError> {
    let device = Device::new_cuda_with_stream(index).map_err(|error| DeviceError::Unavailable {
        index,
        // The driver's message may run over many lines; the first one says what is wrong.
        reason: error
            .to_string()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned(),
    })?;
    if let Device::Cuda(cuda) = &device {
        // Sound: nothing is allocated yet, and all that will be is used on this stream only, whose order is the tensors'.
        // Events between streams would cost every operation two more calls of the driver.
        unsafe { cuda.disable_event_tracking() };
    }
    Ok(device)
}

#[cfg(not(feature = "cuda"))]
fn open_gpu(_index: usize) -> Result<Device, DeviceError> {
    Err(DeviceError::NotBuilt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_understood_or_refused_in_words() {
        assert!(matches!(select("cpu"), Ok((Device::Cpu, None))));
        for bad in ["", "gpu", "cuda:", "cuda:x", "cuda0", "CPU", "cuda:-1"] {
            let message = select(bad).unwrap_err().to_string();
            assert!(message.contains(&format!("`{bad}`")), "{bad}: {message}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn without_gpu_support_auto_is_the_cpu_without_a_word_and_cuda_is_refused() {
        assert!(matches!(select("auto"), Ok((Device::Cpu, None))));
        assert_eq!(describe(), "CPU (built without GPU support)");
        assert!(matches!(select("cuda:0"), Err(DeviceError::NotBuilt)));
    }
}
