//! Operations made of others, with a backward pass of their own.
//!
//! Where an operation costs a launch however small it is, as on a GPU, a formula of ten operations should not be recorded as
//! ten: candle starts each gradient from zeros and adds to it, so every recorded step costs six or more launches. Here the
//! value is computed first, on constants, and one node that knows its derivative stands for it. It runs on any device.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Storage,
    Tensor, bail,
};
use std::sync::{Mutex, PoisonError};

/// `value`, a function of `inputs`, with `backward`: the gradient of the value -> one of each input, of its shape. What
/// `backward` keeps should be detached, and `value` contiguous from the beginning of its storage. Where no input is recorded, the value alone.
pub fn known1<F>(x: &Tensor, value: Tensor, backward: F) -> Result<Tensor>
where
    F: Fn(&Tensor) -> Result<Tensor> + Send + Sync + 'static,
{
    if !x.track_op() {
        return Ok(value);
    }
    x.apply_op1(Known::new(value, backward)?)
}

/// See [`known1`].
pub fn known2<F>(inputs: [&Tensor; 2], value: Tensor, backward: F) -> Result<Tensor>
where
    F: Fn(&Tensor) -> Result<[Tensor; 2]> + Send + Sync + 'static,
{
    if !inputs.iter().any(|x| x.track_op()) {
        return Ok(value);
    }
    inputs[0].apply_op2(inputs[1], Known::new(value, backward)?)
}

/// See [`known1`].
pub fn known3<F>(inputs: [&Tensor; 3], value: Tensor, backward: F) -> Result<Tensor>
where
    F: Fn(&Tensor) -> Result<[Tensor; 3]> + Send + Sync + 'static,
{
    if !inputs.iter().any(|x| x.track_op()) {
        return Ok(value);
    }
    inputs[0].apply_op3(inputs[1], inputs[2], Known::new(value, backward)?)
}

struct Known<F> {
    /// Until the forward pass, which copies it, has run.
    value: Mutex<Option<Tensor>>,
    backward: F,
}

impl<F> Known<F> {
    fn new(value: Tensor, backward: F) -> Result<Self> {
        // Storage is copied as it lies.
        if !value.is_contiguous() || value.layout().start_offset() != 0 {
            bail!("a known value must begin its storage and be contiguous");
        }
        Ok(Self {
            value: Mutex::new(Some(value)),
            backward,
        })
    }

    fn take(&self) -> Result<Tensor> {
        let mut value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        match value.take() {
            Some(value) => Ok(value),
            None => bail!("a known value is given once"),
        }
    }

    fn on_cpu(&self) -> Result<(CpuStorage, Shape)> {
        let value = self.take()?;
        let (storage, layout) = value.storage_and_layout();
        match &*storage {
            Storage::Cpu(values) => Ok((values.clone(), layout.shape().clone())),
            _ => bail!("arguments on the CPU, the value elsewhere"),
        }
    }

    fn on_gpu(&self) -> Result<(CudaStorage, Shape)> {
        let value = self.take()?;
        let (storage, layout) = value.storage_and_layout();
        match &*storage {
            Storage::Cuda(values) => Ok((values.try_clone(layout)?, layout.shape().clone())),
            _ => bail!("arguments on the GPU, the value elsewhere"),
        }
    }
}

impl<F> CustomOp1 for Known<F>
where
    F: Fn(&Tensor) -> Result<Tensor> + Send + Sync,
{
    fn name(&self) -> &'static str {
        "known"
    }
    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.on_cpu()
    }
    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.on_gpu()
    }
    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        (self.backward)(&grad.detach().contiguous()?).map(Some)
    }
}

impl<F> CustomOp2 for Known<F>
where
    F: Fn(&Tensor) -> Result<[Tensor; 2]> + Send + Sync,
{
    fn name(&self) -> &'static str {
        "known"
    }
    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.on_cpu()
    }
    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.on_gpu()
    }
    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [a, b] = (self.backward)(&grad.detach().contiguous()?)?;
        Ok((Some(a), Some(b)))
    }
}

impl<F> CustomOp3 for Known<F>
where
    F: Fn(&Tensor) -> Result<[Tensor; 3]> + Send + Sync,
{
    fn name(&self) -> &'static str {
        "known"
    }
    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.on_cpu()
    }
    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.on_gpu()
    }
    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [a, b, c] = (self.backward)(&grad.detach().contiguous()?)?;
        Ok((Some(a), Some(b), Some(c)))
    }
}
