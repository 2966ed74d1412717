//! Decision rules as files and workspaces keep them.

use crate::domain::{DecisionRule, DecisionRules};
use serde::{Deserialize, Serialize};

/// A rule as stored; see [`DecisionRule`]. Thresholds of single relations are not part of it: they belong to a workspace, which
/// knows them by the relations' names.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleConfig {
    pub rin: f32,
    pub kernel: f32,
    pub kernel_weight: f32,
    #[serde(default)]
    pub span_weight: f32,
    #[serde(default)]
    pub entity: f32,
    #[serde(default)]
    pub one_per_pair: bool,
}

impl From<RuleConfig> for DecisionRule {
    fn from(r: RuleConfig) -> Self {
        Self {
            rin: r.rin,
            kernel: r.kernel,
            kernel_weight: r.kernel_weight,
            span_weight: r.span_weight,
            entity: r.entity,
            one_per_pair: r.one_per_pair,
            own: Vec::new(),
        }
    }
}
impl From<DecisionRule> for RuleConfig {
    fn from(r: DecisionRule) -> Self {
        Self {
            rin: r.rin,
            kernel: r.kernel,
            kernel_weight: r.kernel_weight,
            span_weight: r.span_weight,
            entity: r.entity,
            one_per_pair: r.one_per_pair,
        }
    }
}

/// Rules for given spans and given pairs, as stored; see [`DecisionRules`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GivenRules {
    pub gold_entities: RuleConfig,
    pub gold_pairs: RuleConfig,
}

/// All rules as stored, in config.json and in a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RulesConfig {
    pub rule: RuleConfig,
    /// `None`: as `rule`.
    #[serde(default)]
    pub given: Option<GivenRules>,
}

impl From<RulesConfig> for DecisionRules {
    fn from(stored: RulesConfig) -> Self {
        let predicted: DecisionRule = stored.rule.into();
        match stored.given {
            Some(given) => Self {
                predicted,
                gold_entities: given.gold_entities.into(),
                gold_pairs: given.gold_pairs.into(),
            },
            None => predicted.into(),
        }
    }
}
impl From<DecisionRules> for RulesConfig {
    fn from(rules: DecisionRules) -> Self {
        Self {
            rule: rules.predicted.into(),
            given: Some(GivenRules {
                gold_entities: rules.gold_entities.into(),
                gold_pairs: rules.gold_pairs.into(),
            }),
        }
    }
}
