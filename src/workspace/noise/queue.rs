//! `redress queue`: what nobody has judged yet, the most suspicious first.

pub use super::candidates::Candidate;
use super::candidates::{Beside, Found};
use super::control::{Answered, Mixed, Tallies, with_control};
use super::folds::read_folds;
use super::standing::Standing;
use crate::analysis::noise::{
    Case, Combiner, Judged, Kind, Scored, Signal, SignalSet, before_verdicts,
};
use crate::analysis::{Change, Sample};
use crate::domain::{RelationId, RelationSchema, Sentence, TokenSpan};
use crate::store::Reader;
use crate::workspace::Tell;
use crate::workspace::duplicates::read_duplicates;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::HashMap;
use std::path::Path;

/// All queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueueKind {
    Noise(Kind),
    /// What relation rules find.
    Rules,
    /// Labels on which duplicates disagree.
    Duplicates,
    /// Decisions that the current run takes otherwise than one before it.
    Changed(Change),
}

impl QueueKind {
    pub const ALL: [QueueKind; 6] = [
        QueueKind::Noise(Kind::Wrong),
        QueueKind::Noise(Kind::Missing),
        QueueKind::Rules,
        QueueKind::Duplicates,
        QueueKind::Changed(Change::Fixed),
        QueueKind::Changed(Change::Broken),
    ];

    pub fn name(self) -> &'static str {
        match self {
            QueueKind::Noise(kind) => kind.name(),
            QueueKind::Rules => "rules",
            QueueKind::Duplicates => "duplicates",
            QueueKind::Changed(Change::Fixed) => "fixed",
            QueueKind::Changed(Change::Broken) => "broken",
        }
    }
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.name() == name)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    Suspicious,
    /// Nearest to even odds first: what teaches most.
    Uncertain,
    /// By a hash of the candidate, the same every time.
    Random,
    Document,
}

impl Order {
    pub const ALL: [Order; 4] = [
        Order::Suspicious,
        Order::Uncertain,
        Order::Random,
        Order::Document,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Order::Suspicious => "suspicious",
            Order::Uncertain => "uncertain",
            Order::Random => "random",
            Order::Document => "document",
        }
    }
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.name() == name)
    }
}

#[derive(Clone, Debug)]
pub struct QueueOptions {
    pub kind: Kind,
    /// Only this relation's candidates are listed; all are learned from.
    pub relation: Option<String>,
    pub limit: usize,
    pub order: Order,
    /// Share of rows drawn at random among the others, and marked: what they show is not chosen by the ranking.
    pub control: f64,
    /// What the ranking listens to.
    pub signals: SignalSet,
}

/// All signals, or those named in `only`, or all but those in `without`; `relation_and_other_labels` is what verdicts say of the
/// relation and of the pair's other labels, `text_by_relation` what they say of the sentence.
pub fn signals_named(only: &[String], without: &[String]) -> Result<SignalSet> {
    let listens = |name: &String| name == LABELS || name == TEXT;
    let named = |names: &[String]| {
        let signals = names.iter().filter(|n| !listens(n));
        signals
            .map(|name| {
                Signal::from_name(name).with_context(|| {
                    let all: Vec<&str> = Signal::ALL.iter().map(|s| s.name()).collect();
                    format!(
                        "there is no signal {name}; there are {}, {LABELS}, {TEXT}",
                        all.join(", ")
                    )
                })
            })
            .collect::<Result<Vec<_>>>()
    };
    let mut set = match only {
        [] => SignalSet::without(&named(without)?),
        only => SignalSet::only(&named(only)?),
    };
    let hears = |name: &str| {
        let named = |names: &[String]| names.iter().any(|n| n == name);
        match only {
            [] => !named(without),
            only => named(only),
        }
    };
    (set.labels, set.text) = (hears(LABELS), hears(TEXT));
    Ok(set)
}

/// The names of what verdicts say beside the signals.
const LABELS: &str = "relation_and_other_labels";
const TEXT: &str = "text_by_relation";

/// One candidate for a program or a person.
#[derive(Clone, Debug, Serialize)]
pub struct QueueRow {
    pub rank: usize,
    /// The corpus file's id, else the workspace's.
    pub id: String,
    pub sentence: String,
    pub head: Mention,
    pub relation: String,
    pub tail: Mention,
    /// 0..1. A probability where verdicts made it (see [`Standing::calibrated`]).
    pub score: f32,
    pub control: bool,
    pub why: Vec<Reason>,
    pub text: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct Mention {
    pub start: usize,
    pub end: usize,
    pub text: String,
}

impl Mention {
    pub fn of(sentence: &Sentence, span: TokenSpan) -> Self {
        Self {
            start: span.start(),
            end: span.end(),
            text: sentence.surface(span).to_owned(),
        }
    }
}

/// What a signal adds to the score, in log odds where verdicts made it.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    pub signal: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f32>,
    pub weight: f32,
}

/// A queue and where it stands.
#[derive(Clone, Debug)]
pub struct Queue {
    pub rows: Vec<QueueRow>,
    pub standing: Standing,
}

/// All candidates of a kind, scored.
pub struct Ranking {
    /// Those that nobody has judged.
    pub candidates: Vec<Entry>,
    /// The others, and whether the suspicion was right.
    pub judged: Vec<Answered>,
    pub calibrated: bool,
    pub folds: bool,
}

impl Ranking {
    /// Whether the first rows should be of many kinds.
    fn opens(&self, kind: Kind) -> bool {
        kind == Kind::Missing && self.judged.len() < OPENING
    }
}

/// Scores every candidate of the workspace in `dir`, in document order; `None` when stopped. `tell` hears sentences read.
pub fn rank(
    dir: &Path,
    reader: &Reader,
    kind: Kind,
    signals: SignalSet,
    tell: Tell,
) -> Result<Option<Ranking>> {
    let schema = reader.schema()?;
    let folds = read_folds(dir)?;
    let duplicates = read_duplicates(dir, reader)?;
    let beside = Beside {
        folds: folds.as_ref(),
        duplicates: duplicates.as_ref(),
    };
    let Some(found) = Found::collect(reader, kind, &schema, beside, tell)? else {
        return Ok(None);
    };
    let mut cases = Vec::with_capacity(found.candidates.len());
    let mut rest = Vec::with_capacity(found.candidates.len());
    for (candidate, case, answer) in found.candidates {
        cases.push(case);
        rest.push((candidate, answer));
    }
    let before = before_verdicts(&cases, kind, &signals);
    let judged: Vec<Judged> = rest
        .iter()
        .zip(&cases)
        .filter_map(|((_, answer), case)| {
            Some(Judged {
                case,
                yes: (*answer)?,
            })
        })
        .collect();
    let combiner = Combiner::fit(kind, &cases, &judged, schema.n_relations(), signals)?;
    let answers = rest.iter().filter_map(|(candidate, answer)| {
        Some(Answered {
            candidate: *candidate,
            yes: (*answer)?,
        })
    });
    let answers: Vec<Answered> = answers.collect();
    let open = rest
        .into_iter()
        .zip(before)
        .zip(cases)
        .filter(|(((_, answer), _), _)| answer.is_none())
        .map(|(((candidate, _), before), case)| {
            let scored = combiner
                .as_ref()
                .map_or(before.clone(), |c| c.score(&case, &before));
            (candidate, scored, case)
        });
    Ok(Some(Ranking {
        candidates: open.collect(),
        judged: answers,
        calibrated: combiner.is_some(),
        folds: folds.is_some(),
    }))
}

/// Counts of the candidates of a kind, without ranking them; `None` when stopped. Nothing is expected of those left.
pub fn tally(dir: &Path, reader: &Reader, kind: Kind, tell: Tell) -> Result<Option<Tally>> {
    let (schema, folds) = (reader.schema()?, read_folds(dir)?);
    // Signals do not matter to a count.
    let beside = Beside {
        folds: folds.as_ref(),
        duplicates: None,
    };
    let Some(found) = Found::collect(reader, kind, &schema, beside, tell)? else {
        return Ok(None);
    };
    let all = || found.candidates.iter();
    let judged = all().filter_map(|(candidate, _, answer)| {
        Some(Answered {
            candidate: *candidate,
            yes: (*answer)?,
        })
    });
    let judged: Vec<Answered> = judged.collect();
    let open = all().filter(|(.., answer)| answer.is_none());
    let tallies = Tallies::count(open.map(|(c, ..)| (c, 0.0)), &judged);
    Ok(Some(tallies.all))
}

/// Share of a screen's rows that are drawn at random.
const CONTROL: f64 = 0.05;
/// Candidates that a screen lists.
const LISTED: usize = 20_000;

/// Counts of a queue's candidates.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Tally {
    /// That nobody has judged, listed or not.
    pub left: usize,
    pub judged: usize,
    /// Judged ones for which the suspicion was right.
    pub confirmed: usize,
    /// The scores of those left, summed: where calibrated, for how many of them the suspicion should be right.
    pub expected: f32,
    pub sample: Sample,
    /// Where the sample ends in the order of chance: the number of the first candidate that is not in it; `None` where all are.
    pub until: Option<u64>,
}

impl Tally {
    pub fn judge(&mut self, yes: bool) {
        self.judged += 1;
        self.confirmed += usize::from(yes);
    }
}

/// What a queue holds, before its sentences are read.
#[derive(Clone, Debug)]
pub struct Listed {
    /// In the order to look at them: whether drawn at random, and the candidate.
    pub rows: Vec<(bool, Entry)>,
    pub tallies: Tallies,
    /// The lowest number, in the order of chance, of the candidates that are not listed.
    pub beyond: Option<u64>,
    /// Scores are probabilities that a regression on the verdicts gives.
    pub calibrated: bool,
    /// Whether out-of-fold signals were there (`redress folds`).
    pub folds: bool,
}

impl QueueOptions {
    /// The most suspicious first, some random ones among them.
    pub fn for_screen(kind: Kind, order: Order) -> Self {
        Self {
            kind,
            relation: None,
            limit: LISTED,
            order,
            control: CONTROL,
            signals: SignalSet::default(),
        }
    }
}

/// The candidates as the options ask for them; `None` when stopped.
pub fn listed(
    dir: &Path,
    reader: &Reader,
    options: &QueueOptions,
    tell: Tell,
) -> Result<Option<Listed>> {
    let schema = reader.schema()?;
    let only = options.relation.as_deref().map(|name| {
        schema
            .find_relation(name)
            .with_context(|| format!("no relation {name} in this workspace"))
    });
    let only = only.transpose()?;
    let ranking = rank(dir, reader, options.kind, options.signals, tell)?;
    let Some(mut ranking) = ranking else {
        return Ok(None);
    };
    ranking
        .candidates
        .retain(|(c, _, _)| only.is_none_or(|r| c.triple.relation == r));
    let opens = ranking.opens(options.kind);
    ranking
        .judged
        .retain(|a| only.is_none_or(|r| a.candidate.triple.relation == r));
    let open = ranking.candidates.iter().map(|(c, s, _)| (c, s.score));
    let tallies = Tallies::count(open, &ranking.judged);
    let candidates = ordered(ranking.candidates, options.order, opens);
    let control = match options.order {
        // Every row of this order is one that was drawn at random.
        Order::Random => 1.0,
        _ => options.control,
    };
    let Mixed { rows, beyond } = with_control(candidates, options.limit, control);
    Ok(Some(Listed {
        rows,
        tallies,
        beyond,
        calibrated: ranking.calibrated,
        folds: ranking.folds,
    }))
}

/// The queue with the sentences of its rows, for the command line; `None` when stopped.
pub fn queue(dir: &Path, options: &QueueOptions, tell: Tell) -> Result<Option<Queue>> {
    let reader = Reader::open(dir)?;
    let schema = reader.schema()?;
    let Some(listed) = listed(dir, &reader, options, tell)? else {
        return Ok(None);
    };
    let mut rows = Vec::with_capacity(listed.rows.len());
    for (n, (control, (candidate, scored, case))) in listed.rows.into_iter().enumerate() {
        let sentence = reader.sentence(candidate.id)?;
        let row = row(n + 1, &sentence, &candidate, &scored, &case, &schema);
        rows.push(QueueRow { control, ..row });
    }
    Ok(Some(Queue {
        rows,
        standing: Standing {
            kind: QueueKind::Noise(options.kind),
            order: options.order,
            tally: listed.tallies.all,
            calibrated: listed.calibrated,
            folds: listed.folds,
            anew_in: None,
        },
    }))
}

/// A candidate with its score and all that is known of it.
pub type Entry = (Candidate, Scored, Case);

fn ordered(mut candidates: Vec<Entry>, order: Order, opens: bool) -> Vec<Entry> {
    let doubt = |s: &Scored| (s.score - 0.5).abs();
    match order {
        // Rows that are drawn come in an order of their own.
        Order::Document | Order::Random => {}
        Order::Suspicious => {
            candidates.sort_by(|a, b| b.1.score.total_cmp(&a.1.score));
            if opens {
                return spread(candidates);
            }
        }
        Order::Uncertain => candidates.sort_by(|a, b| doubt(&a.1).total_cmp(&doubt(&b.1))),
    }
    candidates
}

/// Rows at the top of a queue of missing labels that nobody has begun to judge, and how many of them may be alike.
const OPENING: usize = 50;
const ALIKE: usize = 2;

/// While there are few verdicts the first rows are of many kinds (relation and other labels of the pair): fifty of a kind that is never
/// missing would teach one thing.
fn spread(candidates: Vec<Entry>) -> Vec<Entry> {
    let mut of_kind: HashMap<(RelationId, Vec<RelationId>), usize> = HashMap::new();
    let (mut first, mut rest) = (
        Vec::with_capacity(OPENING),
        Vec::with_capacity(candidates.len()),
    );
    for entry in candidates {
        let kind = (entry.2.relation, entry.2.others.clone());
        let n = of_kind.entry(kind).or_default();
        if first.len() < OPENING && *n < ALIKE {
            *n += 1;
            first.push(entry);
        } else {
            rest.push(entry);
        }
    }
    first.extend(rest);
    first
}

fn row(
    rank: usize,
    sentence: &Sentence,
    candidate: &Candidate,
    scored: &Scored,
    case: &Case,
    schema: &RelationSchema,
) -> QueueRow {
    let mention = |span: TokenSpan| Mention::of(sentence, span);
    QueueRow {
        rank,
        id: sentence
            .native_id
            .clone()
            .unwrap_or_else(|| candidate.id.to_string()),
        sentence: candidate.id.to_string(),
        head: mention(candidate.triple.head),
        relation: schema.name(candidate.triple.relation).to_owned(),
        tail: mention(candidate.triple.tail),
        score: scored.score,
        control: false,
        why: reasons(scored, case),
        text: sentence.text.clone(),
    }
}

/// What each signal adds, the weightiest first.
pub fn reasons(scored: &Scored, case: &Case) -> Vec<Reason> {
    let signals = Signal::ALL
        .into_iter()
        .zip(scored.parts)
        .map(|(s, weight)| Reason {
            signal: s.name(),
            value: s.of(case),
            weight,
        });
    let learned = [(LABELS, scored.labels), (TEXT, scored.text)];
    let learned = learned.map(|(signal, weight)| Reason {
        signal,
        value: None,
        weight,
    });
    let mut why: Vec<Reason> = signals.chain(learned).filter(|r| r.weight != 0.0).collect();
    why.sort_by(|a, b| b.weight.abs().total_cmp(&a.weight.abs()));
    why
}
