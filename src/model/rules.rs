//! Decision rules as files and workspaces keep them.

use crate::domain::{DecisionRule, DecisionRules, RelationSchema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A rule as stored; see [`DecisionRule`]. Thresholds of single relations stand beside it, by name: [`RulesConfig::thresholds`].
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RulesConfig {
    pub rule: RuleConfig,
    /// `None`: as `rule`.
    #[serde(default)]
    pub given: Option<GivenRules>,
    /// Relations whose threshold is their own, by name, where nothing is given. Given spans and pairs have rules of their own, with
    /// other weights: a score by them is another number, and a threshold chosen on this one would mean nothing there.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub thresholds: BTreeMap<String, f32>,
}

impl RulesConfig {
    /// In the numbers of `schema`; thresholds of relations that it does not know are left out.
    pub fn rules(&self, schema: &RelationSchema) -> DecisionRules {
        let predicted: DecisionRule = self.rule.into();
        let mut rules = match self.given {
            Some(given) => DecisionRules {
                predicted,
                gold_entities: given.gold_entities.into(),
                gold_pairs: given.gold_pairs.into(),
            },
            None => predicted.into(),
        };
        let own = self.thresholds.iter();
        let own = own.filter_map(|(name, threshold)| Some((schema.relation(name)?, *threshold)));
        rules.predicted.own = own.collect();
        rules
    }
}

impl Default for RulesConfig {
    fn default() -> Self {
        DecisionRules::default().into()
    }
}

/// Without thresholds of single relations: those need their names.
impl From<DecisionRules> for RulesConfig {
    fn from(rules: DecisionRules) -> Self {
        Self {
            rule: rules.predicted.into(),
            given: Some(GivenRules {
                gold_entities: rules.gold_entities.into(),
                gold_pairs: rules.gold_pairs.into(),
            }),
            thresholds: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sentence::ModelConfig;

    /// As versions before wrote it.
    const OLD: &str = include_str!("../../sample_data/model/config.json");

    #[test]
    fn a_config_without_thresholds_is_the_same_bytes_and_one_with_them_a_newer_version() {
        let mut config: ModelConfig = serde_json::from_str(OLD).unwrap();
        assert!(config.rules.thresholds.is_empty());
        assert_eq!(String::from_utf8(config.to_json().unwrap()).unwrap(), OLD);
        let old = config.version;
        let name = config.labels[1].clone();
        config.rules.thresholds.insert(name.clone(), 0.4);
        let text = String::from_utf8(config.to_json().unwrap()).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(
            value["version"].as_u64().unwrap() > u64::from(old),
            "{text}"
        );
        assert_eq!(value["thresholds"][&name], 0.4, "{text}");
        let read: ModelConfig = serde_json::from_str(&text).unwrap();
        assert_eq!(read.rules, config.rules);
    }
}
