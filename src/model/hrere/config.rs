//! Settings of the bag models. Defaults are the paper's (Xu & Barbosa 2019, Table 1).

use super::HrereError;
use serde::{Deserialize, Serialize};

/// Where a word's state h_i comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextSide {
    /// h_i = tanh(fwd_i + bwd_i) of a BiLSTM: HRERE.
    Bilstm,
    /// h_i = tanh(W x_i + b), for word vectors that already know their context. Our variant; never report it under the
    /// paper's name.
    Shared,
}

/// The distribution that J_D takes its logarithm of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dissimilarity {
    /// -log p_L`[r*]` (paper).
    Single,
    /// -log softmax(p_L)`[r*]`: the released code applies softmax twice, so the term is bounded and its gradient weak.
    DoubleSoftmax,
}

/// How p_L and p_G become one distribution.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "rule")]
pub enum Mix {
    /// alpha p_L + (1 - alpha) p_G (eq. 5, alpha 0.6).
    Prob { alpha: f32 },
    /// softmax(alpha z_L + (1 - alpha) z_G) (released code, alpha 0.9).
    Logit { alpha: f32 },
}

/// Whether the position tables learn.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    Trained,
    /// They keep their random start (released code).
    Fixed,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HrereConfig {
    pub text: TextSide,
    /// Width of the word vectors that the caller supplies.
    pub word_dim: usize,
    /// Width of each of the two position embeddings.
    pub position_dim: usize,
    pub positions: Positions,
    /// Width of h_i: of each LSTM direction, whose sum it is.
    pub hidden: usize,
    /// Width of the dense layer before the classes.
    pub dense: usize,
    /// Probability of zeroing an input of the LSTM (or of the linear layer of `shared`).
    pub dropout_input: f64,
    /// Of zeroing an output of each LSTM direction.
    pub dropout_hidden: f64,
    /// Of zeroing an input of each dense layer.
    pub dropout_dense: f64,
    /// Leading words of a sentence that are read.
    pub max_words: usize,
    /// Sentences of a training bag.
    pub bag_size: usize,
    pub dissimilarity: Dissimilarity,
    pub mix: Mix,
    /// Weight of the squares of the parameters.
    pub lambda: f64,
}

impl Default for HrereConfig {
    fn default() -> Self {
        Self {
            text: TextSide::Bilstm,
            word_dim: 300,
            position_dim: 25,
            positions: Positions::Trained,
            hidden: 320,
            dense: 190,
            dropout_input: 0.1,
            dropout_hidden: 0.3,
            dropout_dense: 0.1,
            max_words: 100,
            bag_size: 5,
            dissimilarity: Dissimilarity::Single,
            mix: Mix::Prob { alpha: 0.6 },
            lambda: 3e-4,
        }
    }
}

impl HrereConfig {
    /// Refuses settings that cannot be run, by name.
    pub fn check(&self) -> Result<(), HrereError> {
        let refuse = |what: &'static str, found: String, expected: &'static str| {
            Err(HrereError::Config {
                what,
                found,
                expected,
            })
        };
        let sizes = [
            ("hrere.word_dim", self.word_dim),
            ("hrere.position_dim", self.position_dim),
            ("hrere.hidden", self.hidden),
            ("hrere.dense", self.dense),
            ("hrere.max_words", self.max_words),
            ("hrere.bag_size", self.bag_size),
        ];
        for (what, found) in sizes {
            if found == 0 {
                return refuse(what, found.to_string(), "at least 1");
            }
        }
        let rates = [
            ("hrere.dropout_input", self.dropout_input),
            ("hrere.dropout_hidden", self.dropout_hidden),
            ("hrere.dropout_dense", self.dropout_dense),
        ];
        for (what, found) in rates {
            if !(0.0..1.0).contains(&found) {
                return refuse(what, found.to_string(), "0 or more and below 1");
            }
        }
        let (Mix::Prob { alpha } | Mix::Logit { alpha }) = self.mix;
        if !(0.0..=1.0).contains(&alpha) {
            return refuse("hrere.mix.alpha", alpha.to_string(), "0 to 1");
        }
        if !(self.lambda.is_finite() && self.lambda >= 0.0) {
            return refuse("hrere.lambda", self.lambda.to_string(), "0 or more");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_run_are_refused_by_name() {
        let base = HrereConfig::default();
        assert!(base.check().is_ok());
        let cases = [
            (
                HrereConfig {
                    hidden: 0,
                    ..base.clone()
                },
                "hrere.hidden is 0",
            ),
            (
                HrereConfig {
                    dropout_dense: 1.0,
                    ..base.clone()
                },
                "hrere.dropout_dense is 1",
            ),
            (
                HrereConfig {
                    mix: Mix::Prob { alpha: 1.5 },
                    ..base.clone()
                },
                "hrere.mix.alpha is 1.5",
            ),
            (
                HrereConfig {
                    lambda: f64::NAN,
                    ..base.clone()
                },
                "hrere.lambda is NaN",
            ),
        ];
        for (config, expected) in cases {
            let message = config.check().unwrap_err().to_string();
            assert!(message.contains(expected), "{message} lacks {expected}");
        }
    }

    #[test]
    fn settings_survive_their_file() {
        let config = HrereConfig {
            mix: Mix::Logit { alpha: 0.9 },
            text: TextSide::Shared,
            ..HrereConfig::default()
        };
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<HrereConfig>(&text).unwrap(), config);
        assert!(toml::from_str::<HrereConfig>("hiden = 3").is_err());
    }
}
