//! The figures of docs/kb.md, on public data that is not part of the project. Run with
//! `REDRESS_DATA=FOLDER cargo test --lib kb::real_data -- --ignored --nocapture`, where FOLDER holds `kb/` and `nyt/`.

use super::*;
use crate::domain::{ByteSpan, Entity, RelationSchema, Sentence, SentenceId, Split, TokenSpan};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

fn data() -> PathBuf {
    std::env::var_os("REDRESS_DATA")
        .expect("set REDRESS_DATA")
        .into()
}

fn read_kb(folder: &str, files: &[&str], names: &[&str]) -> (KnowledgeBase, BuildCounts, Columns) {
    let folder = data().join("kb").join(folder);
    let mut builder = KnowledgeBaseBuilder::default();
    let mut columns = None;
    for file in files {
        let report = read_triples(&folder.join(file), ColumnOrder::Auto, &mut builder).unwrap();
        assert_eq!((report.duplicates, report.problems.count), (0, 0), "{file}");
        assert_eq!(report.order.confidence, Confidence::Sure, "{file}");
        columns = Some(report.order.columns);
    }
    for file in names {
        let scope = NameScope::EntitiesWithFacts;
        let report = read_names(&folder.join(file), scope, &mut builder).unwrap();
        assert_eq!(report.problems.count, 0, "{file}");
    }
    let (kb, counts) = builder.build();
    (kb, counts, columns.unwrap())
}

#[test]
#[ignore = "needs REDRESS_DATA"]
fn counts_of_public_sets() {
    let check = |folder, files: &[&str], expected, order| {
        let (_, counts, columns) = read_kb(folder, files, &[]);
        let found = (counts.entities, counts.relations, counts.facts);
        assert_eq!((found, columns), (expected, order), "{folder}");
    };
    let text = ["train.txt", "valid.txt", "test.txt"];
    let freebase = ["train.tsv.gz", "valid.tsv", "test.tsv"];
    use Columns::*;
    check(
        "fb15k-237",
        &freebase,
        (14_541, 237, 272_115 + 17_535 + 20_466),
        HeadRelationTail,
    );
    check("umls", &text, (135, 46, 6_529), HeadRelationTail);
    check("nations", &text, (14, 56, 2_024), RelationHeadTail);
    check("kinship", &text, (104, 25, 10_686), RelationHeadTail);
}

/// Head, relation and tail; head and tail are words of the sentence.
type Row = (usize, String, usize);

/// The arguments of a sentence's gold triples as its only words, and the triples over them.
fn arguments(triples: &serde_json::Value) -> (Sentence, Vec<Row>) {
    let mut names: Vec<String> = Vec::new();
    let mut id = |name: &serde_json::Value| {
        let name = name.as_str().unwrap();
        names.iter().position(|n| n == name).unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        })
    };
    let rows = triples.as_array().unwrap().iter();
    let gold = rows
        .map(|t| (id(&t[0]), t[1].as_str().unwrap().to_owned(), id(&t[2])))
        .collect();
    let (mut text, mut tokens, mut entities) = (String::new(), Vec::new(), Vec::new());
    for (i, name) in names.iter().enumerate() {
        tokens.extend(ByteSpan::new(text.len(), text.len() + name.len()));
        text.push_str(name);
        text.push('\n');
        entities.push(Entity {
            span: TokenSpan::new(i, i + 1).unwrap(),
            kind: None,
            link: None,
        });
    }
    let sentence = Sentence {
        id: SentenceId(0),
        native_id: None,
        text,
        tokens,
        entities,
        gold: Vec::new(),
        split: Split::Train,
        file: "nyt".into(),
        line: 1,
    };
    (sentence, gold)
}

/// Sentences of NYT train and dev, as [`arguments`] gives them.
fn nyt() -> Vec<(Sentence, Vec<Row>)> {
    let mut sentences = Vec::new();
    for file in ["train.json", "dev.json"] {
        let text = std::fs::read_to_string(data().join("nyt").join(file)).unwrap();
        let records = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
        for record in records {
            let rows = match record.unwrap() {
                serde_json::Value::Array(rows) => rows,
                row => vec![row],
            };
            sentences.extend(rows.iter().map(|row| arguments(&row["triple_list"])));
        }
    }
    sentences
}

fn freebase() -> KnowledgeBase {
    let facts = ["train.tsv.gz", "valid.tsv", "test.tsv"];
    read_kb(
        "fb15k-237",
        &facts,
        &["entity2text.txt", "entity2wikidata.json.gz"],
    )
    .0
}

#[test]
#[ignore = "needs REDRESS_DATA"]
fn labels_of_nyt_arguments() {
    let kb = freebase();
    let linker = Linker::new(&kb);
    let mut schema = RelationSchema::default();
    let labeller = Labeller::new(&kb, &linker, &RelationMap::nyt24(), &mut schema).unwrap();
    let mut counts = LabellingCounts::default();
    let mut per_relation: BTreeMap<String, [u64; 3]> = BTreeMap::new();
    let (mut n_arguments, mut by_exact_name) = (0, 0);
    let sentences = nyt();
    for (sentence, gold) in &sentences {
        let labelled = labeller.label(sentence);
        counts.add(&labelled);
        for argument in gold.iter().flat_map(|(head, _, tail)| [*head, *tail]) {
            n_arguments += 1;
            by_exact_name +=
                usize::from(labelled.links[argument].is_some_and(|l| {
                    (l.matching, l.matched) == (Matching::Exact, MatchedName::Name)
                }));
        }
        let gold: HashSet<_> = gold.iter().cloned().collect();
        for (_, relation, _) in &gold {
            per_relation.entry(relation.clone()).or_default()[0] += 1;
        }
        for t in labelled.gold.iter().map(|g| g.triple) {
            let relation = schema.name(t.relation).to_owned();
            let row = per_relation.entry(relation.clone()).or_default();
            row[1] += 1;
            row[2] += u64::from(gold.contains(&(t.head.start(), relation, t.tail.start())));
        }
    }
    let share = by_exact_name as f64 / n_arguments as f64;
    println!("{counts:?}\nexact names: {by_exact_name} of {n_arguments} arguments, {share:.3}");
    for (relation, [gold, labels, both]) in &per_relation {
        println!("{relation}\tin NYT {gold}\tlabels {labels}\tin both {both}");
    }
    let pairs = pairs_in_text(sentences.iter().map(|(s, _)| s), &kb, &linker);
    println!("{:?} in the text", kb.without_pairs(&pairs).1);
    let correct: u64 = per_relation.values().map(|[_, _, both]| both).sum();
    println!("{correct} of {} labels are in NYT", counts.labels);
    assert!((0.74..0.76).contains(&share), "{share}");
    assert!(correct as f64 / counts.labels as f64 > 0.97);
}

/// Pairs with a fact, and how many of them carry each label.
type PairCounts = (u32, BTreeMap<String, u32>);

/// The percentages in nyt24.toml: of the ordered mention pairs with a fact, how many carry each label of NYT.
#[test]
#[ignore = "needs REDRESS_DATA"]
fn rules_of_the_nyt_map() {
    let kb = freebase();
    let linker = Linker::new(&kb);
    let mut pairs: BTreeMap<(&str, &str), PairCounts> = BTreeMap::new();
    for (sentence, gold) in nyt() {
        let links = linker.link_sentence(&kb, &sentence);
        for (i, a) in links.iter().enumerate() {
            for (j, b) in links.iter().enumerate() {
                let (Some(a), Some(b), true) = (a, b, i != j) else {
                    continue;
                };
                let forward = kb
                    .facts_from_to(a.entity, b.entity)
                    .iter()
                    .map(|f| ("same", f));
                let back = kb
                    .facts_from_to(b.entity, a.entity)
                    .iter()
                    .map(|f| ("inverse", f));
                let labels: HashSet<_> = gold
                    .iter()
                    .filter(|g| (g.0, g.2) == (i, j))
                    .map(|g| &g.1)
                    .collect();
                for (direction, fact) in forward.chain(back) {
                    let key = (kb.relation_name(fact.relation), direction);
                    let (n, by_label) = pairs.entry(key).or_default();
                    *n += 1;
                    for label in &labels {
                        *by_label.entry((*label).clone()).or_default() += 1;
                    }
                }
            }
        }
    }
    assert!(!pairs.is_empty());
    for ((relation, direction), (n, by_label)) in pairs.iter().filter(|(_, (n, _))| *n >= 10) {
        for (label, k) in by_label.iter().filter(|(_, k)| 10 * **k >= *n) {
            println!(
                "{relation}\t{direction}\tpairs {n}\t{label}\t{:.0} %",
                100.0 * f64::from(*k) / f64::from(*n)
            );
        }
    }
}
