use super::mentions::{EntityNumbers, Negatives, collect};
use super::*;
use crate::domain::{
    ByteSpan, Entity, Prediction, RelationId, RunId, ScoredTriple, Scores, Sentence, SentenceId,
    Split, TokenSpan, Triple,
};
use crate::kb::RelationMap;
use crate::model::bags::BagBank;
use crate::model::complex::one_vs_all::OneVsAllConfig;
use crate::model::encoder::EncoderConfig;
use crate::model::encoder::bilstm::BiLstmConfig;
use crate::model::files::{Precision, Source, decode_tensors};
use crate::model::hrere::HrereConfig;
use crate::model::params::Params;
use crate::model::sentence::{Heads, ModelConfig, SentenceModel};
use crate::model::tokens::WordPieces;
use crate::model::words::BagSentence;
use crate::store::KbRows;
use crate::train::bags::BagOptions;
use crate::train::fit::FitOptions;
use crate::workspace::Workspace;
use crate::workspace::knowledge::Knowledge;
use crate::workspace::messages::Explanation;
use candle_core::Device;
use std::sync::Arc;

/// Head, words between, tail, split. The last word stands alone; mentions are single words.
const TEXT: [(&str, &str, &str, Split); 11] = [
    ("Ann", "was born in", "Rome", Split::Train),
    ("Bob", "was born in", "Oslo", Split::Train),
    ("Cid", "was born in", "Lima", Split::Train),
    ("Dan", "was born in", "Bonn", Split::Train),
    ("Ann", "flew to", "Oslo", Split::Train),
    ("Bob", "flew to", "Lima", Split::Train),
    ("Cid", "flew to", "Bonn", Split::Train),
    ("Ann", "returned to", "Rome", Split::Train),
    ("Eve", "was born in", "Kyiv", Split::Dev),
    ("Eve", "flew to", "Rome", Split::Dev),
    ("Zoe", "was born in", "Rome", Split::Dev),
];
const PEOPLE: [&str; 5] = ["Ann", "Bob", "Cid", "Dan", "Eve"];
const PLACES: [&str; 5] = ["Rome", "Oslo", "Lima", "Bonn", "Kyiv"];

fn sentence(number: usize) -> Sentence {
    let (head, between, tail, split) = TEXT[number];
    let text = format!("{head} {between} {tail} .");
    let mut tokens = Vec::new();
    let mut at = 0;
    for word in text.split(' ') {
        tokens.push(ByteSpan::new(at, at + word.len()).unwrap());
        at += word.len() + 1;
    }
    let n = tokens.len();
    let mention = |i: usize| Entity {
        span: TokenSpan::new(i, i + 1).unwrap(),
        kind: None,
        link: None,
    };
    Sentence {
        id: SentenceId(number as u64),
        native_id: None,
        entities: vec![mention(0), mention(n - 2)],
        tokens,
        text,
        gold: Vec::new(),
        split,
        file: "made.jsonl".into(),
        line: number as u32 + 1,
    }
}

/// Each person is born in the place of the same number and has an employer there; Zoe is unknown.
fn knowledge_base() -> KbRows {
    let mut rows = KbRows {
        relations: vec!["/kb/born".into(), "/kb/works".into(), "/kb/seat".into()],
        ..KbRows::default()
    };
    for (i, (person, place)) in PEOPLE.iter().zip(PLACES).enumerate() {
        let (p, l, firm) = (3 * i as u32, 3 * i as u32 + 1, 3 * i as u32 + 2);
        rows.entities
            .push((format!("m{i}p"), Some((*person).to_owned())));
        rows.entities
            .push((format!("m{i}l"), Some(place.to_owned())));
        rows.entities
            .push((format!("m{i}f"), Some(format!("Firm {i}"))));
        rows.facts.extend([(p, 0, l), (p, 1, firm), (firm, 2, l)]);
    }
    // A birth that no sentence names.
    rows.facts.push((0, 0, 7));
    rows.facts.push((3, 0, 13));
    rows
}

pub struct World {
    _dir: tempfile::TempDir,
    pub workspace: Workspace,
    pub model: SentenceModel,
    pub params: Params,
}

fn map() -> RelationMap {
    let text = "[map]\n\"/kb/born\" = \"/people/born\"\n";
    RelationMap::from_toml("test", text).unwrap()
}

pub fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let mut workspace = Workspace::open_or_create(dir.path()).unwrap();
    let sentences: Vec<Sentence> = (0..TEXT.len()).map(sentence).collect();
    let schema = workspace.schema.clone();
    workspace.store.add_sentences(&sentences, &schema).unwrap();
    workspace.store.put_kb(&knowledge_base()).unwrap();
    let report = workspace.label(Some(&map()), &mut |_, _| true).unwrap();
    assert_eq!((report.labels, report.linked), (6, 21));
    let words = sentences.iter().flat_map(|s| s.words());
    let tokens = WordPieces::train(words, 200).unwrap();
    let encoder = BiLstmConfig {
        piece_width: 12,
        width: 8,
        ..BiLstmConfig::new(tokens.n_ids())
    };
    let labels = vec!["/people/born".to_owned(), "/other".to_owned()];
    let config = ModelConfig::new(EncoderConfig::BiLstm(encoder), labels, Heads::default());
    let params = Params::new(&Device::Cpu, 3);
    let model = SentenceModel::from_params(&params, config, Arc::new(tokens), RunId(1)).unwrap();
    World {
        _dir: dir,
        workspace,
        model,
        params,
    }
}

fn settings() -> BagSettings {
    let demo = BagSettings::demo();
    BagSettings {
        hrere: HrereConfig {
            hidden: 16,
            dense: 16,
            position_dim: 4,
            bag_size: 2,
            dropout_input: 0.0,
            dropout_hidden: 0.0,
            dropout_dense: 0.0,
            ..demo.hrere.clone()
        },
        kb: KbSettings {
            one_vs_all: Some(OneVsAllConfig {
                dim: 8,
                batch: 16,
                epochs: 20,
                ..OneVsAllConfig::default()
            }),
            ..KbSettings::default()
        },
        train: BagOptions {
            fit: FitOptions {
                epochs: 60,
                batch: 8,
                patience: 60,
                ..demo.train.fit.clone()
            },
            text_rate: 0.02,
            kb_rate: 0.01,
            ..demo.train.clone()
        },
        ..demo
    }
}

fn train(world: &World, cancelled: &dyn Fn() -> bool) -> TrainedBank {
    train_bags(BagTraining {
        reader: world.workspace.read(),
        model: &world.model,
        map: &map(),
        settings: &settings(),
        kb_model: None,
        keep: None,
        observe: &mut |_| {},
        cancelled,
    })
    .unwrap()
}

fn scorer(world: &World) -> (BagScorer, BagReport) {
    match train(world, &|| false) {
        TrainedBank::Finished(done) => {
            let (bank, report) = *done;
            (BagScorer::new(bank, &world.model).unwrap(), report)
        }
        TrainedBank::Stopped => panic!("nobody stopped it"),
    }
}

pub fn triple(sentence: &Sentence, relation: u16) -> Triple {
    Triple {
        head: sentence.entities[0].span,
        relation: RelationId(relation),
        tail: sentence.entities[1].span,
    }
}

#[test]
fn a_tiny_workspace_trains_scores_explains_and_evaluates() {
    let world = world();
    let (scorer, report) = scorer(&world);
    assert_eq!(report.classes, ["NA", "/people/born"]);
    assert_eq!((report.facts.known, report.facts.dropped_facts), (17, 5));
    assert_eq!((report.train.positives, report.train.unlinked), (5, 0));
    assert!(report.na_bags > 0 && report.systems.len() == 3);
    let born = scorer.bank.relation_row("/people/born");
    assert!(born.is_some() && scorer.bank.relation_row("/kb/works").is_some());

    let reader = world.workspace.read();
    let knowledge = Knowledge::load(reader).unwrap().unwrap();
    scores_of_known_and_unknown_pairs(&world, &scorer, &knowledge);
    entity_rows_are_stored_once(&world, &scorer);
    explanation_of_a_pair(&world, &scorer, &knowledge);

    let done = evaluate_bags(reader, &scorer, &knowledge, Split::Train, &mut |_, _| true);
    let done = done.unwrap().unwrap();
    assert_eq!((done.positives, done.unknown_relations), (5, 0));
    assert_eq!((done.cases, done.cases_with_vectors), (16, 16));
    let base = &done.systems[0];
    assert_eq!(base.system, "base");
    assert!(base.average_precision > 0.7, "{base:?}");
    assert!(serde_json::to_string(&done).unwrap().contains("protocol"));
    let stopped = evaluate_bags(reader, &scorer, &knowledge, Split::Train, &mut |_, _| false);
    assert!(stopped.unwrap().is_none());
}

/// Fixed entity rows are ComplEx's: the files hold no others, and a bank read back scores alike.
fn entity_rows_are_stored_once(world: &World, scorer: &BagScorer) {
    let dir = tempfile::tempdir().unwrap();
    let files = scorer.bank.files(Precision::F32).unwrap();
    for (name, bytes) in &files {
        std::fs::write(dir.path().join(name), bytes).unwrap();
    }
    let stored = decode_tensors(&files[1].1, "weights").unwrap();
    assert!(stored.contains_key("complex.ent_re") && stored.contains_key("full.kb.rel_re"));
    assert!(stored.keys().all(|name| !name.contains(".kb.ent_")));
    let back = BagBank::load(Source::Dir(dir.path()), &Device::Cpu)
        .unwrap()
        .unwrap();
    let back = BagScorer::new(back, &world.model).unwrap();
    let sentence = world.workspace.read().sentence(SentenceId(0)).unwrap();
    let knowledge = Knowledge::load(world.workspace.read()).unwrap();
    let ask = |scorer: &BagScorer| {
        let (head, tail) = (sentence.entities[0].span, sentence.entities[1].span);
        let case = scorer.case(knowledge.as_ref(), &sentence, 0, head, tail);
        let kept = [BagSentence::new(&sentence, 100)];
        scorer.ask(&kept, &[case]).unwrap()
    };
    let (before, after) = (ask(scorer), ask(&back));
    assert!(before[0].full.z_kb.is_some());
    assert_eq!(before, after);
}

fn scores_of_known_and_unknown_pairs(world: &World, scorer: &BagScorer, knowledge: &Knowledge) {
    let reader = world.workspace.read();
    let stored = |n: u64| reader.sentence(SentenceId(n)).unwrap();
    let sentences = [stored(0), stored(10), stored(4), stored(2)];
    let schema = world.workspace.schema();
    let kept = |s: &Sentence, relations: &[u16]| Prediction {
        sentence: s.id,
        run: RunId(1),
        covered: 4,
        entities: Vec::new(),
        triples: relations
            .iter()
            .map(|r| ScoredTriple {
                triple: triple(s, *r),
                scores: Scores {
                    kernel: Some(0.5),
                    ..Scores::default()
                },
                runner_up: None,
            })
            .collect(),
    };
    let mut predictions = [
        kept(&sentences[0], &[0, 7]),
        kept(&sentences[1], &[0]),
        kept(&sentences[2], &[]),
        kept(&sentences[3], &[0]),
    ];
    let refs: Vec<&Sentence> = sentences.iter().collect();
    let name = |r: RelationId| schema.relations().get(r.index()).map(|i| i.name.as_str());
    scorer
        .score(Some(knowledge), &refs, &mut predictions, name)
        .unwrap();
    let cells = |p: usize, t: usize| {
        let s = predictions[p].triples[t].scores;
        assert_eq!((s.rin, s.kernel, s.mutual), (None, Some(0.5), None));
        [s.base, s.naive, s.full, s.kb].map(|c| c.is_some())
    };
    assert_eq!(cells(0, 0), [true; 4]);
    assert_eq!(cells(0, 1), [false; 4], "a relation that no class is");
    assert_eq!(cells(1, 0), [true, true, true, false], "Zoe is not linked");
    assert_eq!(cells(3, 0), [true; 4]);
    // Zoe's birth reads as Ann's does; only the name differs.
    assert!(predictions[1].triples[0].scores.base > Some(0.5));

    // Spans that the sentence does not list are linked by their text; without a knowledge base they are not.
    let mut bare = sentences[0].clone();
    bare.entities.clear();
    for (base, expected) in [(Some(knowledge), true), (None, false)] {
        let mut one = [kept(&sentences[0], &[0])];
        scorer.score(base, &[&bare], &mut one, name).unwrap();
        assert_eq!(one[0].triples[0].scores.kb.is_some(), expected);
        let alone = one[0].triples[0].scores.base.unwrap();
        let among = predictions[0].triples[0].scores.base.unwrap();
        assert!((alone - among).abs() < 1e-4);
    }
}

fn explanation_of_a_pair(world: &World, scorer: &BagScorer, knowledge: &Knowledge) {
    let reader = world.workspace.read();
    let searcher = world.workspace.index.searcher();
    let corpus = Corpus {
        reader,
        searcher: Some(&searcher),
        schema: world.workspace.schema(),
    };
    let told = |n: u64, scorer: Option<&BagScorer>| {
        let sentence = reader.sentence(SentenceId(n)).unwrap();
        let mut into = Explanation::default();
        let triple = triple(&sentence, 0);
        explain(
            scorer,
            Some(knowledge),
            corpus,
            &sentence,
            triple,
            &mut into,
        )
        .unwrap();
        into
    };
    let ann = told(0, Some(scorer));
    assert_eq!(ann.facts, ["Ann · born · Rome"]);
    assert_eq!(ann.links.len(), 5);
    assert_eq!((ann.text_top.len(), ann.kb_top.len()), (2, 2));
    let ids: Vec<u64> = ann.bag.iter().map(|b| b.id.0).collect();
    assert_eq!(ids, [0, 7], "Ann returned to Rome");
    let sum: f32 = ann.bag.iter().filter_map(|b| b.weight).sum();
    assert!((sum - 1.0).abs() < 1e-5);
    assert!(ann.notes.is_empty(), "{:?}", ann.notes);

    let zoe = told(10, Some(scorer));
    assert_eq!(
        (zoe.bag.len(), zoe.kb_top.len(), zoe.text_top.len()),
        (1, 0, 2)
    );
    assert!(
        zoe.notes[0].contains("head is not linked"),
        "{:?}",
        zoe.notes
    );

    let without = told(0, None);
    assert_eq!((without.bag.len(), without.bag[0].weight), (2, None));
    assert!(without.notes.iter().any(|n| n.contains("no bag systems")));
}

#[test]
fn a_stopped_run_says_so() {
    let world = world();
    assert!(matches!(train(&world, &|| true), TrainedBank::Stopped));
}

#[test]
fn na_mentions_are_sampled_by_pair_and_never_taken_from_a_pair_with_a_fact() {
    let world = world();
    let reader = world.workspace.read();
    let knowledge = Knowledge::load(reader).unwrap().unwrap();
    let check = |negatives, expected: (u64, u64, u64, u64)| {
        let mut numbers = EntityNumbers::new(&knowledge.kb);
        let found = collect(reader, Split::Train, &mut numbers, 100, negatives).unwrap();
        let c = found.counts;
        assert_eq!(
            (c.positives, c.negatives, c.left_out, c.not_sampled),
            expected
        );
        assert_eq!(found.mentions.len() as u64, c.positives + c.negatives);
        let last = found.mentions.iter().map(|m| m.sentence).max().unwrap();
        assert_eq!(last + 1, found.sentences.len());
    };
    check(Negatives::All, (5, 11, 0, 0));
    let sample = |ratio| Negatives::PerPositive { ratio, seed: 1 };
    check(sample(9.0), (5, 11, 0, 0));
    check(sample(0.0), (5, 0, 0, 11));
}

#[test]
fn settings_are_toml_tables() {
    let text = "negatives = 1.0\n[hrere]\nhidden = 7\n[kb.negative_sampling]\nsteps = 9\n[train.fit]\nepochs = 2\n";
    let read: BagSettings = toml::from_str(text).unwrap();
    assert_eq!((read.hrere.hidden, read.train.fit.epochs), (7, 2));
    let negatives = read.kb.negative_sampling.as_ref();
    assert_eq!(negatives.map(|c| c.steps), Some(9));
    let back: BagSettings = toml::from_str(&toml::to_string(&read).unwrap()).unwrap();
    assert_eq!(back, read);
    assert!(toml::from_str::<BagSettings>("hiden = 1").is_err());
    assert_eq!(BagSettings::preset("paper").unwrap().hrere.hidden, 320);
    assert!(BagSettings::preset("huge").is_err());
}
