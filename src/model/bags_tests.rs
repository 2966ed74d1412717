use super::*;
use crate::domain::TokenSpan;
use crate::model::complex::TableInit;
use crate::model::hrere::{BagRows, MarkedSentence, insert_tables};
use crate::model::test_support::uniform;
use std::fs;

const CLASSES: usize = 3;

fn bank() -> BagBank {
    let hrere = HrereConfig {
        word_dim: 6,
        position_dim: 2,
        hidden: 5,
        dense: 4,
        ..HrereConfig::default()
    };
    let init = TableInit::Normal { std: 0.5 };
    let complex = ComplexTables::init(4, 2, 3, EntityForm::Tanh, init, 1);
    let joint = [0, 2, 3];
    let tables = complex.restrict(&joint, &[None, Some(1), Some(0)], init, 2);
    let params = System::ALL.map(|system| {
        let params = Params::new(&Device::Cpu, system as u64);
        if system != System::Base {
            insert_tables(&params, &tables).unwrap();
        }
        let shape = KbShape::of(&tables);
        JointModel::new(&params, &hrere, CLASSES, system, shape).unwrap();
        params
    });
    let names = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
    let config = BankConfig::new(
        hrere,
        1.5,
        names(&[NA, "/r/b", "/r/a"]),
        names(&["/r/a", "/r/b"]),
        names(&["e0", "e1", "e2", "e3"]),
        joint.to_vec(),
        &complex,
    );
    let trained: Vec<_> = System::ALL.into_iter().zip(&params).collect();
    BagBank::from_trained(config, &complex, &trained, &Device::Cpu).unwrap()
}

/// Two bags over one sentence of four words; entities of the first are `pair`, those of the second unknown.
fn ask(bank: &BagBank, pair: (&str, &str)) -> Vec<BagAnswer> {
    let row = |id| {
        bank.entity_row(id)
            .and_then(|e| bank.joint_rows().get(&e).copied())
    };
    let span = |i| TokenSpan::new(i, i + 1).unwrap();
    let marked = MarkedSentence {
        n_words: 4,
        head: span(0),
        tail: span(3),
    };
    let bag = |pair| BagRows {
        sentences: vec![0],
        pair,
    };
    let words = uniform((4, 6), 5).reshape((1, 4, 6)).unwrap();
    let bags = vec![bag(row(pair.0).zip(row(pair.1))), bag(None)];
    let batch = BagBatch::new(words, vec![marked], bags).unwrap();
    bank.predict(&batch).unwrap()
}

/// A directory that has a sentence model's config and no more.
fn model_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(files::CONFIG), "{}").unwrap();
    dir
}

#[test]
fn a_bank_comes_back_from_its_directory_bit_for_bit() {
    let (bank, dir) = (bank(), model_dir());
    let load = || BagBank::load(Source::Dir(dir.path()), &Device::Cpu).unwrap();
    assert!(load().is_none(), "a model without bag systems");
    bank.save(dir.path(), Precision::F32).unwrap();
    let back = load().unwrap();
    assert_eq!(back.config(), bank.config());
    assert_eq!(back.complex(), bank.complex());
    assert_eq!(ask(&back, ("e0", "e3")), ask(&bank, ("e0", "e3")));
    assert_eq!(back.run(RunId(7)), bank.run(RunId(7)));
    assert_ne!(back.run(RunId(7)), back.run(RunId(8)));
    assert_eq!(fs::read(dir.path().join(files::CONFIG)).unwrap(), b"{}");
}

#[test]
fn a_bank_inside_the_binary_is_read_at_every_precision() {
    let bank = bank();
    let full = ask(&bank, ("e0", "e3"));
    for (precision, tolerance) in [
        (Precision::F32, 0.0),
        (Precision::F16, 0.01),
        (Precision::Int8, 0.1),
    ] {
        let files: Vec<(&'static str, &'static [u8])> = bank
            .files(precision)
            .unwrap()
            .into_iter()
            .map(|(name, bytes)| (name, &*bytes.leak()))
            .collect();
        let back = BagBank::load(Source::Bytes(files.leak()), &Device::Cpu);
        let back = ask(&back.unwrap().unwrap(), ("e0", "e3"));
        for (a, b) in full[0].full.z_text.iter().zip(&back[0].full.z_text) {
            assert!((a - b).abs() <= tolerance, "{precision:?}: {a} {b}");
        }
    }
    let none = BagBank::load(Source::Bytes(&[]), &Device::Cpu);
    assert!(none.unwrap().is_none());
}

#[test]
fn a_pair_without_joint_rows_is_text_only() {
    let bank = bank();
    let both = ask(&bank, ("e0", "e3"));
    assert!(both[0].full.z_kb.is_some() && both[1].full.z_kb.is_none());
    let row = bank.row(1, &both[0]);
    assert!(row.kb.is_some() && row.full.is_some_and(|c| !c.text_only));
    let row = bank.row(1, &both[1]);
    assert!(row.kb.is_none() && row.naive.is_some_and(|c| c.text_only));
    assert!(
        ask(&bank, ("e1", "e3"))[0].full.z_kb.is_none(),
        "e1 has no joint row"
    );

    let ids = HashSet::from(["e3".to_owned(), "e2".to_owned()]);
    let small = bank.restrict_to(&ids, &Device::Cpu).unwrap();
    assert_eq!(small.config().joint, [2, 3]);
    assert_eq!(ask(&small, ("e2", "e3")), ask(&bank, ("e2", "e3")));
    assert!(ask(&small, ("e0", "e3"))[0].full.z_kb.is_none());
    assert_eq!(small.complex(), bank.complex());
    let none = bank.restrict_to(&HashSet::new(), &Device::Cpu).unwrap();
    assert!(ask(&none, ("e2", "e3"))[0].naive.z_kb.is_none());
}

#[test]
fn names_lead_to_classes_and_rows() {
    let bank = bank();
    assert_eq!(
        (bank.class("/r/b"), bank.class(NA), bank.class("?")),
        (Some(1), None, None)
    );
    assert_eq!(
        (bank.relation_row("/r/b"), bank.relation_row(NA)),
        (Some(1), None)
    );
    assert_eq!(
        (bank.entity_row("e3"), bank.entity_row("x")),
        (Some(3), None)
    );
}

#[test]
fn damaged_and_newer_banks_are_refused_in_words() {
    let bank = bank();
    let refused = |change: &dyn Fn(&mut serde_json::Value), expected: &str| {
        let dir = model_dir();
        bank.save(dir.path(), Precision::F32).unwrap();
        let path = dir.path().join(CONFIG);
        let mut json: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut json);
        fs::write(&path, json.to_string()).unwrap();
        let message = match BagBank::load(Source::Dir(dir.path()), &Device::Cpu) {
            Err(error) => error.to_string(),
            Ok(_) => String::new(),
        };
        assert!(message.contains(expected), "{message:?} lacks {expected:?}");
    };
    refused(&|j| j["version"] = 9.into(), "newer redress");
    refused(
        &|j| j["joint"] = serde_json::json!([0, 2, 9]),
        "there are 4 entities",
    );
    refused(&|j| j["joint"] = serde_json::json!([2, 0]), "not ascending");
    refused(
        &|j| j["classes"] = serde_json::json!(["x", "y", "z"]),
        "first class",
    );
    refused(
        &|j| j["entities"] = serde_json::json!(["e0", "e1", "e2", "e3", "e4"]),
        "ent_re",
    );
    refused(&|j| j["classes"] = serde_json::json!([NA, "y"]), "shape");
    let dir = tempfile::tempdir().unwrap();
    assert!(
        bank.save(dir.path(), Precision::F32).is_err(),
        "no sentence model there"
    );
}
