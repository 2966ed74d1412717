//! The decision rules that a workspace keeps: the current model's, those of earlier runs, and thresholds of single relations that a
//! curator chose.
//!
//! Thresholds of single relations belong to a run, whose scores they were chosen on, and to the workspace: a model's
//! configuration is part of the run's identity, so a threshold written into it would make every stored prediction another run's,
//! and the embedded model cannot be written at all. `redress convert --thresholds` ([`super::convert`]) makes a copy of the model that
//! has them, which is another run; a workspace's own still win over those that a model brings.

use super::Workspace;
use crate::domain::{DecisionRule, DecisionRules, RelationId, RunId};
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
    let kept = text.and_then(|r| parse_rules(&r)).unwrap_or_default();
    in_force(reader, &kept, reader.current_run()?)
}

/// The rules that a run had; `None` for one of before they were kept by run.
pub fn rules_of_run(reader: &Reader, run: RunId) -> Result<Option<DecisionRules>> {
    let text = reader.setting(&rule_key(run))?;
    let kept = text.and_then(|r| parse_rules(&r));
    let rules = kept.map(|kept| in_force(reader, &kept, Some(run)));
    rules.transpose()
}

/// A model's rules, and over them what was chosen here for `run`.
fn in_force(reader: &Reader, model: &RulesConfig, run: Option<RunId>) -> Result<DecisionRules> {
    let mut both = model.clone();
    if let Some(run) = run {
        both.thresholds.extend(chosen_thresholds(reader, run)?);
    }
    Ok(both.rules(&reader.schema()?))
}

impl Workspace {
    /// Makes `rules` those of `run`, which is about to be the current one. Thresholds of single relations that were chosen for this
    /// run before stay.
    pub(super) fn set_rules(&mut self, run: RunId, rules: &RulesConfig) -> Result<()> {
        let text = serde_json::to_string(rules)?;
        self.store.set_setting("rule", &text)?;
        self.store.set_setting(&rule_key(run), &text)?;
        self.rules = in_force(self.read(), rules, Some(run))?;
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
        let mut kept = chosen_thresholds(self.read(), run)?;
        let name = self.schema.name(relation).to_owned();
        match threshold {
            Some(threshold) => kept.insert(name, threshold),
            None => kept.remove(&name),
        };
        let text = serde_json::to_string(&kept)?;
        self.store.set_setting(&own_key(run), &text)?;
        self.rules = stored_rules(self.read())?;
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

/// Thresholds that a curator chose here for single relations under `run`, by name.
pub(super) fn chosen_thresholds(reader: &Reader, run: RunId) -> Result<BTreeMap<String, f32>> {
    let text = reader.setting(&own_key(run))?;
    Ok(text
        .and_then(|t| serde_json::from_str(&t).ok())
        .unwrap_or_default())
}

fn parse_rules(text: &str) -> Option<RulesConfig> {
    if let Ok(stored) = serde_json::from_str::<RulesConfig>(text) {
        return Some(stored);
    }
    // As older versions wrote it: three numbers.
    let mut numbers = text.split(' ').map(|n| n.parse::<f32>().ok());
    let rule = DecisionRule {
        rin: numbers.next()??,
        kernel: numbers.next()??,
        kernel_weight: numbers.next()??,
        ..DecisionRule::default()
    };
    Some(DecisionRules::from(rule).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::RelationSchema;

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
        let schema = RelationSchema::from_names(["lived", "born"]);
        let read = |text: &str| parse_rules(text).map(|kept| kept.rules(&schema));
        let mut stored = RulesConfig::from(rules.clone());
        let text = serde_json::to_string(&stored).unwrap();
        assert!(!text.contains("thresholds"), "{text}");
        assert_eq!(read(&text), Some(rules.clone()));
        // Names are kept; a relation that is not known here has no number, and what is given keeps its rule.
        stored.thresholds = [("born".to_owned(), 0.4), ("gone".to_owned(), 0.9)].into();
        let text = serde_json::to_string(&stored).unwrap();
        let mut with_own = rules;
        with_own.predicted.own = vec![(RelationId(1), 0.4)];
        assert_eq!(read(&text), Some(with_own));
        let old = DecisionRule {
            rin: 0.5,
            kernel: 0.73550195,
            kernel_weight: 1.0,
            ..DecisionRule::default()
        };
        assert_eq!(read("0.5 0.73550195 1"), Some(old.into()));
        assert_eq!(read("0.5 x 1"), None);
    }
}
