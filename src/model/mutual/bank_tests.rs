use super::*;
use crate::domain::TokenSpan;
use crate::model::hrere::{Bag, BagSource, PairMention, WordVectors};
use crate::model::mutual::Vertex;

const WIDTH: usize = 3;

struct Words;

impl WordVectors for Words {
    fn look_up(&self, sentences: &[usize], _: usize) -> candle_core::Result<(Tensor, Vec<usize>)> {
        let n = sentences.len();
        let values: Vec<f32> = (0..n * 4 * WIDTH).map(|i| (i as f32).sin()).collect();
        let words = Tensor::from_vec(values, (n, 4, WIDTH), &Device::Cpu)?;
        Ok((words, vec![4; n]))
    }
    fn n_words(&self, _: usize) -> usize {
        4
    }
    fn describe(&self, sentence: usize) -> String {
        format!("sentence {sentence}")
    }
}

fn bank() -> MutualBank {
    let vertices: Vec<Vertex> = ["Queens", "New York", "Paris", "France", "Rome"]
        .iter()
        .map(|n| Vertex::of(None, n))
        .collect();
    let values = [
        1.0, 0.0, 1.0, 1.0, // Queens -> New York: (0, 1)
        0.0, 1.0, 0.0, 2.1, // Paris -> France: (0, 1.1)
        5.0, 0.0,
    ];
    let vectors = EntityVectors::new(vertices, values.to_vec(), BTreeMap::new()).unwrap();
    let model = MutualConfig {
        word_dim: WIDTH,
        project: 2,
        filters: 4,
        ..MutualConfig::default()
    };
    let classes = vec![NA.to_owned(), "contains".to_owned()];
    let pair = |head, tail| KnownPair {
        head,
        tail,
        class: 1,
    };
    let config = MutualBankConfig {
        types: vec!["LOCATION".to_owned(), "PERSON".to_owned()],
        typed: BTreeMap::from([("paris".to_owned(), vec![0])]),
        pairs: vec![pair(2, 3), pair(1, 0), pair(0, 4)],
        ..MutualBankConfig::new(model, 1.0, classes)
    };
    let sizes = Sizes {
        n_classes: 2,
        n_types: 2,
        vector_width: 2,
    };
    let params: Vec<(System, Params)> = System::ALL
        .into_iter()
        .map(|system| {
            let params = Params::new(&Device::Cpu, 5);
            MutualModel::new(&params, &config.model, sizes, system).unwrap();
            (system, params)
        })
        .collect();
    let trained: Vec<(System, &Params)> = params.iter().map(|(s, p)| (*s, p)).collect();
    MutualBank::from_trained(config, vectors, &trained, &Device::Cpu).unwrap()
}

fn answers(bank: &MutualBank, system: System) -> Vec<MutualAnswer> {
    let mentions = [PairMention {
        sentence: 0,
        head_span: TokenSpan::new(0, 1).unwrap(),
        tail_span: TokenSpan::new(2, 3).unwrap(),
        head: 0,
        tail: 1,
        relations: vec![],
    }];
    let rows = HashMap::new();
    let source = BagSource {
        mentions: &mentions,
        vectors: &Words,
        kb_rows: &rows,
    };
    let entities = ["Queens", "New York", "nobody"].map(|n| bank.facts(None, n, None));
    let bag = |tail| Bag {
        relation: 0,
        head: 0,
        tail,
        mentions: vec![0],
    };
    let (known, unknown) = (bag(1), bag(2));
    let batch = MutualBatch::new(
        &source,
        &entities,
        bank.vectors().table(),
        &[&known, &unknown],
        10,
    )
    .unwrap();
    bank.predict(system, &batch).unwrap()
}

fn write(bank: &MutualBank, dir: &std::path::Path) {
    for (name, bytes) in bank.files(Precision::F32).unwrap() {
        std::fs::write(dir.join(name), bytes).unwrap();
    }
}

#[test]
fn a_bank_comes_back_to_the_same_bits() {
    let bank = bank();
    let dir = tempfile::tempdir().unwrap();
    assert!(
        MutualBank::load(Source::Dir(dir.path()), &Device::Cpu)
            .unwrap()
            .is_none()
    );
    write(&bank, dir.path());
    let back = MutualBank::load(Source::Dir(dir.path()), &Device::Cpu)
        .unwrap()
        .unwrap();
    assert_eq!(back.config(), bank.config());
    assert_eq!(back.run(RunId(7)), bank.run(RunId(7)));
    for system in System::ALL {
        assert_eq!(answers(&bank, system), answers(&back, system));
    }
}

#[test]
fn shares_sum_to_the_log_odds_and_a_dropped_term_is_marked() {
    let bank = bank();
    let all = answers(&bank, System::PaTmr);
    assert_eq!(
        all.iter().map(|a| a.mutual_missing).collect::<Vec<_>>(),
        [false, true]
    );
    for answer in &all {
        let shares = answer.shares(1);
        assert_eq!(shares[1].is_none(), answer.mutual_missing);
        let sum: f32 = shares.iter().flatten().sum();
        let odds = (answer.p[1] / answer.p[0]).ln();
        assert!((sum - odds).abs() < 1e-5, "{sum} {odds}");
        assert!((answer.p.iter().sum::<f32>() - 1.0).abs() < 1e-5);
    }
    let base = answers(&bank, System::Base);
    assert!(
        base.iter()
            .all(|a| !a.mutual_missing && a.terms[1].is_none() && a.terms[2].is_none())
    );
}

#[test]
fn the_nearest_pair_points_the_same_way() {
    let bank = bank();
    let near = bank.nearest_pairs(0, 1, 2);
    assert_eq!((near[0].0.head, near[0].0.tail), (2, 3));
    assert!((near[0].1 - 1.0).abs() < 1e-6);
    assert_eq!((near[1].0.head, near[1].0.tail), (0, 4));
    assert_eq!(bank.config().types_of("Paris", Some("PERSON")), [0, 1]);
    assert_eq!(bank.config().types_of("Paris", Some("LOCATION")), [0]);
    assert!(
        bank.config()
            .types_of("Berlin", Some("nothing known"))
            .is_empty()
    );
}

#[test]
fn damaged_and_newer_files_are_refused_by_name() {
    let bank = bank();
    let check = |change: &dyn Fn(&mut serde_json::Value), expected: &str| {
        let dir = tempfile::tempdir().unwrap();
        write(&bank, dir.path());
        let file = dir.path().join(CONFIG);
        let mut json = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        change(&mut json);
        std::fs::write(&file, serde_json::to_vec(&json).unwrap()).unwrap();
        let error = MutualBank::load(Source::Dir(dir.path()), &Device::Cpu)
            .err()
            .unwrap();
        assert!(
            error.to_string().contains(expected),
            "{error} lacks {expected}"
        );
    };
    check(&|j| j["version"] = 9.into(), "newer redress");
    check(
        &|j| j["classes"][0] = "x".into(),
        "the first class is not NA",
    );
    check(&|j| j["pairs"][0]["head"] = 77.into(), "has no vectors");
    check(&|j| j["model"]["filters"] = 5.into(), "shape");
}
