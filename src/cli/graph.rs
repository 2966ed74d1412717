//! `redress graph build`, `redress graph near`.

use super::args::{GraphBuildArgs, GraphNearArgs};
use super::{Ended, print_json, progress, remark, say, workspace_dir};
use crate::workspace::graph::{
    self, EdgeWeight, GraphConfig, GraphOptions, GraphProgress, GraphReport, LineConfig,
};
use anyhow::Result;
use std::ops::ControlFlow;

impl From<&GraphBuildArgs> for GraphOptions {
    fn from(args: &GraphBuildArgs) -> Self {
        Self {
            graph: GraphConfig {
                weight: match args.weight.as_str() {
                    "log_norm" => EdgeWeight::LogNorm,
                    "count" => EdgeWeight::Count,
                    _ => EdgeWeight::Log1p,
                },
                threshold: args.threshold,
            },
            line: LineConfig {
                dim: args.dim,
                samples: args.samples,
                seed: args.seed,
                ..LineConfig::default()
            },
            leave_out_dev: args.leave_out_dev,
        }
    }
}

pub fn build(args: GraphBuildArgs) -> Result<Ended> {
    let dir = workspace_dir(&args.workspace)?;
    let bar = progress::bar(0, "sentences");
    let cancel = progress::cancel_on_signal();
    let mut hear = |event: GraphProgress| {
        match event {
            GraphProgress::Counting(done, total) => {
                bar.set_length(total);
                bar.set_position(done);
            }
            GraphProgress::Learning(p) => {
                bar.set_length(p.total.into());
                bar.set_position(p.done.into());
                bar.set_message(format!("loss {:.3} and {:.3}", p.loss[0], p.loss[1]));
            }
        }
        if cancel.is_cancelled() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let options = GraphOptions::from(&args);
    let built = graph::build_graph(
        &dir,
        &options,
        args.output.as_deref(),
        args.force,
        &mut hear,
    );
    bar.finish_and_clear();
    let Some((file, report)) = built? else {
        remark("stopped; no file was written");
        return Ok(Ended::Stopped);
    };
    if args.json {
        print_json(&report)?;
    } else {
        say(&in_words(&report))?;
        say(&format!("{}: written", file.display()))?;
    }
    Ok(Ended::Done)
}

fn in_words(r: &GraphReport) -> String {
    let predicted = match r.by_prediction {
        0 => String::new(),
        n => format!(", {n} of them by predicted entities"),
    };
    let [before, after] = r.objectives.first;
    let mut text = format!(
        "{} sentences counted{predicted}, {} left out\n{} entities, {} with an edge; {} pairs, {} make an edge\n\
         first order: {before:.4} before, {after:.4} after (mean over edges, by weight)\n",
        r.sentences, r.left_out, r.entities, r.vertices, r.pairs, r.edges
    );
    if let Some([before, after]) = r.objectives.second {
        text += &format!("second order: {before:.4} before, {after:.4} after\n");
    }
    text += &format!(
        "counted in {:.1} s; {} samples for each order in {:.1} s",
        r.counting_seconds, r.samples, r.learning_seconds
    );
    text
}

pub fn near(args: GraphNearArgs) -> Result<Ended> {
    let file = match args.graph {
        Some(file) => file,
        None => graph::graph_file(&workspace_dir(&args.workspace)?),
    };
    let found = graph::neighbours(&graph::read_graph(&file)?, &args.name.join(" "), args.limit)?;
    if args.json {
        print_json(&found)?;
        return Ok(Ended::Done);
    }
    say(&format!("nearest to {}", found.entity))?;
    for (name, cosine) in &found.near {
        say(&format!("  {cosine:6.3}  {name}"))?;
    }
    Ok(Ended::Done)
}
