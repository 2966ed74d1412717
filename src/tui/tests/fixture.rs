//! Made-up sentences and a made-up engine that answers as the real one would, at once.

use super::figures::{compared, runs, slices, study};
use crate::domain::annotation::Change;
use crate::domain::*;
use crate::workspace::messages::*;
use crate::workspace::noise::queue::{Order, QueueKind, Tally};
use crate::workspace::noise::standing::Standing;
use crate::workspace::relation_rules::{KnownRule, NamedRule, RuleState};
use std::sync::Arc;

pub const RUN: RunId = RunId(7);

pub fn span(start: usize, end: usize) -> TokenSpan {
    TokenSpan::new(start, end).unwrap()
}

pub fn triple(head: (usize, usize), relation: u16, tail: (usize, usize)) -> Triple {
    Triple {
        head: span(head.0, head.1),
        relation: RelationId(relation),
        tail: span(tail.0, tail.1),
    }
}

/// `words` split at spaces; a `_` before a word says that no space stands before it in the text.
pub fn sentence(id: u64, words: &str, entities: &[(usize, usize)]) -> Sentence {
    let mut text = String::new();
    let mut tokens = Vec::new();
    let words = words.replace('_', " \u{1}");
    for word in words.split(' ').filter(|w| !w.is_empty()) {
        let glued = word.strip_prefix('\u{1}');
        if glued.is_none() && !text.is_empty() {
            text.push(' ');
        }
        let start = text.len();
        text.push_str(glued.unwrap_or(word));
        tokens.extend(ByteSpan::new(start, text.len()));
    }
    let entity = |&(start, end): &(usize, usize)| Entity {
        span: span(start, end),
        kind: Some(EntityTypeId(u16::from(start > 2))),
        link: None,
    };
    Sentence {
        id: SentenceId(id),
        native_id: None,
        text,
        tokens,
        entities: entities.iter().map(entity).collect(),
        gold: Vec::new(),
        split: Split::Dev,
        file: "demo.jsonl".into(),
        line: id as u32 + 1,
    }
}

pub fn schema() -> RelationSchema {
    let mut schema = RelationSchema::from_names([
        "/people/person/place_lived",
        "/location/location/contains",
        "/people/person/nationality",
        "/people/person/place_of_birth",
        "/business/person/company",
        "/people/deceased_person/place_of_death",
        "/location/country/capital",
        "/location/neighborhood/neighborhood_of",
        "/business/company/founders",
        "/people/person/children",
        "/people/person/religion",
    ]);
    for kind in ["PERSON", "LOCATION", "ORGANIZATION"] {
        schema.intern_type(kind).unwrap();
    }
    let born = schema.find_relation("place_of_birth").unwrap();
    schema.info_mut(born).head_types = vec![EntityTypeId(0)];
    schema.info_mut(born).tail_types = vec![EntityTypeId(1)];
    schema
}

/// (words, entities, gold, predicted with RIN and kernel score).
type Sample = (
    &'static str,
    &'static [(usize, usize)],
    &'static [((usize, usize), u16, (usize, usize))],
    &'static [((usize, usize), u16, (usize, usize), f32, f32)],
);

const SAMPLES: &[Sample] = &[
    (
        "Ada Norwood_, who grew up in Larkhaven and now lives in Port Ellis_, Marland_, joined Tessel Instruments as its \
         chief engineer in 1998_, a year after the company moved its laboratories to the harbour_.",
        &[(0, 2), (7, 8), (12, 14), (15, 16), (18, 20)],
        &[
            ((0, 2), 0, (12, 14)),
            ((15, 16), 1, (12, 14)),
            ((0, 2), 0, (15, 16)),
            ((0, 2), 4, (18, 20)),
        ],
        &[
            ((0, 2), 0, (12, 14), 0.94, 0.91),
            ((15, 16), 1, (12, 14), 0.99, 0.97),
            ((0, 2), 4, (18, 20), 0.31, 0.22),
            ((0, 2), 0, (7, 8), 0.81, 0.77),
            ((0, 2), 3, (12, 14), 0.12, 0.07),
        ],
    ),
    (
        "The painter Ilse Brandt died on Tuesday in Oskar_, the capital of Veldra_.",
        &[(2, 4), (8, 9), (13, 14)],
        &[((2, 4), 5, (8, 9)), ((13, 14), 6, (8, 9))],
        &[
            ((2, 4), 5, (8, 9), 0.88, 0.90),
            ((8, 9), 6, (13, 14), 0.66, 0.71),
        ],
    ),
    (
        "Nothing is known of Quill_'s first years_.",
        &[(4, 5)],
        &[],
        &[],
    ),
    (
        "東京 の 作家 Haruka Mori は 大阪 に 住む \u{1b}[31mred\u{1b}[0m e\u{301}te\u{301} \u{202e}txet\u{202c} z\u{200b}w_.",
        &[(0, 1), (3, 5), (6, 7)],
        &[((3, 5), 0, (6, 7))],
        &[((3, 5), 0, (0, 1), 0.55, 0.61)],
    ),
];

pub fn detail_of(index: usize) -> Detail {
    let (words, entities, gold, predicted) = SAMPLES[index % SAMPLES.len()];
    let mut sentence = sentence(index as u64, words, entities);
    sentence.gold = gold
        .iter()
        .enumerate()
        .map(|(i, (h, r, t))| GoldTriple {
            triple: triple(*h, *r, *t),
            source: GoldSource::Distant,
            line: i as u32 + 1,
        })
        .collect();
    let scored =
        |(h, r, t, rin, kernel): &((usize, usize), u16, (usize, usize), f32, f32)| ScoredTriple {
            triple: triple(*h, *r, *t),
            scores: Scores {
                rin: Some(*rin),
                kernel: Some(*kernel),
                base: (*r == 0).then_some(0.52),
                naive: (*r == 0).then_some(0.61),
                full: (*r == 0).then_some(0.7),
                kb: (*r == 0).then_some(0.66),
                ..Scores::default()
            },
            runner_up: Some((RelationId(3), 0.31)),
        };
    let prediction = Prediction {
        sentence: sentence.id,
        run: RUN,
        covered: sentence.tokens.len() as u32,
        entities: Vec::new(),
        triples: predicted.iter().map(scored).collect(),
    };
    let annotation = Annotation::from_gold(&sentence);
    let mut detail = Detail {
        ticket: 0,
        sentence,
        annotation,
        prediction: Some(prediction),
        rows: Vec::new(),
        state: ReviewState::Todo,
        hits: Vec::new(),
        questions: Vec::new(),
        skipped_edits: Vec::new(),
    };
    rebuild(&mut detail);
    detail
}

/// Rows and state as the engine would make them.
fn rebuild(detail: &mut Detail) {
    let rule = DecisionRule::default();
    let prediction = detail.prediction.clone().unwrap();
    let scores = |t: Triple| prediction.triples.iter().find(|s| s.triple == t);
    let row = |triple: Triple, entry: Option<&AnnotatedTriple>| {
        let scored = scores(triple);
        let score = scored.and_then(|s| rule.score(&s.scores));
        let predicted = scored.is_some_and(|s| rule.accepts(s));
        let stands = entry.is_some_and(AnnotatedTriple::stands);
        let reversed = detail.annotation.find(triple.reversed()).is_some();
        TripleRow {
            triple,
            gold: entry.is_some_and(|e| matches!(e.origin, Origin::Gold(_))),
            stands,
            verdict: entry.and_then(|e| e.verdict),
            tags: entry.map(|e| e.tags.clone()).unwrap_or_default(),
            scores: scored.map(|s| s.scores).unwrap_or_default(),
            score,
            predicted,
            outcome: match (stands, predicted) {
                (true, true) => Some(Outcome::Correct),
                (true, false) => Some(Outcome::Missed),
                (false, true) if reversed => Some(Outcome::Reversed),
                (false, true) => Some(Outcome::Spurious),
                (false, false) => None,
            },
            confused: None,
            runner_up: scored.and_then(|s| s.runner_up),
        }
    };
    let mut rows: Vec<TripleRow> = detail
        .annotation
        .triples
        .iter()
        .map(|t| row(t.triple, Some(t)))
        .collect();
    for scored in &prediction.triples {
        if detail.annotation.find(scored.triple).is_none() {
            rows.push(row(scored.triple, None));
        }
    }
    let touched = detail
        .annotation
        .triples
        .iter()
        .any(|t| t.verdict.is_some());
    detail.rows = rows;
    detail.state = match (detail.annotation.done, touched) {
        (true, _) => ReviewState::Done,
        (false, true) => ReviewState::Started,
        (false, false) => ReviewState::Todo,
    };
}

fn rules() -> Vec<KnownRule> {
    let rule = |kind: &str, relation: &str, other: Option<&str>, state| {
        let rule = NamedRule {
            kind: kind.into(),
            relation: relation.into(),
            other: other.map(Into::into),
            types: None,
        };
        let sample = |judged, hits| Some(crate::analysis::Sample { judged, hits });
        KnownRule {
            words: rule.in_words(),
            rule,
            state,
            corpus: sample(60, 48),
            verdicts: sample(20, 19),
        }
    };
    let founders = "/business/company/founders";
    let company = Some("/business/person/company");
    vec![
        rule("implies-reversed", founders, company, RuleState::Accepted),
        rule("antisymmetric", founders, None, RuleState::Proposed),
    ]
}

/// As if all of these rows were asked about, the first before the others.
fn question(detail: &Detail, asked: fn(&TripleRow) -> bool) -> Option<Question> {
    let asked: Vec<&TripleRow> = detail.rows.iter().filter(|r| asked(r)).collect();
    let first = *asked.first()?;
    let surface = |span| detail.sentence.surface(span).to_owned();
    Some(Question {
        triple: first.triple,
        head: surface(first.triple.head),
        tail: surface(first.triple.tail),
        verdict: first.verdict,
        more: asked.len() - 1,
    })
}

/// As after some verdicts on a queue.
fn standing(query: &str) -> Standing {
    let named = |o: &Order| query.ends_with(o.name());
    let order = Order::ALL.into_iter().find(named);
    Standing {
        kind: match query {
            "queue:rules" => QueueKind::Rules,
            "queue:duplicates" => QueueKind::Duplicates,
            _ => QueueKind::Noise(crate::analysis::noise::Kind::Wrong),
        },
        order: order.unwrap_or(Order::Suspicious),
        tally: Tally {
            left: 1_234,
            judged: 57,
            confirmed: 41,
            expected: 310.0,
            sample: crate::analysis::Sample {
                judged: 25,
                hits: 3,
            },
            until: None,
        },
        calibrated: true,
        folds: false,
        anew_in: Some(22),
    }
}

pub fn info(n_sentences: usize) -> WorkspaceInfo {
    WorkspaceInfo {
        path: "/data/demo".into(),
        schema: schema(),
        n_sentences,
        model: "MiniLM RIN emnlp K=2 + kernel · 3f2a9c".into(),
        run: Some(RUN),
        kb: "3,120 facts".into(),
        rule: DecisionRule::default(),
        model_thresholds: Vec::new(),
        model_relations: (0..9).map(RelationId).collect(),
        n_corrections: 12,
    }
}

/// Answers requests out of a workspace of made-up sentences.
pub struct Engine {
    pub n: usize,
    details: std::collections::BTreeMap<u64, Detail>,
    seq: u64,
    history: Vec<(u64, Detail, String)>,
    /// The latest list and its sentences.
    listed: (Ticket, Vec<usize>),
}

impl Engine {
    pub fn new(n: usize) -> Self {
        Self {
            n,
            details: Default::default(),
            seq: 0,
            history: Vec::new(),
            listed: Default::default(),
        }
    }

    pub fn opened(&self) -> Reply {
        Reply::Opened(Arc::new(info(self.n)))
    }

    fn detail(&mut self, id: SentenceId) -> &mut Detail {
        self.details
            .entry(id.0)
            .or_insert_with(|| detail_of(id.0 as usize))
    }

    fn list_row(&mut self, index: usize, query: &str) -> ListRow {
        let detail = self.detail(SentenceId(index as u64));
        let question = match query {
            _ if query.starts_with("queue:") => question(detail, |r| r.gold),
            _ if query.starts_with("fp:") => question(detail, |r| r.predicted && !r.gold),
            _ => None,
        };
        let count = |f: fn(&TripleRow) -> bool| detail.rows.iter().filter(|r| f(r)).count() as u16;
        ListRow {
            id: detail.sentence.id,
            snippet: detail.sentence.text.clone(),
            state: detail.state,
            n_gold: count(|r| r.stands),
            n_predicted: count(|r| r.predicted),
            n_disagreements: count(|r| r.outcome.is_some_and(|o| o != Outcome::Correct)),
            predicted: index % 9 != 8,
            expected: Some(0.64),
            question,
        }
    }

    pub fn answer(&mut self, request: &Request) -> Vec<Reply> {
        match request.clone() {
            Request::Search {
                ticket,
                list,
                query,
                offset,
                limit,
            } => vec![self.search(ticket, list, &query, offset..offset + limit)],
            Request::Open { ticket, id, query } => {
                let mut detail = self.detail(id).clone();
                detail.ticket = ticket;
                if query.starts_with("fp:") {
                    let wrong = detail.rows.iter().filter(|r| r.predicted && !r.stands);
                    detail.hits = wrong.map(|r| r.triple).collect();
                }
                if query.starts_with("queue:") {
                    let gold = detail.rows.iter().filter(|r| r.gold);
                    detail.hits = gold.map(|r| r.triple).collect();
                    let open = detail.rows.iter().filter(|r| r.gold && r.verdict.is_none());
                    detail.questions = open.map(|r| (r.triple, None)).collect();
                }
                vec![Reply::Detail(Box::new(detail))]
            }
            Request::Explain { ticket, triple, .. } => {
                vec![Reply::Explanation(Box::new(explanation(ticket, triple)))]
            }
            Request::Study { ticket } => vec![Reply::Studied {
                ticket,
                study: Arc::new(study()),
            }],
            Request::Slices { ticket } => vec![Reply::Sliced {
                ticket,
                rows: slices(),
            }],
            Request::Compare { ticket, before } => vec![Reply::Compared {
                ticket,
                runs: runs(),
                found: compared(before).map(Arc::new),
            }],
            Request::Edit { id, edit } => vec![self.edit(id, edit)],
            Request::PlanDuplicates { verdict, .. } => {
                vec![Reply::Planned(Box::new(self.plan(1..3, "", verdict)))]
            }
            Request::Rules => vec![Reply::Rules(rules())],
            Request::PlanVerdict {
                rows,
                query,
                verdict,
                ..
            } => {
                vec![Reply::Planned(Box::new(self.plan(rows, &query, verdict)))]
            }
            Request::EditAll { edits } => {
                let mut ids: Vec<SentenceId> = edits.iter().map(|(id, _)| *id).collect();
                ids.dedup();
                let n = edits.len();
                for (id, edit) in edits {
                    self.edit(id, edit);
                }
                vec![Reply::SavedAll { edits: n, ids }]
            }
            Request::Undo => vec![self.undo()],
            _ => vec![],
        }
    }

    /// `state:todo` finds what its name says, among the first sentences; other queries find some of them.
    fn list(&mut self, list: Ticket, query: &str) {
        if self.listed.0 == list {
            return;
        }
        let n = match query {
            "" => self.n,
            "nothing" => 0,
            _ => self.n.min(210),
        };
        let todo = |i: &usize| self.detail(SentenceId(*i as u64)).state == ReviewState::Todo;
        let found = match query {
            "state:todo" => (0..n).filter(todo).collect(),
            // One in four has no label to ask about.
            _ if query.starts_with("queue:") => (0..n).filter(|i| i % 4 != 2).collect(),
            _ => (0..n).collect(),
        };
        self.listed = (list, found);
    }

    fn search(
        &mut self,
        ticket: Ticket,
        list: Ticket,
        query: &str,
        rows: std::ops::Range<usize>,
    ) -> Reply {
        if let Some(at) = query.find("bad:") {
            return Reply::BadQuery {
                ticket,
                column: query[..at].chars().count(),
                message: "unknown field `bad`".into(),
            };
        }
        self.list(list, query);
        let (offset, total) = (rows.start, self.listed.1.len());
        let page = self.listed.1[offset.min(total)..rows.end.min(total)].to_vec();
        let counts = |i: u16| RelationCounts {
            relation: RelationId(i),
            gold: [12_041, 5_120, 3_377, 1_904, 980, 402, 390, 77, 31, 4, 0][i as usize],
            predicted: [9_988, 5_233, 3_101, 1_870, 702, 388, 402, 12, 0, 0, 0][i as usize],
            false_positives: [2_100, 310, 204, 77, 12, 31, 9, 1, 0, 0, 0][i as usize],
            reviewed: [12, 4, 0, 0, 1, 0, 0, 0, 0, 0, 0][i as usize],
        };
        Reply::Page(Page {
            ticket,
            offset,
            total,
            rows: page.into_iter().map(|i| self.list_row(i, query)).collect(),
            relations: (0..11).map(counts).collect(),
            queue: query.starts_with("queue:").then(|| standing(query)),
        })
    }

    /// As if every query asked for false positives.
    fn plan(&mut self, rows: std::ops::Range<usize>, query: &str, verdict: Verdict) -> Plan {
        let mut edits = Vec::new();
        let mut edited = std::collections::BTreeSet::new();
        let names_triples = !query.starts_with("born");
        for at in rows.clone() {
            let detail = self.detail(SentenceId(self.listed.1[at] as u64));
            let id = detail.sentence.id;
            let asked = |r: &&TripleRow| names_triples && r.predicted && !r.stands;
            for row in detail.rows.iter().filter(asked) {
                edited.insert(id);
                let (triple, verdict) = (row.triple, Some(verdict));
                edits.push((id, Edit::Judge { triple, verdict }));
            }
        }
        Plan {
            verdict,
            sentences: rows.len(),
            relations: vec![(RelationId(0), edits.len())],
            edited: edited.len(),
            edits,
            names_triples,
            settled: usize::from(rows.len() > 1),
            otherwise: 0,
        }
    }

    fn edit(&mut self, id: SentenceId, edit: Edit) -> Reply {
        let before = self.detail(id).clone();
        let detail = self.detail(id);
        match detail.annotation.apply(&edit) {
            Err(error) => Reply::EditRefused {
                id,
                reason: error.to_string(),
            },
            Ok(next) => {
                detail.annotation = next;
                rebuild(detail);
                let after = detail.clone();
                self.seq += 1;
                self.history.push((id.0, before, format!("{edit:?}")));
                let correction = Correction {
                    seq: self.seq,
                    at_ms: 0,
                    by: "test".into(),
                    sentence: id,
                    seen: Some(RUN),
                    change: Change::Edit(edit),
                    batch: None,
                };
                Reply::Saved {
                    correction: Box::new(correction),
                    detail: Box::new(after),
                }
            }
        }
    }

    fn undo(&mut self) -> Reply {
        match self.history.pop() {
            None => Reply::Undone {
                what: "nothing to undo".into(),
                ids: vec![],
            },
            Some((id, before, what)) => {
                self.details.insert(id, before);
                let verb = what.split([' ', '{']).next().unwrap_or("").to_lowercase();
                Reply::Undone {
                    what: format!("undid: {verb}"),
                    ids: vec![SentenceId(id)],
                }
            }
        }
    }
}

fn explanation(ticket: Ticket, triple: Triple) -> Explanation {
    Explanation {
        ticket,
        triple: Some(triple),
        heat: Some(Heat {
            rows: vec!["Ada".into(), "Norwood".into()],
            columns: vec!["Port".into(), "Ellis".into()],
            p: vec![0.88, 0.95, 0.41, 0.07],
            mean: 0.58,
        }),
        rounds: vec![0.42, 0.77, 0.94],
        facts: vec!["Ada Norwood · place_lived · Port Ellis".into()],
        links: vec![
            ("Port Ellis".into(), 0.44),
            ("Larkhaven".into(), 0.21),
            ("Marland".into(), 0.04),
        ],
        bag: vec![
            BagRow {
                id: SentenceId(0),
                snippet: "Ada Norwood, who grew up in Larkhaven and now lives in Port Ellis".into(),
                weight: Some(0.71),
            },
            BagRow {
                id: SentenceId(9),
                snippet: "In Port Ellis, Ada Norwood spoke to the council".into(),
                weight: Some(0.29),
            },
        ],
        text_top: vec![("place_lived".into(), 0.74), ("NA".into(), 0.2)],
        kb_top: vec![("place_lived".into(), 0.66), ("place_of_birth".into(), 0.3)],
        mutual: None,
        duplicates: vec![],
        notes: vec!["tail is linked by an alias".into()],
    }
}
