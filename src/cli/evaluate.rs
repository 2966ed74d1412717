//! `redress evaluate`.

use super::args::EvaluateArgs;
use super::{Ended, open_workspace, print_json, progress, say, workspace_dir};
use crate::workspace::Cancel;
use crate::workspace::evaluate::{Evaluation, Score};
use crate::workspace::evaluating;
use crate::workspace::models::ModelChoice;
use crate::workspace::mutual::MutualEvaluation;
use crate::workspace::slices::Slice;
use anyhow::{Context, Result};

pub fn run(args: EvaluateArgs) -> Result<Ended> {
    if args.slices || !args.slice.is_empty() || !args.keep_slice.is_empty() {
        return slices(args);
    }
    let device = super::device(&args.model.device)?;
    let dir = workspace_dir(&args.workspace)?;
    let split = args.split.map(Into::into);
    let model = args.model.model.map(ModelChoice::Dir);
    let evaluation = progress::watched("sentences", &Cancel::new(), |tell| {
        evaluating::evaluate(&dir, model, split, &device, tell)
    })?;
    if args.json {
        print_json(&evaluation)?;
    } else {
        say(in_words(&evaluation).trim_end())?;
    }
    Ok(Ended::Done)
}

fn slices(args: EvaluateArgs) -> Result<Ended> {
    let dir = workspace_dir(&args.workspace)?;
    let mut asked = args.slice;
    for slice in &args.keep_slice {
        let (name, query) = slice
            .split_once('=')
            .with_context(|| format!("{slice}: expected NAME=QUERY"))?;
        let slice = Slice {
            name: name.to_owned(),
            query: query.to_owned(),
        };
        open_workspace(&args.workspace)?.keep_slice(slice)?;
        asked.push(query.to_owned());
    }
    let within = args.split.map(crate::workspace::Split::from);
    let within = within.map_or(String::new(), |s| format!("split:{}", s.name()));
    let report = progress::watched("sentences", &Cancel::new(), |tell| {
        crate::workspace::slices::evaluate(&dir, &asked, args.slices, &within, tell)
    })?;
    if args.json {
        print_json(&report)?;
        return Ok(Ended::Done);
    }
    let mut text = format!(
        "{}; 95 % intervals of F1 by bootstrap over sentences\n",
        report.protocol
    );
    for s in &report.slices {
        let [low, high] = s.f1_interval.map(|p| 100.0 * p);
        let row = line(&s.name, &s.score);
        let row = row.trim_end();
        text += &format!("{row}  [{low:.1}, {high:.1}] {} sentences\n", s.sentences);
    }
    say(text.trim_end())?;
    Ok(Ended::Done)
}

fn line(name: &str, s: &Score) -> String {
    format!(
        "  {name:<44} P {:5.1}  R {:5.1}  F1 {:5.1}   ({} of {} predicted, {} gold)\n",
        100.0 * s.precision,
        100.0 * s.recall,
        100.0 * s.f1,
        s.correct,
        s.predicted,
        s.gold
    )
}

fn in_words(e: &Evaluation) -> String {
    let split = e.split.as_deref().unwrap_or("all splits");
    let mut text = format!("{split}: {} sentences", e.sentences);
    if e.not_predicted > 0 {
        text += &format!(
            ", {} not predicted and not scored (run `redress predict`)",
            e.not_predicted
        );
    }
    text += "\n";
    for rule in &e.rules {
        text += &format!(
            "thresholds on {}: RIN {:.3}, kernel {:.3}, kernel weight {:.1}, span weight {:.2}\n",
            rule.candidates, rule.rin, rule.kernel, rule.kernel_weight, rule.span_weight
        );
        for (relation, threshold) in &rule.thresholds {
            text += &format!("  of {relation}: {threshold:.3}\n");
        }
    }
    text += "\n";
    text += &line(&e.entity_protocol, &e.entities);
    if let Some(typed) = &e.typed_entities {
        text += &line(&e.typed_entity_protocol, typed);
    }
    for p in &e.protocols {
        text += &format!("\n{}, micro\n", p.protocol);
        text += &line("all", &p.micro);
        text += &format!(
            "  {:<44} F1 {:5.1}\n",
            "macro over relations in gold",
            100.0 * p.macro_f1
        );
        for group in [&p.by_class, &p.by_number_of_triples] {
            for named in group.iter().filter(|n| n.sentences != Some(0)) {
                let n = named
                    .sentences
                    .map_or(String::new(), |n| format!(" ({n} sentences)"));
                text += &line(&format!("{}{n}", named.name), &named.score);
            }
        }
    }
    if let Some(headline) = e.protocols.first() {
        text += &format!("\nper relation: {}\n", headline.protocol);
        for named in &headline.per_relation {
            text += &line(&named.name, &named.score);
        }
    }
    if let Some(bags) = &e.bags {
        text += &format!(
            "\nbags\n{}\n",
            serde_json::to_string_pretty(bags).unwrap_or_default()
        );
    }
    if let Some(mutual) = &e.mutual {
        text += &mutual_in_words(mutual);
    }
    text
}

fn mutual_in_words(m: &MutualEvaluation) -> String {
    let mut text = format!(
        "\nmutual relations: {}\n{} pairs ({} with graph vectors), {} positives; new pairs: {} with {} positives\n",
        m.protocol, m.pairs, m.pairs_with_vectors, m.positives, m.new_pairs, m.new_positives
    );
    text += "  system    AP  AUC  maxF1  P@10%  P@30%  P@50%  AP new pairs\n";
    for s in &m.systems {
        let at = |p: Option<f64>| p.map_or("—".to_owned(), |p| format!("{:.1}", 100.0 * p));
        text += &format!(
            "  {:<6} {:5.1} {:5.1} {:5.1}  {:>5}  {:>5}  {:>5}  {:5.1}\n",
            s.system,
            100.0 * s.average_precision,
            100.0 * s.auc_trapezoid,
            100.0 * s.max_f1,
            at(s.p_at_10),
            at(s.p_at_30),
            at(s.p_at_50),
            100.0 * s.average_precision_new_pairs
        );
    }
    text
}
