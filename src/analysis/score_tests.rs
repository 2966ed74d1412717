use super::*;
use proptest::prelude::*;
use serde_json::Value;
use std::collections::HashMap;

/// A golden file and the ids given to the names in it.
pub fn golden(name: &str) -> (Value, Names) {
    let path = format!("{}/tests/golden/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    (serde_json::from_str(&text).unwrap(), Names::default())
}

#[derive(Default)]
pub struct Names(HashMap<String, usize>);

impl Names {
    fn id(&mut self, name: &Value) -> usize {
        let next = self.0.len();
        *self
            .0
            .entry(name.as_str().unwrap().to_owned())
            .or_insert(next)
    }

    /// Triples of a JSON list; `order` gives the positions of head, relation and tail.
    pub fn triples(&mut self, list: &Value, order: [usize; 3]) -> Vec<Triple> {
        let mut triples = Vec::new();
        for row in list.as_array().unwrap() {
            let [head, relation, tail] = order.map(|i| self.id(&row[i]));
            triples.push(Triple {
                head: TokenSpan::new(head, head + 1).unwrap(),
                relation: RelationId(relation as u16),
                tail: TokenSpan::new(tail, tail + 1).unwrap(),
            });
        }
        triples
    }
}

const EXACT: Protocol = Protocol {
    matching: Matching::Exact,
    candidates: Candidates::PredictedEntities,
};
const PARTIAL: Protocol = Protocol {
    matching: Matching::Partial,
    ..EXACT
};

fn score(protocol: Protocol, cases: &[Case<'_>]) -> Report {
    let mut scorer = Scorer::new(protocol);
    for case in cases {
        scorer.add(*case);
    }
    scorer.into_report()
}

fn case<'a>(gold: &'a [Triple], predicted: &'a [Triple]) -> Case<'a> {
    Case {
        gold,
        gold_entities: &[],
        predicted,
        mistyped: &[],
    }
}

fn close(prf: Prf, expected: &Value) {
    for (found, key) in [(prf.precision, "p"), (prf.recall, "r"), (prf.f1, "f1")] {
        let expected = expected[key].as_f64().unwrap();
        assert!(
            (found - expected).abs() < 1e-9,
            "{key}: {found} is not {expected}"
        );
    }
}

#[test]
fn micro_scores_equal_the_golden_ones() {
    let (golden, mut names) = golden("metrics_triples");
    let mut sides = ["gold", "pred"].map(|side| {
        let sentences = golden["in"][side].as_array().unwrap();
        sentences
            .iter()
            .map(|s| names.triples(s, [0, 1, 2]))
            .collect::<Vec<_>>()
    });
    let predicted = std::mem::take(&mut sides[1]);
    let gold = &sides[0];
    let cases: Vec<Case> = gold
        .iter()
        .zip(&predicted)
        .map(|(g, p)| case(g, p))
        .collect();
    let report = score(EXACT, &cases);
    let out = &golden["out"];
    let number = |key: &str| out[key].as_u64().unwrap();
    let Counts {
        correct,
        predicted,
        gold,
    } = report.micro;
    assert_eq!(
        (correct, predicted, gold),
        (number("correct"), number("n_pred"), number("n_gold"))
    );
    close(report.micro.prf(), out);
    assert_eq!(report.sentences, 2);
    assert_eq!(report.by_number[1].0, 1);
    assert_eq!(report.by_number[2].1.correct, 1);
}

/// Spans by strict BIOES tags are RIN's decoding and are asserted there; here are their ends.
#[test]
fn partial_and_exact_counts_equal_the_golden_ones() {
    let (golden, _) = golden("rin_decode");
    let spans = |key: &str| -> Vec<(usize, usize)> {
        let list = golden["out"][key].as_array().unwrap();
        list.iter()
            .map(|s| {
                (
                    s[0].as_u64().unwrap() as usize,
                    s[1].as_u64().unwrap() as usize,
                )
            })
            .collect()
    };
    let triples = |key: &str, spans: Vec<(usize, usize)>| -> Vec<Triple> {
        // An anchor stands for the span that ends there, or for its word where none does.
        let span = |anchor: usize| {
            let start = spans.iter().find(|s| s.1 == anchor).map_or(anchor, |s| s.0);
            TokenSpan::new(start, anchor + 1).unwrap()
        };
        let cell = |row: &Value| [0, 1, 2].map(|i| row[i].as_u64().unwrap() as usize);
        let list = golden["in"][key].as_array().unwrap();
        list.iter()
            .map(cell)
            .map(|[i, j, relation]| Triple {
                head: span(i),
                relation: RelationId(relation as u16),
                tail: span(j),
            })
            .collect()
    };
    let gold = triples("gold", spans("gold_spans"));
    let predicted = triples("pred", spans("pred_spans"));
    for (protocol, key) in [(PARTIAL, "partial"), (EXACT, "exact")] {
        close(
            score(protocol, &[case(&gold, &predicted)]).micro.prf(),
            &golden["out"][key],
        );
    }
}

fn word(head: usize, relation: u16, tail: usize) -> Triple {
    Triple {
        head: TokenSpan::new(head, head + 1).unwrap(),
        relation: RelationId(relation),
        tail: TokenSpan::new(tail, tail + 1).unwrap(),
    }
}

#[test]
fn the_candidates_decide_what_can_be_wrong() {
    let gold = [word(0, 0, 1)];
    let entities: Vec<TokenSpan> = (0..3).map(|i| TokenSpan::new(i, i + 1).unwrap()).collect();
    let predicted = [word(0, 0, 1), word(0, 1, 1), word(1, 0, 2), word(5, 0, 6)];
    let check = |candidates, n_predicted| {
        let protocol = Protocol {
            candidates,
            ..EXACT
        };
        let case = Case {
            gold: &gold,
            gold_entities: &entities,
            predicted: &predicted,
            mistyped: &[],
        };
        let micro = score(protocol, &[case]).micro;
        assert_eq!(
            (micro.correct, micro.predicted, micro.gold),
            (1, n_predicted, 1),
            "{protocol}"
        );
    };
    check(Candidates::GoldPairs, 2);
    check(Candidates::GoldEntities, 3);
    check(Candidates::PredictedEntities, 4);
    assert_eq!(
        EXACT.to_string(),
        "sentences, predicted entities, exact match (whole spans)"
    );
}

#[test]
fn macro_weighs_relations_of_gold_equally() {
    let gold = [word(0, 0, 1), word(1, 0, 2), word(2, 0, 3), word(0, 1, 3)];
    let predicted = [word(0, 0, 1), word(1, 0, 2), word(2, 0, 3), word(4, 2, 5)];
    let report = score(EXACT, &[case(&gold, &predicted), case(&[], &[])]);
    assert_eq!(
        report.average(Averaging::Macro),
        Prf {
            precision: 0.5,
            recall: 0.5,
            f1: 0.5
        }
    );
    assert_eq!(report.average(Averaging::Micro).f1, 0.75);
    assert_eq!(report.per_relation[&RelationId(2)].false_positives(), 1);
    assert_eq!(report.per_relation[&RelationId(1)].false_negatives(), 1);
    assert_eq!(report.by_number[0].0, 1);
    assert_eq!(score(EXACT, &[]).average(Averaging::Macro), Prf::default());
}

#[test]
fn entities_are_scored_by_span_with_or_without_type() {
    let span = |i: usize| TokenSpan::new(i, i + 1).unwrap();
    let kind = |k: u16| Some(EntityTypeId(k));
    let gold = [(span(0), kind(0)), (span(1), kind(1)), (span(1), kind(1))];
    let predicted = [(span(0), kind(0)), (span(1), kind(0)), (span(2), None)];
    let check = |matching, correct| {
        let counts = score_entities(matching, gold, predicted);
        assert_eq!(
            counts,
            Counts {
                correct,
                predicted: 3,
                gold: 2
            },
            "{}",
            matching.name()
        );
    };
    check(EntityMatching::Span, 2);
    check(EntityMatching::SpanAndType, 1);
}

fn triples() -> impl Strategy<Value = Vec<Triple>> {
    proptest::collection::vec(
        (0usize..4, 0u16..3, 0usize..4).prop_map(|(h, r, t)| word(h, r, t)),
        0..10,
    )
}

proptest! {
    #[test]
    fn renaming_relations_and_repeating_triples_change_no_score(gold in triples(), predicted in triples()) {
        let report = score(EXACT, &[case(&gold, &predicted)]);
        let renamed = |list: &[Triple]| list.iter().map(|t| Triple { relation: RelationId(7 - t.relation.0), ..*t }).collect::<Vec<_>>();
        prop_assert_eq!(score(EXACT, &[case(&renamed(&gold), &renamed(&predicted))]).micro, report.micro);
        let twice = |list: &[Triple]| [list, list].concat();
        prop_assert_eq!(score(EXACT, &[case(&twice(&gold), &twice(&predicted))]).micro, report.micro);
        prop_assert_eq!(score(EXACT, &[case(&predicted, &gold)]).micro.f1(), report.micro.f1());
    }

    #[test]
    fn parts_add_up_to_the_whole(sentences in proptest::collection::vec((triples(), triples()), 0..5)) {
        let cases: Vec<Case> = sentences.iter().map(|(g, p)| case(g, p)).collect();
        let whole = score(EXACT, &cases);
        let (left, right) = cases.split_at(cases.len() / 2);
        let (mut a, mut b) = (Scorer::new(EXACT), Scorer::new(EXACT));
        left.iter().for_each(|c| a.add(*c));
        right.iter().for_each(|c| b.add(*c));
        a.merge(&b);
        prop_assert_eq!(a.report(), &whole);
        let sum = |parts: &mut dyn Iterator<Item = Counts>| {
            parts.fold(Counts::default(), |mut sum, c| { sum.add(c); sum })
        };
        prop_assert_eq!(sum(&mut whole.per_relation.values().copied()), whole.micro);
        prop_assert_eq!(sum(&mut whole.by_number.iter().map(|(_, c)| *c)), whole.micro);
    }
}
