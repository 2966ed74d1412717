//! Where the entities' vectors of a training run come from: a file, the workspace's graph, or one made for the run.

use super::held_out::HeldOut;
use super::training::{MutualReport, MutualSettings};
use crate::model::mutual::EntityVectors;
use crate::store::Reader;
use crate::workspace::graph::{GraphOptions, GraphReport, count, graph_file, read_graph};
use anyhow::Result;
use std::ops::ControlFlow;
use std::path::Path;

/// Said where training pairs are learned with the edges of their own sentences: the label that is to be learned made them, and a new pair has none.
/// docs/results.md has what that costs.
const OWN_SENTENCES: &str = "this graph counts the sentences that are learned from: it tells their pairs apart and misleads on new ones; better set \
     mutual.parts, or give --graph one that `redress graph build` made of other text";

pub(super) type Learned = (EntityVectors, HeldOut, MutualReport);

/// The graph's vectors, from a file or made now, and those of training pairs without their own sentences; `None` when stopped.
pub(super) fn vectors(
    reader: &Reader,
    workspace: &Path,
    graph: Option<&Path>,
    settings: &MutualSettings,
    say: &mut dyn FnMut(String),
    cancelled: &dyn Fn() -> bool,
) -> Result<Option<Learned>> {
    let given = match given(workspace, graph, say)? {
        // Nothing is left out, so nothing need be counted.
        Some(vectors) if graph.is_some() || settings.parts == 0 => {
            if graph.is_none() {
                say(OWN_SENTENCES.to_owned());
            }
            let report = MutualReport::of_file(&vectors)?;
            let held_out = HeldOut::none(&vectors);
            return Ok(Some((vectors, held_out, report)));
        }
        given => given,
    };
    let options = match &given {
        Some(vectors) => GraphOptions::of(vectors)?,
        None => GraphOptions {
            graph: settings.graph.clone(),
            line: settings.line.clone(),
            leave_out_dev: settings.leave_out_dev,
        },
    };
    let mut hear = |_| match cancelled() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let counted = count(reader, options.leave_out_dev, settings.parts, &mut hear)?;
    let Some(counted) = counted else {
        return Ok(None);
    };
    let (vectors, mut report) = match given {
        Some(vectors) => {
            let report = MutualReport::of_file(&vectors)?;
            (vectors, report)
        }
        None => match counted.learn(&options, &mut hear)? {
            Some((vectors, made)) => {
                say(made_in_words(&made));
                let report = MutualReport::of_graph(&vectors, made);
                (vectors, report)
            }
            None => return Ok(None),
        },
    };
    let Some(held_out) = HeldOut::learn(&counted, &options, &vectors, &mut hear)? else {
        return Ok(None);
    };
    match held_out.agreement.len() {
        0 => say(OWN_SENTENCES.to_owned()),
        parts => {
            let mean = held_out.agreement.iter().sum::<f64>() / parts as f64;
            say(format!(
                "training pairs are learned with graphs that do not count their own sentences ({parts} parts; mean cosine with the whole graph's vectors {mean:.2})"
            ));
        }
    }
    report.parts = held_out.agreement.clone();
    Ok(Some((vectors, held_out, report)))
}

/// The vectors of a file that is named, or of the workspace's graph.
fn given(
    workspace: &Path,
    graph: Option<&Path>,
    say: &mut dyn FnMut(String),
) -> Result<Option<EntityVectors>> {
    let own = graph_file(workspace);
    let Some(file) = graph.or_else(|| own.exists().then_some(own.as_path())) else {
        return Ok(None);
    };
    let vectors = read_graph(file)?;
    let about = |key: &str| vectors.about.get(key).map_or("?", String::as_str);
    say(format!(
        "{}: vectors of {} entities, from {} sentences without {}",
        file.display(),
        vectors.n_entities(),
        about("sentences"),
        about("left_out"),
    ));
    Ok(Some(vectors))
}

fn made_in_words(made: &GraphReport) -> String {
    format!(
        "proximity graph of {} sentences: {} entities of {}, {} edges of {} pairs, LINE in {:.0} s",
        made.sentences, made.vertices, made.entities, made.edges, made.pairs, made.learning_seconds
    )
}
