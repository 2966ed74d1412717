//! The decision rules that a workspace keeps: the current model's, those of earlier runs, and thresholds of single relations that a
//! curator chose.
//!
//! Thresholds of single relations belong to a run, whose scores they were chosen on, and to the workspace: a model's
//! configuration is part of the run's identity, so a threshold written into it would make every stored prediction another run's,
//! and the embedded model cannot be written at all.

use super::Workspace;
use crate::domain::{DecisionRule, DecisionRules, RelationId, RelationSchema, RunId};
use crate::model::rules::RulesConfig;
use crate::store::Reader;
use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// The screen's rule of a workspace that is only read.
pub fn stored_rule(reader: &Reader) -> Result<DecisionRule> {
    Ok(stored_rules(reader)?.predicted)
}

/// The rules of the current run.
pub fn stored_rules(reader: &Reader) -> Result<DecisionRules> {
    let text = reader.setting("rule")?;
    let mut rules = text.and_then(|r| parse_rules(&r)).unwrap_or_default();
    if let Some(run) = reader.current_run()? {
        rules.predicted.own = own_thresholds(reader, run, &reader.schema()?)?;
    }
    Ok(rules)
}

/// The rules that a run had; `None` for one of before they were kept by run.
pub fn rules_of_run(reader: &Reader, run: RunId) -> Result<Option<DecisionRules>> {
    let text = reader.setting(&rule_key(run))?;
    let Some(mut rules) = text.and_then(|r| parse_rules(&r)) else {
        return Ok(None);
    };
    rules.predicted.own = own_thresholds(reader, run, &reader.schema()?)?;
    Ok(Some(rules))
}

impl Workspace {
    /// Makes `rules` those of `run`, which is about to be the current one. Thresholds of single relations that were chosen for this
    /// run before stay.
    pub(super) fn set_rules(&mut self, run: RunId, mut rules: DecisionRules) -> Result<()> {
        let text = serde_json::to_string(&RulesConfig::from(rules.clone()))?;
        self.store.set_setting("rule", &text)?;
        self.store.set_setting(&rule_key(run), &text)?;
        rules.predicted.own = own_thresholds(self.read(), run, &self.schema)?;
        self.rules = rules;
        Ok(())
    }

    /// Gives a relation its own threshold under the current run, or with `None` the model's again. Lists and index follow with
    /// [`Workspace::refresh_index`].
    pub fn set_threshold(&mut self, relation: RelationId, threshold: Option<f32>) -> Result<()> {
        let Some(run) = self.read().current_run()? else {
            bail!("nothing is predicted yet, so there is no threshold to set");
        };
        if relation.index() >= self.schema.n_relations() {
            bail!("no such relation here");
        }
        if let Some(threshold) = threshold
            && !(0.0..=1.0).contains(&threshold)
        {
            bail!("a threshold lies between 0 and 1, found {threshold}");
        }
        let mut kept = by_name(self.read(), run)?;
        let name = self.schema.name(relation).to_owned();
        match threshold {
            Some(threshold) => kept.insert(name, threshold),
            None => kept.remove(&name),
        };
        let text = serde_json::to_string(&kept)?;
        self.store.set_setting(&own_key(run), &text)?;
        self.rules.predicted.own = own_thresholds(self.read(), run, &self.schema)?;
        // What is predicted has changed: the index must not take itself for current.
        Ok(self.store.set_current_run(run)?)
    }
}

fn rule_key(run: RunId) -> String {
    format!("rule {run}")
}

fn own_key(run: RunId) -> String {
    format!("thresholds {run}")
}

fn by_name(reader: &Reader, run: RunId) -> Result<BTreeMap<String, f32>> {
    let text = reader.setting(&own_key(run))?;
    Ok(text
        .and_then(|t| serde_json::from_str(&t).ok())
        .unwrap_or_default())
}

/// Relations that the workspace no longer knows are left out.
fn own_thresholds(
    reader: &Reader,
    run: RunId,
    schema: &RelationSchema,
) -> Result<Vec<(RelationId, f32)>> {
    let kept = by_name(reader, run)?.into_iter();
    let known = kept.filter_map(|(name, threshold)| Some((schema.relation(&name)?, threshold)));
    Ok(known.collect())
}

fn parse_rules(text: &str) -> Option<DecisionRules> {
    if let Ok(stored) = serde_json::from_str::<RulesConfig>(text) {
        return Some(stored.into());
    }
    // As older versions wrote it: three numbers.
    let mut numbers = text.split(' ').map(|n| n.parse::<f32>().ok());
    let rule = DecisionRule {
        rin: numbers.next()??,
        kernel: numbers.next()??,
        kernel_weight: numbers.next()??,
        ..DecisionRule::default()
    };
    Some(rule.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_come_back_as_they_were_kept_and_older_ones_are_read() {
        let rule = |kernel| DecisionRule {
            kernel,
            kernel_weight: 0.1,
            span_weight: 0.25,
            entity: 0.3,
            one_per_pair: true,
            ..DecisionRule::default()
        };
        let rules = DecisionRules {
            predicted: rule(0.73550195),
            gold_entities: rule(0.2),
            gold_pairs: rule(0.1),
        };
        let text = serde_json::to_string(&RulesConfig::from(rules.clone())).unwrap();
        assert_eq!(parse_rules(&text), Some(rules));
        let old = DecisionRule {
            rin: 0.5,
            kernel: 0.73550195,
            kernel_weight: 1.0,
            ..DecisionRule::default()
        };
        assert_eq!(parse_rules("0.5 0.73550195 1"), Some(old.into()));
        assert_eq!(parse_rules("0.5 x 1"), None);
    }
}
