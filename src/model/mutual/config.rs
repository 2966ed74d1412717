//! Settings of the bag model. Defaults are the released code's unless a comment says otherwise (specs: imr 5 to 8).

use super::MutualError;
use serde::{Deserialize, Serialize};

/// What reads a sentence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextBase {
    /// Convolution, then the largest value before, between and after the two mentions.
    Pcnn,
    /// Convolution, then the largest value of the sentence.
    Cnn,
    /// The last state of a GRU.
    Gru,
}

/// How the three relation scores become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Combine {
    /// softmax(a z_RE + b z_MR + c z_T): each term's share can be shown. Ours.
    LogitsSum,
    /// softmax(W (a p_RE + b p_MR + c p_T) + v): the form of the paper's prose.
    ConfLinear,
    /// softmax(MLP(a z_RE + b z_MR + c z_T)), tanh between its layers: the released code.
    LogitsMlp,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MutualConfig {
    pub text: TextBase,
    /// Width of the word vectors that the caller supplies.
    pub word_dim: usize,
    /// A learned map brings word vectors to this width first; 0: none. Ours: our word vectors are fixed and wide, the released
    /// code learns narrow ones (50).
    pub project: usize,
    /// Width of each of the two position embeddings.
    pub position_dim: usize,
    /// Filters of the convolution.
    pub filters: usize,
    /// Width of the GRU's state.
    pub hidden: usize,
    /// On the sentence vector, once more on the bag vector, and before each scorer.
    pub dropout: f64,
    /// Leading words of a sentence that are read.
    pub max_words: usize,
    /// Sentences of a bag; a pair with more makes several training bags.
    pub bag_size: usize,
    /// Width of a type's embedding.
    pub type_dim: usize,
    /// Hidden layers of the scorers of mutual relation and types.
    pub mutual_layers: Vec<usize>,
    pub type_layers: Vec<usize>,
    pub combine: Combine,
    /// Hidden layers of [`Combine::LogitsMlp`].
    pub combine_layers: Vec<usize>,
    /// A class weighs (its training sentences)^-this in the loss.
    pub class_weight: f64,
}

impl Default for MutualConfig {
    fn default() -> Self {
        Self {
            text: TextBase::Pcnn,
            word_dim: 384,
            project: 64,
            position_dim: 5,
            filters: 230,
            hidden: 100,
            dropout: 0.5,
            max_words: 120,
            bag_size: 30,
            type_dim: 15,
            mutual_layers: vec![100, 60],
            type_layers: vec![250, 100],
            combine: Combine::LogitsSum,
            combine_layers: vec![310, 510, 310],
            class_weight: 0.05,
        }
    }
}

impl MutualConfig {
    /// Refuses settings that cannot be run, by name.
    pub fn check(&self) -> Result<(), MutualError> {
        let refuse = |what, found: String, expected| {
            Err(MutualError::Config {
                what,
                found,
                expected,
            })
        };
        let sizes = [
            ("mutual.word_dim", self.word_dim),
            ("mutual.position_dim", self.position_dim),
            ("mutual.filters", self.filters),
            ("mutual.hidden", self.hidden),
            ("mutual.max_words", self.max_words),
            ("mutual.bag_size", self.bag_size),
            ("mutual.type_dim", self.type_dim),
        ];
        let layers = [
            ("mutual.mutual_layers", &self.mutual_layers),
            ("mutual.type_layers", &self.type_layers),
            ("mutual.combine_layers", &self.combine_layers),
        ];
        let widths = layers
            .iter()
            .flat_map(|(what, widths)| widths.iter().map(|w| (*what, *w)));
        for (what, found) in sizes.into_iter().chain(widths) {
            if found == 0 {
                return refuse(what, "0".to_owned(), "at least 1");
            }
        }
        if !(0.0..1.0).contains(&self.dropout) {
            let found = self.dropout.to_string();
            return refuse("mutual.dropout", found, "0 or more and below 1");
        }
        if !self.class_weight.is_finite() {
            let found = self.class_weight.to_string();
            return refuse("mutual.class_weight", found, "a finite number");
        }
        Ok(())
    }

    /// Width of what the sentence encoder reads at each word.
    pub fn input_dim(&self) -> usize {
        let words = if self.project == 0 {
            self.word_dim
        } else {
            self.project
        };
        words + 2 * self.position_dim
    }

    /// Width of a sentence's vector.
    pub fn sentence_dim(&self) -> usize {
        match self.text {
            TextBase::Pcnn => 3 * self.filters,
            TextBase::Cnn => self.filters,
            TextBase::Gru => self.hidden,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_cannot_run_are_refused_by_name() {
        let base = MutualConfig::default();
        assert!(base.check().is_ok());
        let cases = [
            (
                MutualConfig {
                    filters: 0,
                    ..base.clone()
                },
                "mutual.filters is 0",
            ),
            (
                MutualConfig {
                    mutual_layers: vec![10, 0],
                    ..base.clone()
                },
                "mutual.mutual_layers is 0",
            ),
            (
                MutualConfig {
                    dropout: 1.0,
                    ..base.clone()
                },
                "mutual.dropout is 1",
            ),
            (
                MutualConfig {
                    class_weight: f64::NAN,
                    ..base.clone()
                },
                "mutual.class_weight is NaN",
            ),
        ];
        for (config, expected) in cases {
            let message = config.check().unwrap_err().to_string();
            assert!(message.contains(expected), "{message} lacks {expected}");
        }
        assert!(toml::from_str::<MutualConfig>("filter = 3").is_err());
    }
}
