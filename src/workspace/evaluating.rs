//! A workspace's predictions, or a given model's, scored.

use super::bags::evaluate_bags;
use super::evaluate::{Evaluation, Evaluator};
use super::knowledge::Knowledge;
use super::models::ModelChoice;
use super::mutual::evaluate_mutual;
use super::pass::Pages;
use super::view::Viewed;
use super::{Tell, stored_rules};
use crate::domain::{Sentence, Split};
use crate::store::Reader;
use anyhow::{Result, bail};
use candle_core::Device;
use std::path::Path;

/// With `model` every sentence of the split is predicted now and nothing is kept; without, the stored predictions of the current run count.
pub fn evaluate(
    dir: &Path,
    model: Option<ModelChoice>,
    split: Option<Split>,
    device: &Device,
    tell: Tell,
) -> Result<Evaluation> {
    let reader = Reader::open(dir)?;
    let knowledge = Knowledge::load(&reader)?;
    let models = model.map(|m| m.load_all(device)).transpose()?;
    let run = match &models {
        Some(models) => Some(models.sentence.run),
        None => reader.current_run()?,
    };
    let Some(run) = run else {
        bail!(
            "{}: nothing is predicted here yet; run `redress predict`, or name a model with --model",
            dir.display()
        );
    };
    let schema = reader.schema()?;
    let stored = stored_rules(&reader)?;
    let rules = models
        .as_ref()
        .map_or_else(|| stored.clone(), |m| m.sentence.config.rules(&schema));
    let mut evaluator = Evaluator::new(rules);
    let total = u64::from(reader.sentence_count()?);
    let (mut done, mut pages) = (0, Pages::start());
    while let Some(page) = pages.next(&reader, &stored.predicted)? {
        done += page.len() as u64;
        let mut wanted: Vec<Viewed> = page
            .into_iter()
            .map(|(_, v)| v)
            .filter(|v| split.is_none_or(|s| s == v.sentence.split))
            .collect();
        if let Some(models) = &models {
            let sentences: Vec<&Sentence> = wanted.iter().map(|v| &v.sentence).collect();
            let predictions = models.predict(&sentences, &schema, knowledge.as_ref())?;
            for (viewed, prediction) in wanted.iter_mut().zip(predictions) {
                viewed.prediction = Some(prediction);
            }
        }
        for viewed in &wanted {
            evaluator.add_viewed(viewed);
        }
        if !tell(done, total) {
            bail!("stopped");
        }
    }
    let mut evaluation = evaluator.finish(&schema, split, Some(run.to_string()));
    if let (Some(models), Some(knowledge), Some(split)) = (&models, &knowledge, split)
        && let Some(bags) = &models.bags
    {
        let ranked = evaluate_bags(&reader, bags, knowledge, split, tell)?;
        evaluation.bags = ranked.map(serde_json::to_value).transpose()?;
    }
    if let (Some(models), Some(split)) = (&models, split)
        && let Some(mutual) = &models.mutual
    {
        evaluation.mutual = evaluate_mutual(&reader, mutual, split, tell)?;
    }
    Ok(evaluation)
}
