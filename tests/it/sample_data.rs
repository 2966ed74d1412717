//! The demo's data is what its README says, and its labels are as noisy as docs/results.md says.

use redress::domain::{SentenceIdx, Triple};
use redress::workspace::demo;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

fn truth() -> HashMap<String, Value> {
    include_str!("../../sample_data/truth.jsonl")
        .lines()
        .map(|line| {
            let record: Value = serde_json::from_str(line).unwrap();
            (record["id"].as_str().unwrap().to_owned(), record)
        })
        .collect()
}

#[test]
fn the_demo_is_as_large_and_as_noisy_as_its_documents_say() {
    let tmp = tempfile::tempdir().unwrap();
    let workspace = demo::open(&tmp.path().join("demo")).unwrap();
    let reader = workspace.read();
    let schema = reader.schema().unwrap();
    assert!(reader.sentence_count().unwrap() >= 600);
    let (facts, entities) = reader.kb_counts().unwrap();
    assert!(
        facts >= 3000 && entities >= 3000,
        "{facts} facts, {entities} entities"
    );
    let truth = truth();
    let (mut labels, mut wrong, mut missing, mut true_labels) = (0, 0, 0, 0);
    let mut next = Some(SentenceIdx(0));
    while let Some(from) = next {
        let page = reader.page(from, 500).unwrap();
        for (_, sentence) in &page.sentences {
            let spans: BTreeSet<_> = sentence.entities.iter().map(|e| e.span).collect();
            assert!(
                spans.len() >= 2,
                "{} has fewer than two entities",
                sentence.text
            );
            assert!(sentence.entities.iter().all(|e| e.kind.is_some()));
            let record = &truth[sentence.native_id.as_deref().unwrap()];
            let span = |id: &Value| sentence.entities[id.as_u64().unwrap() as usize].span;
            let expressed: BTreeSet<Triple> = record["relations"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|r| {
                    let relation = schema.relation(r["type"].as_str().unwrap())?;
                    Some(Triple {
                        head: span(&r["head"]),
                        relation,
                        tail: span(&r["tail"]),
                    })
                })
                .collect();
            let gold: BTreeSet<Triple> = sentence.gold.iter().map(|g| g.triple).collect();
            labels += gold.len();
            true_labels += expressed.len();
            wrong += gold.difference(&expressed).count();
            missing += expressed.difference(&gold).count();
        }
        next = page.next;
    }
    println!(
        "{labels} distant labels, {wrong} wrong; {true_labels} true labels, {missing} missing"
    );
    let documented = include_str!("../../docs/results.md");
    let sentence = format!(
        "{labels} distant labels, {wrong} of them wrong; {true_labels} true labels, {missing} of them missing"
    );
    assert!(
        documented.contains(&sentence),
        "docs/results.md should say: {sentence}"
    );
}
