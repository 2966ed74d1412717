//! What the curators decided, written for others: one trait, one file per format.
//!
//! Nothing here reads a store or decides what stands; it gets sentences with their annotation and writes them. What a
//! format cannot hold is counted and named in the [`ExportReport`], never dropped in silence.
//!
//! Read next: [`redress`] (keeps everything), [`casrel`] and [`spert`] (labels that stand), [`atomic`] (whole files or
//! none). What each format loses is in docs/formats.md.

pub mod atomic;
pub mod casrel;
pub mod json;
pub mod redress;
pub mod spert;

pub use atomic::{ExportError, Overwrite, write_atomically};
pub use json::{escape_controls, write_json};

use crate::domain::{
    AnnotatedTriple, Annotation, DecisionRule, Prediction, RelationSchema, Sentence, Verdict,
};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Everything known of one sentence.
#[derive(Clone, Copy)]
pub struct ExportRecord<'a> {
    pub sentence: &'a Sentence,
    pub annotation: &'a Annotation,
    pub prediction: Option<&'a Prediction>,
    /// Decides which unjudged predictions are written.
    pub rule: &'a DecisionRule,
    /// Name of the model that made the prediction.
    pub model: Option<&'a str>,
    /// Corrections of this sentence, undone ones not counted.
    pub n_edits: usize,
}

/// What an export is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// All that the format can hold.
    Full,
    /// Labels for training: positive, negative or masked; no history, scores or notes.
    Train,
}

impl View {
    pub fn name(self) -> &'static str {
        match self {
            View::Full => "full",
            View::Train => "train",
        }
    }
    pub fn from_name(name: &str) -> Option<Self> {
        [View::Full, View::Train]
            .into_iter()
            .find(|v| v.name() == name)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExportFormat {
    Redress,
    CasRel,
    Spert,
}

impl ExportFormat {
    pub const ALL: [ExportFormat; 3] = [
        ExportFormat::Redress,
        ExportFormat::CasRel,
        ExportFormat::Spert,
    ];

    pub fn name(self) -> &'static str {
        match self {
            ExportFormat::Redress => "redress",
            ExportFormat::CasRel => "casrel",
            ExportFormat::Spert => "spert",
        }
    }
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|f| f.name() == name)
    }
    pub fn exporter(self, view: View) -> Box<dyn Exporter> {
        match self {
            ExportFormat::Redress => Box::new(redress::RedressExporter::new(view)),
            ExportFormat::CasRel => Box::new(ArrayExporter::<casrel::CasRel>::default()),
            ExportFormat::Spert => Box::new(ArrayExporter::<spert::Spert>::default()),
        }
    }
}

/// Writes sentences one after another: `begin`, `write` for each, `finish`.
pub trait Exporter {
    fn name(&self) -> &'static str;
    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()>;
    fn write(
        &mut self,
        record: &ExportRecord<'_>,
        schema: &RelationSchema,
        out: &mut dyn Write,
    ) -> io::Result<()>;
    fn finish(&mut self, out: &mut dyn Write) -> io::Result<ExportReport>;
}

/// What was written and what was not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExportReport {
    pub sentences: usize,
    /// Relations written, whatever was decided about them.
    pub relations: usize,
    /// Each thing that the format could not hold, in words, and how often.
    pub warnings: Vec<(String, usize)>,
}

/// Counts for the report.
#[derive(Default)]
struct Tally {
    sentences: usize,
    relations: usize,
    losses: BTreeMap<&'static str, usize>,
}

impl Tally {
    fn lose(&mut self, what: &'static str, n: usize) {
        if n > 0 {
            *self.losses.entry(what).or_insert(0) += n;
        }
    }

    /// What every format that holds only standing labels loses.
    fn lose_decisions(&mut self, record: &ExportRecord<'_>) {
        let annotation = record.annotation;
        let count = |keep: &dyn Fn(&&AnnotatedTriple) -> bool| {
            annotation.triples.iter().filter(|t| keep(t)).count()
        };
        let rejected = count(&|t| t.verdict == Some(Verdict::Reject));
        let unsure = count(&|t| t.verdict == Some(Verdict::Unsure));
        let accepted = count(&|t| t.verdict == Some(Verdict::Accept));
        let tags = annotation.triples.iter().map(|t| t.tags.len()).sum();
        self.lose(
            "rejected relations: absent, as if nobody had looked",
            rejected,
        );
        self.lose(
            "unsure relations: absent, so a trainer takes them for negatives",
            unsure,
        );
        self.lose(
            "accepted relations: no longer told from unjudged ones",
            accepted,
        );
        self.lose("error tags", tags);
        self.lose("notes", usize::from(!annotation.note.is_empty()));
        self.lose("done marks", usize::from(annotation.done));
        let links = annotation.entities.iter().filter(|e| e.link.is_some());
        self.lose("links to the knowledge base", links.count());
        let predicted = record.prediction.map_or(0, |p| p.triples.len());
        self.lose("predictions and scores", predicted);
    }

    fn report(&mut self) -> ExportReport {
        let losses = std::mem::take(&mut self.losses);
        ExportReport {
            sentences: self.sentences,
            relations: self.relations,
            warnings: losses
                .into_iter()
                .map(|(what, n)| (what.to_owned(), n))
                .collect(),
        }
    }
}

/// What the formats share that are one JSON array, one element a line.
trait Elements: Default {
    const NAME: &'static str;
    type Element<'a>: serde::Serialize;

    /// One sentence. What the format cannot hold is counted in `tally`, relations that it holds too.
    fn element<'a>(
        record: &ExportRecord<'a>,
        schema: &'a RelationSchema,
        tally: &mut Tally,
    ) -> Self::Element<'a>;
}

#[derive(Default)]
struct ArrayExporter<F> {
    tally: Tally,
    format: std::marker::PhantomData<F>,
}

impl<F: Elements> Exporter for ArrayExporter<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn begin(&mut self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(b"[")
    }

    fn write(
        &mut self,
        record: &ExportRecord<'_>,
        schema: &RelationSchema,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        self.tally.lose_decisions(record);
        let element = F::element(record, schema, &mut self.tally);
        let first = self.tally.sentences == 0;
        self.tally.sentences += 1;
        out.write_all(if first { b"\n" } else { b",\n" })?;
        write_json(&element, out)
    }

    fn finish(&mut self, out: &mut dyn Write) -> io::Result<ExportReport> {
        out.write_all(b"\n]\n")?;
        Ok(self.tally.report())
    }
}
