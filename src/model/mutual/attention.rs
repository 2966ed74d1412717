//! Selective attention over the sentences of a bag (Lin et al. 2016; golden `attention_selective`).
//!
//! ```text
//! training    att = softmax over the bag of x . W[gold]         logits = W (sum att x) + b
//! testing     one attended vector for each relation r, by W[r]; its own logit only
//! ```

use crate::model::hrere::layers::masked_softmax;
use crate::model::layers::{Linear, seen};
use crate::model::mode::Mode;
use candle_core::{Result, Tensor, bail};

/// By what a bag's sentences are weighed.
#[derive(Clone, Copy)]
pub enum Query<'a> {
    /// Each bag by its gold class: training.
    Gold(&'a [u32]),
    /// By every class in turn: testing.
    Each,
}

/// The bags of a batch: sentence rows and the places that count, both [B, T].
pub(super) struct Places {
    pub rows: Tensor,
    pub mask: Tensor,
}

/// Logits [B, C] and, under [`Query::Each`], each class's weights [B, C, T]. `x` [S, D]; `classes` maps D to C.
pub(super) fn attend(
    x: &Tensor,
    classes: &Linear,
    places: &Places,
    query: Query,
    dropout: f64,
    mode: Mode,
) -> Result<(Tensor, Option<Tensor>)> {
    let (b, t) = places.rows.dims2()?;
    let (weight, bias) = (seen(&classes.weight, mode), seen(&classes.bias, mode));
    let n_classes = weight.dim(0)?;
    let rows = places.rows.flatten_all()?;
    // x . W[c] of every sentence and class: what attention asks for, and what logits are made of.
    let scores = x.matmul(&weight.t()?)?;
    match query {
        Query::Gold(gold) => {
            if gold.len() != b {
                bail!("{} gold classes for {b} bags", gold.len());
            }
            let of_row: Vec<u32> = gold
                .iter()
                .flat_map(|g| std::iter::repeat_n(*g, t))
                .collect();
            let of_row = Tensor::from_vec(of_row, (b * t, 1), x.device())?;
            let own = scores.index_select(&rows, 0)?.gather(&of_row, 1)?;
            let att = masked_softmax(&own.reshape((b, t))?, &places.mask)?;
            let members = x.index_select(&rows, 0)?.reshape((b, t, x.dim(1)?))?;
            let bag = att.unsqueeze(1)?.matmul(&members)?.squeeze(1)?;
            Ok((classes.forward(&mode.dropout(&bag, dropout)?, mode)?, None))
        }
        Query::Each => {
            let members = scores.index_select(&rows, 0)?.reshape((b, t, n_classes))?;
            let members = members.transpose(1, 2)?.contiguous()?;
            let mask = places.mask.unsqueeze(1)?;
            let mask = mask.broadcast_as((b, n_classes, t))?.contiguous()?;
            let att = masked_softmax(&members, &mask)?;
            // W[c] . (sum att x) = sum att (W[c] . x)
            let logits = (&att * members)?.sum(2)?.broadcast_add(&bias)?;
            Ok((logits, Some(att)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::golden::{Golden, assert_close};
    use crate::model::ops::testing::check_op;
    use candle_core::{DType, Device};
    use candle_nn::ops::softmax;

    fn one_bag(n: usize) -> Result<Places> {
        Ok(Places {
            rows: Tensor::arange(0u32, n as u32, &Device::Cpu)?.reshape((1, n))?,
            mask: Tensor::ones((1, n), DType::U8, &Device::Cpu)?,
        })
    }

    #[test]
    fn golden_attention_in_training_and_testing() -> Result<()> {
        let golden = Golden::load("attention_selective");
        let read = |name: &str| golden.tensor(name);
        let classes = Linear {
            weight: read("/in/W"),
            bias: read("/in/b"),
        };
        let (x, places) = (read("/in/X"), one_bag(3)?);
        let gold = [golden.number("/in/label") as u32];
        let (logits, _) = attend(&x, &classes, &places, Query::Gold(&gold), 0.0, Mode::Infer)?;
        assert_close(&logits.squeeze(0)?, &read("/out/train_logits"), "training");
        let (logits, att) = attend(&x, &classes, &places, Query::Each, 0.0, Mode::Infer)?;
        let logits = logits.squeeze(0)?;
        assert_close(&att.unwrap().squeeze(0)?, &read("/out/test_att"), "weights");
        assert_close(&logits, &read("/out/test_logits"), "testing");
        assert_close(&softmax(&logits, 0)?, &read("/out/test_probs"), "p");
        let own = Golden::load("attention_selective");
        let att: Vec<f64> = own.parse("/out/train_att/data");
        let each: Vec<f64> = own.parse("/out/test_att/data");
        assert_eq!(
            att,
            each[3 * gold[0] as usize..][..3],
            "the gold row is the training row"
        );
        Ok(())
    }

    #[test]
    fn gradients_agree_with_slopes_and_order_does_not_matter() -> Result<()> {
        let places = || -> Result<Places> {
            Ok(Places {
                rows: Tensor::new(&[[0u32, 1, 2], [3, 1, 0]], &Device::Cpu)?,
                mask: Tensor::new(&[[1u8, 1, 1], [1, 1, 0]], &Device::Cpu)?,
            })
        };
        let of = |query: Query, p: &Places, x: &[Tensor]| {
            let classes = Linear {
                weight: x[1].clone(),
                bias: x[2].clone(),
            };
            let rng = std::cell::RefCell::new(rand::SeedableRng::seed_from_u64(1));
            Ok(attend(&x[0], &classes, p, query, 0.0, Mode::Train(&rng))?.0)
        };
        let shapes: [&[usize]; 3] = [&[4, 3], &[5, 3], &[5]];
        let gold = [2, 4];
        // Written out, bag by bag and class by class.
        let plain = |each: bool, x: &[Tensor]| -> Result<Tensor> {
            let mut bags = Vec::new();
            for (members, gold) in [([0u32, 1, 2].as_slice(), 2), (&[3, 1], 4)] {
                let own = x[0].index_select(&Tensor::new(members, &Device::Cpu)?, 0)?;
                let logit = |query: usize, class: usize| -> Result<Tensor> {
                    let q = x[1].narrow(0, query, 1)?;
                    let att = softmax(&own.matmul(&q.t()?)?, 0)?;
                    let bag = att.t()?.matmul(&own)?;
                    let own = bag.matmul(&x[1].narrow(0, class, 1)?.t()?)?;
                    own.flatten_all()? + x[2].narrow(0, class, 1)?
                };
                let logits: Vec<Tensor> = (0..5)
                    .map(|c| logit(if each { c } else { gold }, c))
                    .collect::<Result<_>>()?;
                bags.push(Tensor::cat(&logits, 0)?);
            }
            Tensor::stack(&bags, 0)
        };
        let p = places()?;
        check_op(
            "gold",
            &shapes,
            |x| of(Query::Gold(&gold), &places()?, x),
            |x| plain(false, x),
        )?;
        check_op(
            "each",
            &shapes,
            |x| of(Query::Each, &places()?, x),
            |x| plain(true, x),
        )?;
        let x = [&[4usize, 3][..], &[5, 3], &[5]]
            .iter()
            .map(|s| crate::model::ops::testing::random(s, 5))
            .collect::<Result<Vec<_>>>()?;
        let turned = Places {
            rows: Tensor::new(&[[2u32, 0, 1], [1, 3, 0]], &Device::Cpu)?,
            ..places()?
        };
        assert_close(
            &of(Query::Each, &p, &x)?,
            &of(Query::Each, &turned, &x)?,
            "order",
        );
        Ok(())
    }
}
