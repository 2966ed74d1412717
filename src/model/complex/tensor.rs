//! The ComplEx score as a candle expression: pairs against every relation row (golden `complex_softmax`).

use super::EntityForm;
use candle_core::{Result, Tensor};

/// Entity rows of a batch, each [B, dim].
pub struct EntityRows<'a> {
    pub re: &'a Tensor,
    pub im: &'a Tensor,
}

/// z_G [B, C]: phi(h, r, t) of each pair against each relation row; `r_re`, `r_im` are [C, dim].
///
/// phi = (h_re t_re + h_im t_im) . r_re + (h_re t_im - h_im t_re) . r_im: two matrix products for all relations.
pub fn relation_scores(
    head: EntityRows<'_>,
    tail: EntityRows<'_>,
    r_re: &Tensor,
    r_im: &Tensor,
    form: EntityForm,
) -> Result<Tensor> {
    let read = |x: &Tensor| match form {
        EntityForm::Plain => Ok(x.clone()),
        EntityForm::Tanh => x.tanh(),
    };
    let (h_re, h_im) = (read(head.re)?, read(head.im)?);
    let (t_re, t_im) = (read(tail.re)?, read(tail.im)?);
    let with_re = ((&h_re * &t_re)? + (&h_im * &t_im)?)?;
    let with_im = ((&h_re * &t_im)? - (&h_im * &t_re)?)?;
    with_re.matmul(&r_re.t()?)? + with_im.matmul(&r_im.t()?)?
}
