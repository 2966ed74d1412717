//! A transformer layer at inference on a device that has no fused form of it: few large operations over padded sentences,
//! since there each operation costs a launch, however small it is.
//!
//! The formulas are those of the training operations; the encoder's tests hold one to the other.

use super::NO_ROW;
use super::block::BlockParameters;
use crate::model::encoded::BatchLayout;
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::ops::{layer_norm, softmax_last_dim};

/// Numbers of rows in groups, where every group, a sentence or part of one, is as long as the longest.
pub(super) struct PaddedRows {
    pub n_groups: usize,
    pub longest: usize,
    /// The packed row of each padded place, or [`NO_ROW`].
    pub packed_row: Vec<u32>,
    /// The padded place of each packed row.
    pub place: Vec<u32>,
    /// 0 for a group's own places and -inf beyond its end: what is added to scores before a softmax or a maximum.
    pub mask: Vec<f32>,
}

impl PaddedRows {
    /// `starts` as in `BatchLayout::piece_starts`.
    pub fn new(starts: &[usize]) -> Self {
        Self::of_lengths(starts.windows(2).map(|s| s[1] - s[0]))
    }

    /// Rows of each group.
    pub fn of_lengths(lengths: impl Iterator<Item = usize> + Clone) -> Self {
        let longest = lengths.clone().max().unwrap_or(0);
        let n_groups = lengths.clone().count();
        let mut packed_row = vec![NO_ROW; n_groups * longest];
        let mut place = Vec::new();
        let mut mask = vec![f32::NEG_INFINITY; n_groups * longest];
        for (g, n) in lengths.enumerate() {
            let first = g * longest;
            for (i, row) in (first..).zip(&mut packed_row[first..first + n]) {
                *row = place.len() as u32;
                place.push(i as u32);
            }
            // A softmax over nothing is not a number; the places of an empty group are nobody's.
            let own = if n == 0 { longest } else { n };
            mask[first..first + own].fill(0.0);
        }
        Self {
            n_groups,
            longest,
            packed_row,
            place,
            mask,
        }
    }
}

/// Where the packed rows of a batch stand when every sentence is as long as the longest.
pub struct Padding {
    pub(super) n_sentences: usize,
    pub(super) longest: usize,
    /// `None` where all are equally long and nothing moves.
    places: Option<Places>,
}

struct Places {
    /// The packed row of each padded place, `[B·n]`.
    packed_row: Tensor,
    /// The padded place of each packed row, `[P]`.
    place: Tensor,
    /// 0 for a sentence's own places and -inf beyond its end, [B, 1, 1, n].
    mask: Tensor,
}

impl Padding {
    /// `dtype`: of the scores that the mask is added to.
    pub fn new(layout: &BatchLayout, dtype: DType, device: &Device) -> Result<Self> {
        let PaddedRows {
            n_groups: n_sentences,
            longest,
            packed_row,
            place,
            mask,
        } = PaddedRows::new(&layout.piece_starts);
        let (n_places, n_pieces) = (packed_row.len(), place.len());
        let places = match n_places == n_pieces {
            true => None,
            false => Some(Places {
                packed_row: Tensor::from_vec(packed_row, n_places, device)?,
                place: Tensor::from_vec(place, n_pieces, device)?,
                mask: Tensor::from_vec(mask, (n_sentences, 1, 1, longest), device)?
                    .to_dtype(dtype)?,
            }),
        };
        Ok(Self {
            n_sentences,
            longest,
            places,
        })
    }

    /// Packed rows [P, w] -> padded ones [B·n, w], zeros where there is none. A constant.
    pub(super) fn spread(&self, packed: &Tensor) -> Result<Tensor> {
        match &self.places {
            Some(places) => packed.index_select(&places.packed_row, 0),
            None => Ok(packed.clone()),
        }
    }

    /// Padded rows [B·n, w] -> the packed ones [P, w].
    pub(super) fn gather(&self, padded: &Tensor) -> Result<Tensor> {
        match &self.places {
            Some(places) => padded.index_select(&places.place, 0),
            None => Ok(padded.clone()),
        }
    }

    /// `scores` [B, heads, n, n], -inf for keys beyond a sentence's end.
    pub(super) fn masked(&self, scores: &Tensor) -> Result<Tensor> {
        match &self.places {
            Some(places) => scores.broadcast_add(&places.mask),
            None => Ok(scores.clone()),
        }
    }
}

/// One layer's parameters in the form its products want.
pub struct PaddedBlock {
    /// Query (already divided by sqrt(d)), key and value side by side, [h, 3h].
    inputs: Product,
    attention_out: Product,
    attention_norm: Norm,
    widen: Product,
    narrow: Product,
    norm: Norm,
    n_heads: usize,
}

/// Wᵀ [n_in, n_out] and bias.
struct Product(Tensor, Tensor);

impl Product {
    fn new(weight: &Tensor, bias: &Tensor, dtype: DType) -> Result<Self> {
        let weight = weight.detach().t()?.contiguous()?.to_dtype(dtype)?;
        Ok(Self(weight, bias.detach().to_dtype(dtype)?))
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.0)?.broadcast_add(&self.1)
    }
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
    eps: f32,
}

impl Norm {
    fn of_sum(&self, x: &Tensor, residual: &Tensor) -> Result<Tensor> {
        layer_norm(&(x + residual)?, &self.weight, &self.bias, self.eps)
    }
}

impl PaddedBlock {
    /// `dtype`: what the layer computes in.
    pub fn new(parameters: &BlockParameters, dtype: DType) -> Result<Self> {
        let p = parameters;
        let head_width = p.widen.0.dim(1)? / p.n_heads;
        let scale = 1.0 / (head_width as f64).sqrt();
        let [query, key, value] = p.inputs;
        let weights = Tensor::cat(&[&(query.0 * scale)?, key.0, value.0], 0)?;
        let biases = Tensor::cat(&[&(query.1 * scale)?, key.1, value.1], 0)?;
        let product = |(weight, bias): (&Tensor, &Tensor)| Product::new(weight, bias, dtype);
        let norm = |(weight, bias): (&Tensor, &Tensor)| -> Result<Norm> {
            Ok(Norm {
                weight: weight.detach().to_dtype(dtype)?,
                bias: bias.detach().to_dtype(dtype)?,
                eps: p.eps as f32,
            })
        };
        Ok(Self {
            inputs: product((&weights, &biases))?,
            attention_out: product(p.attention_out)?,
            attention_norm: norm(p.attention_norm)?,
            widen: product(p.widen)?,
            narrow: product(p.narrow)?,
            norm: norm(p.norm)?,
            n_heads: p.n_heads,
        })
    }

    /// x [P, h], of the layer's number type -> the same. Nothing is recorded.
    pub fn forward(&self, x: &Tensor, padding: &Padding) -> Result<Tensor> {
        if x.dim(0)? == 0 {
            return Ok(x.clone());
        }
        let attended = self.attention_out.apply(&self.attend(x, padding)?)?;
        let attended = self.attention_norm.of_sum(&attended, x)?;
        let wide = self.widen.apply(&attended)?.gelu_erf()?;
        self.norm.of_sum(&self.narrow.apply(&wide)?, &attended)
    }

    fn attend(&self, x: &Tensor, padding: &Padding) -> Result<Tensor> {
        let (h, heads) = (x.dim(1)?, self.n_heads);
        let (b, n) = (padding.n_sentences, padding.longest);
        let inputs = padding
            .spread(&self.inputs.apply(x)?)? // [B·n, 3h]
            .reshape((b, n, 3, heads, h / heads))?
            .permute((2, 0, 3, 1, 4))?
            .contiguous()?; // [3, B, heads, n, d]
        let part = |which: usize| inputs.narrow(0, which, 1)?.squeeze(0);
        let scores = padding.masked(&part(0)?.matmul(&part(1)?.t()?)?)?;
        let context = softmax_last_dim(&scores)?
            .matmul(&part(2)?)?
            .transpose(1, 2)?
            .reshape((b * n, h))?;
        padding.gather(&context)
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::{EncoderBlock, Products};
    use super::super::testing::random;
    use super::*;
    use std::sync::Arc;

    /// A layer of 3 heads and its random parameters.
    fn check(starts: &[usize]) -> Result<()> {
        let h = 12;
        let square: Vec<Tensor> = (0..4).map(|i| random(&[h, h], i)).collect::<Result<_>>()?;
        let bias: Vec<Tensor> = (0..7).map(|i| random(&[h], 9 + i)).collect::<Result<_>>()?;
        let (widen, wide_bias) = (random(&[4 * h, h], 20)?, random(&[4 * h], 21)?);
        let narrow = random(&[h, 4 * h], 22)?;
        let parameters = BlockParameters {
            inputs: [0, 1, 2].map(|i| (&square[i], &bias[i])),
            attention_out: (&square[3], &bias[3]),
            attention_norm: (&bias[4], &bias[5]),
            widen: (&widen, &wide_bias),
            narrow: (&narrow, &bias[6]),
            norm: (&bias[5], &bias[4]),
            eps: 1e-12,
            n_heads: 3,
        };
        let layout = Arc::new(BatchLayout {
            word_starts: vec![0; starts.len()],
            piece_starts: starts.to_vec(),
            word_pieces: Vec::new(),
        });
        let x = random(&[starts[starts.len() - 1], h], 30)?;
        let expected = Arc::new(EncoderBlock::new(&parameters, Products::F32)?);
        let expected: Vec<f32> = expected.forward(&x, &layout)?.flatten_all()?.to_vec1()?;
        let padding = Padding::new(&layout, DType::F32, x.device())?;
        let block = PaddedBlock::new(&parameters, DType::F32)?;
        let got: Vec<f32> = block.forward(&x, &padding)?.flatten_all()?.to_vec1()?;
        for (got, expected) in got.iter().zip(&expected) {
            assert!((got - expected).abs() < 1e-4, "{got} {expected} {starts:?}");
        }
        assert_eq!(got.len(), expected.len());
        Ok(())
    }

    #[test]
    fn agrees_with_the_fused_form_whatever_the_lengths() -> Result<()> {
        for starts in [&[0, 5][..], &[0, 4, 8], &[0, 1, 7, 9, 9, 14], &[0, 0, 3]] {
            check(starts)?;
        }
        Ok(())
    }
}
