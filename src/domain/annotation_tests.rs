use super::*;
use crate::domain::{ByteSpan, GoldTriple, Split};
use proptest::prelude::*;

fn span(start: usize, end: usize) -> TokenSpan {
    TokenSpan::new(start, end).unwrap()
}
fn triple(head: usize, relation: u16, tail: usize) -> Triple {
    Triple {
        head: span(head, head + 1),
        relation: RelationId(relation),
        tail: span(tail, tail + 1),
    }
}
/// Six one-letter tokens; entities at 0, 2 and 4; gold 0 -r0-> 2.
fn sentence() -> Sentence {
    let entity = |i| Entity {
        span: span(i, i + 1),
        kind: None,
        link: None,
    };
    Sentence {
        id: SentenceId(1),
        native_id: None,
        text: "a b c d e f".into(),
        tokens: (0..6)
            .map(|i| ByteSpan::new(2 * i, 2 * i + 1).unwrap())
            .collect(),
        entities: [0, 2, 4].map(entity).to_vec(),
        gold: vec![GoldTriple {
            triple: triple(0, 0, 2),
            source: GoldSource::Distant,
            line: 1,
        }],
        split: Split::Train,
        file: "t".into(),
        line: 1,
    }
}
fn correction(seq: u64, change: Change) -> Correction {
    Correction {
        seq,
        at_ms: 0,
        by: "t".into(),
        sentence: SentenceId(1),
        seen: None,
        change,
        batch: None,
    }
}
fn standing(annotation: &Annotation) -> Vec<Triple> {
    annotation.standing().map(|t| t.triple).collect()
}

#[test]
fn each_edit_does_what_it_says_or_refuses() {
    let gold = triple(0, 0, 2);
    let start = Annotation::from_gold(&sentence());
    let check = |edit: Edit, expected: Result<Vec<Triple>, EditError>| {
        let got = start.apply(&edit).map(|a| standing(&a));
        assert_eq!(got, expected, "{edit:?}");
    };
    check(
        Edit::Judge {
            triple: gold,
            verdict: Some(Verdict::Accept),
        },
        Ok(vec![gold]),
    );
    check(
        Edit::Judge {
            triple: gold,
            verdict: Some(Verdict::Reject),
        },
        Ok(vec![]),
    );
    check(
        Edit::Judge {
            triple: gold,
            verdict: Some(Verdict::Unsure),
        },
        Ok(vec![]),
    );
    check(
        Edit::Judge {
            triple: gold,
            verdict: None,
        },
        Err(EditError::NoChange),
    );
    check(
        Edit::Judge {
            triple: triple(0, 3, 4),
            verdict: Some(Verdict::Accept),
        },
        Ok(vec![gold, triple(0, 3, 4)]),
    );
    check(
        Edit::Judge {
            triple: triple(0, 3, 9),
            verdict: Some(Verdict::Accept),
        },
        Err(EditError::OutOfRange {
            span: span(9, 10),
            n_tokens: 6,
        }),
    );
    check(Edit::Add { triple: gold }, Err(EditError::AlreadyThere));
    check(
        Edit::Add {
            triple: triple(2, 0, 2),
        },
        Err(EditError::SelfLoop),
    );
    check(
        Edit::Add {
            triple: triple(1, 0, 2),
        },
        Ok(vec![gold, triple(1, 0, 2)]),
    );
    check(
        Edit::Remove {
            triple: triple(4, 0, 2),
        },
        Err(EditError::NoSuchTriple),
    );
    check(Edit::Remove { triple: gold }, Ok(vec![]));
    check(
        Edit::Relabel {
            triple: gold,
            relation: RelationId(7),
        },
        Ok(vec![triple(0, 7, 2)]),
    );
    check(
        Edit::Relabel {
            triple: gold,
            relation: RelationId(0),
        },
        Err(EditError::NoChange),
    );
    check(Edit::Reverse { triple: gold }, Ok(vec![triple(2, 0, 0)]));
    check(
        Edit::MoveSpan {
            from: span(0, 1),
            to: span(0, 2),
        },
        Ok(vec![Triple {
            head: span(0, 2),
            ..gold
        }]),
    );
    check(
        Edit::MoveSpan {
            from: span(0, 1),
            to: span(2, 3),
        },
        Err(EditError::EntityThere),
    );
    check(
        Edit::MoveSpan {
            from: span(1, 2),
            to: span(3, 4),
        },
        Err(EditError::NoSuchEntity),
    );
    check(
        Edit::RemoveEntity { span: span(0, 1) },
        Err(EditError::EntityInUse),
    );
    check(Edit::RemoveEntity { span: span(4, 5) }, Ok(vec![gold]));
    check(
        Edit::Tag {
            triple: gold,
            tag: ErrorTag::NotExpressed,
            set: true,
        },
        Ok(vec![gold]),
    );
    check(
        Edit::Tag {
            triple: gold,
            tag: ErrorTag::NotExpressed,
            set: false,
        },
        Err(EditError::NoChange),
    );
    check(Edit::Done { done: true }, Ok(vec![gold]));
}

#[test]
fn a_replaced_gold_triple_is_an_explicit_negative() {
    let gold = triple(0, 0, 2);
    let after = Annotation::from_gold(&sentence())
        .apply(&Edit::Reverse { triple: gold })
        .unwrap();
    let old = after.find(gold).unwrap();
    assert_eq!(
        (old.verdict, old.tags.as_slice()),
        (Some(Verdict::Reject), &[ErrorTag::Reversed][..])
    );
    // A curator's own addition leaves no trace when replaced.
    let again = after
        .apply(&Edit::Relabel {
            triple: gold.reversed(),
            relation: RelationId(5),
        })
        .unwrap();
    assert!(again.find(gold.reversed()).is_none());
    assert_eq!(standing(&again), [triple(2, 5, 0)]);
}

#[test]
fn undo_and_redo_are_corrections_too() {
    let s = sentence();
    let reject = Change::Edit(Edit::Judge {
        triple: triple(0, 0, 2),
        verdict: Some(Verdict::Reject),
    });
    let history = [
        correction(1, reject),
        correction(2, Change::Undo(1)),
        correction(3, Change::Undo(2)),
    ];
    let n_standing = |n| standing(&Annotation::fold(&s, &history[..n]).annotation).len();
    assert_eq!(
        [n_standing(0), n_standing(1), n_standing(2), n_standing(3)],
        [1, 0, 1, 0]
    );
}

#[test]
fn an_edit_whose_ground_was_undone_is_reported_not_lost_silently() {
    let s = sentence();
    let history = vec![
        correction(
            1,
            Change::Edit(Edit::AddEntity {
                span: span(5, 6),
                kind: None,
            }),
        ),
        correction(
            2,
            Change::Edit(Edit::SetType {
                span: span(5, 6),
                kind: Some(EntityTypeId(1)),
            }),
        ),
        correction(3, Change::Undo(1)),
    ];
    let folded = Annotation::fold(&s, &history);
    assert_eq!(folded.skipped, [(2, EditError::NoSuchEntity)]);
    assert_eq!(folded.annotation, Annotation::from_gold(&s));
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let a_span = (0..6usize, 1..3usize).prop_map(|(s, n)| span(s, s + n));
    let a_triple = (a_span.clone(), 0..3u16, a_span.clone()).prop_map(|(head, r, tail)| Triple {
        head,
        relation: RelationId(r),
        tail,
    });
    let verdict = prop_oneof![
        Just(None),
        Just(Some(Verdict::Accept)),
        Just(Some(Verdict::Reject)),
        Just(Some(Verdict::Unsure))
    ];
    prop_oneof![
        (a_triple.clone(), verdict).prop_map(|(triple, verdict)| Edit::Judge { triple, verdict }),
        a_triple.clone().prop_map(|triple| Edit::Add { triple }),
        a_triple.clone().prop_map(|triple| Edit::Remove { triple }),
        (a_triple.clone(), 0..3u16).prop_map(|(triple, r)| Edit::Relabel {
            triple,
            relation: RelationId(r)
        }),
        a_triple.clone().prop_map(|triple| Edit::Reverse { triple }),
        (a_span.clone(), a_span.clone()).prop_map(|(from, to)| Edit::MoveSpan { from, to }),
        (a_span.clone(), 0..2u16).prop_map(|(span, k)| Edit::SetType {
            span,
            kind: Some(EntityTypeId(k))
        }),
        a_span
            .clone()
            .prop_map(|span| Edit::AddEntity { span, kind: None }),
        a_span.prop_map(|span| Edit::RemoveEntity { span }),
        a_triple.prop_map(|triple| Edit::Tag {
            triple,
            tag: ErrorTag::WrongSpan,
            set: true
        }),
    ]
}

proptest! {
    #[test]
    fn folding_never_leaves_a_standing_triple_without_its_entities(edits in prop::collection::vec(any_edit(), 0..24)) {
        let s = sentence();
        let history: Vec<_> = edits.into_iter().enumerate().map(|(i, e)| correction(i as u64 + 1, Change::Edit(e))).collect();
        let a = Annotation::fold(&s, &history).annotation;
        for t in a.standing() {
            prop_assert!(a.entity(t.triple.head).is_some() && a.entity(t.triple.tail).is_some());
        }
        let mut keys: Vec<_> = a.triples.iter().map(|t| t.triple).collect();
        keys.sort();
        keys.dedup();
        prop_assert_eq!(keys.len(), a.triples.len(), "one entry a triple");
        let spans: HashSet<_> = a.entities.iter().map(|e| e.span).collect();
        prop_assert_eq!(spans.len(), a.entities.len(), "one entity a span");
    }

    #[test]
    fn undoing_everything_from_the_end_gives_gold_back(edits in prop::collection::vec(any_edit(), 0..16)) {
        let s = sentence();
        let n = edits.len() as u64;
        let mut history: Vec<_> = edits.into_iter().enumerate().map(|(i, e)| correction(i as u64 + 1, Change::Edit(e))).collect();
        history.extend((0..n).map(|i| correction(n + 1 + i, Change::Undo(n - i))));
        prop_assert_eq!(Annotation::fold(&s, &history).annotation, Annotation::from_gold(&s));
    }
}
