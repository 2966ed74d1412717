//! What is exported and imported again is the same, or the report names what is lost.

use proptest::prelude::*;
use redress::corpus::{CorpusReader, Format, Imported, Item, Problem, ProblemKind};
use redress::domain::{
    Annotation, ByteSpan, DecisionRule, Edit, Entity, ErrorTag, GoldSource, GoldTriple, Origin,
    Prediction, RelationId, RelationSchema, RunId, ScoredTriple, Scores, Sentence, SentenceId,
    Split, TokenSpan, Triple, Verdict,
};
use redress::export::{ExportFormat, ExportRecord, ExportReport, View};
use std::io::Cursor;

const N_TOKENS: usize = 6;
const RELATIONS: [&str; 3] = ["/people/person/place_lived", "/x/contains", "born"];

fn schema() -> RelationSchema {
    let mut schema = RelationSchema::from_names(RELATIONS);
    schema.intern_type("PERSON").unwrap();
    schema.intern_type("LOCATION").unwrap();
    schema
}

/// Exports one sentence and reads the file again.
fn there_and_back(
    format: ExportFormat,
    view: View,
    record: &ExportRecord<'_>,
) -> (ExportReport, Vec<Imported>, Vec<Problem>) {
    let mut schema = schema();
    let mut exporter = format.exporter(view);
    let mut bytes = Vec::new();
    exporter.begin(&mut bytes).unwrap();
    exporter.write(record, &schema, &mut bytes).unwrap();
    let report = exporter.finish(&mut bytes).unwrap();
    let mut reader =
        CorpusReader::from_reader("again.json", Cursor::new(bytes), None, None).unwrap();
    let expected = Format::from_name(format.name());
    assert_eq!(Some(reader.format()), expected);
    let (mut imported, mut problems) = (Vec::new(), Vec::new());
    while let Some(item) = reader.next(&mut schema) {
        match item {
            Item::Sentence(s) => imported.push(*s),
            Item::Problem(p) => problems.push(p),
        }
    }
    (report, imported, problems)
}

static RULE: std::sync::LazyLock<DecisionRule> = std::sync::LazyLock::new(DecisionRule::default);

fn record<'a>(
    sentence: &'a Sentence,
    annotation: &'a Annotation,
    prediction: Option<&'a Prediction>,
) -> ExportRecord<'a> {
    ExportRecord {
        sentence,
        annotation,
        prediction,
        rule: &RULE,
        model: Some("a model"),
        n_edits: 1,
    }
}

fn after(sentence: &Sentence, edits: &[Edit]) -> Annotation {
    let mut annotation = Annotation::from_gold(sentence);
    for edit in edits {
        if let Ok(next) = annotation.apply(edit) {
            annotation = next;
        }
    }
    annotation
}

/// Order says nothing.
fn sorted(mut annotation: Annotation) -> Annotation {
    annotation.triples.sort_by_key(|t| t.triple);
    annotation.entities.sort_by_key(|e| e.span);
    annotation
}

fn standing(annotation: &Annotation) -> Vec<Triple> {
    let mut triples: Vec<Triple> = annotation.standing().map(|t| t.triple).collect();
    triples.sort();
    triples
}

fn any_span() -> impl Strategy<Value = TokenSpan> {
    (0..N_TOKENS, 1usize..3).prop_filter_map("inside", |(start, n)| {
        TokenSpan::new(start, start + n).filter(|s| s.end() <= N_TOKENS)
    })
}

fn any_triple() -> impl Strategy<Value = Triple> {
    (any_span(), 0..RELATIONS.len() as u16, any_span()).prop_map(|(head, relation, tail)| Triple {
        head,
        relation: RelationId(relation),
        tail,
    })
}

fn any_kind() -> impl Strategy<Value = Option<redress::domain::EntityTypeId>> {
    proptest::option::of((0u16..2).prop_map(redress::domain::EntityTypeId))
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Accept),
        Just(Verdict::Reject),
        Just(Verdict::Unsure)
    ]
}

/// Six tokens; words repeat when `distinct` is false. Gold may hold a self-loop.
fn any_sentence(distinct: bool) -> impl Strategy<Value = Sentence> {
    let word = prop_oneof![
        Just("Bo"),
        Just("Ciné"),
        Just("\u{1b}["),
        Just("\""),
        Just("東")
    ];
    (
        proptest::collection::vec(
            (word, prop_oneof![Just(" "), Just("\r\n"), Just("")]),
            N_TOKENS,
        ),
        proptest::collection::vec((any_triple(), 0usize..3), 0..5),
        proptest::collection::vec((any_span(), any_kind()), 0..3),
        proptest::option::of("[a-z]{1,3}"),
    )
        .prop_map(move |(words, gold, entities, native_id)| {
            let mut text = String::new();
            let mut tokens = Vec::new();
            for (n, (word, gap)) in words.iter().enumerate() {
                let start = text.len();
                text.push_str(word);
                if distinct {
                    text.push_str(&n.to_string());
                }
                tokens.extend(ByteSpan::new(start, text.len()));
                text.push_str(gap);
            }
            sentence(text, tokens, &gold, &entities, native_id)
        })
}

fn sentence(
    text: String,
    tokens: Vec<ByteSpan>,
    gold: &[(Triple, usize)],
    listed: &[(TokenSpan, Option<redress::domain::EntityTypeId>)],
    native_id: Option<String>,
) -> Sentence {
    let mut entities: Vec<Entity> = Vec::new();
    let arguments = gold
        .iter()
        .flat_map(|(t, _)| [(t.head, None), (t.tail, None)]);
    for (span, kind) in listed.iter().copied().chain(arguments) {
        if entities.iter().all(|e| e.span != span) {
            let link = kind.map(|k| format!("Q{}", k.0).into());
            entities.push(Entity { span, kind, link });
        }
    }
    entities.sort_by_key(|e| e.span);
    let sources = [GoldSource::Distant, GoldSource::Human, GoldSource::Imported];
    let mut seen = std::collections::HashSet::new();
    let gold = gold
        .iter()
        .filter(|(t, _)| seen.insert(*t))
        .map(|(triple, source)| GoldTriple {
            triple: *triple,
            source: sources[*source],
            line: 1,
        })
        .collect();
    let sentence = Sentence {
        id: SentenceId(77),
        native_id,
        text,
        tokens,
        entities,
        gold,
        split: Split::Dev,
        file: "first.json".into(),
        line: 3,
    };
    assert_eq!(sentence.check(), Ok(()));
    sentence
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let tag = (0..ErrorTag::ALL.len()).prop_map(|i| ErrorTag::ALL[i]);
    prop_oneof![
        3 => (any_triple(), proptest::option::of(any_verdict())).prop_map(|(triple, verdict)| Edit::Judge { triple, verdict }),
        2 => any_triple().prop_map(|triple| Edit::Add { triple }),
        1 => any_triple().prop_map(|triple| Edit::Remove { triple }),
        1 => (any_triple(), 0..RELATIONS.len() as u16).prop_map(|(triple, r)| Edit::Relabel { triple, relation: RelationId(r) }),
        1 => any_triple().prop_map(|triple| Edit::Reverse { triple }),
        2 => (any_span(), any_span()).prop_map(|(from, to)| Edit::MoveSpan { from, to }),
        1 => (any_span(), any_kind()).prop_map(|(span, kind)| Edit::SetType { span, kind }),
        1 => (any_span(), any_kind()).prop_map(|(span, kind)| Edit::AddEntity { span, kind }),
        2 => any_span().prop_map(|span| Edit::RemoveEntity { span }),
        2 => (any_triple(), tag, any::<bool>()).prop_map(|(triple, tag, set)| Edit::Tag { triple, tag, set }),
        1 => "\\PC{0,5}".prop_map(|text| Edit::Note { text }),
        1 => any::<bool>().prop_map(|done| Edit::Done { done }),
    ]
}

/// Edits whose triples are, half the time, gold ones: random triples seldom meet.
fn any_edits(sentence: &Sentence) -> impl Strategy<Value = Vec<Edit>> + use<> {
    let gold: Vec<Triple> = sentence.gold.iter().map(|g| g.triple).collect();
    proptest::collection::vec(
        (any_edit(), any::<prop::sample::Index>(), any::<bool>()),
        0..12,
    )
    .prop_map(move |edits| {
        let pick = |edit: Edit, at: prop::sample::Index, wanted: bool| {
            if gold.is_empty() || !wanted {
                return edit;
            }
            let triple = gold[at.index(gold.len())];
            match edit {
                Edit::Judge { verdict, .. } => Edit::Judge { triple, verdict },
                Edit::Remove { .. } => Edit::Remove { triple },
                Edit::Reverse { .. } => Edit::Reverse { triple },
                Edit::Relabel { relation, .. } => Edit::Relabel { triple, relation },
                Edit::Tag { tag, set, .. } => Edit::Tag { triple, tag, set },
                Edit::RemoveEntity { .. } => Edit::RemoveEntity { span: triple.head },
                Edit::MoveSpan { to, .. } => Edit::MoveSpan {
                    from: triple.head,
                    to,
                },
                other => other,
            }
        };
        edits
            .into_iter()
            .map(|(e, at, wanted)| pick(e, at, wanted))
            .collect()
    })
}

fn edited(distinct: bool) -> impl Strategy<Value = (Sentence, Vec<Edit>)> {
    any_sentence(distinct).prop_flat_map(|s| {
        let edits = any_edits(&s);
        (Just(s), edits)
    })
}

fn prediction(triples: &[Triple]) -> Prediction {
    Prediction {
        sentence: SentenceId(77),
        run: RunId(5),
        covered: N_TOKENS as u32,
        entities: Vec::new(),
        triples: triples
            .iter()
            .map(|triple| ScoredTriple {
                triple: *triple,
                scores: Scores {
                    rin: Some(0.75),
                    ..Scores::default()
                },
                runner_up: None,
            })
            .collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn our_own_export_restores_the_annotation((sentence, edits) in edited(false), predicted in proptest::collection::vec(any_triple(), 0..3)) {
        let annotation = after(&sentence, &edits);
        let prediction = prediction(&predicted);
        let record = record(&sentence, &annotation, Some(&prediction));
        let (report, imported, problems) = there_and_back(ExportFormat::Redress, View::Full, &record);
        prop_assert_eq!(report.warnings, vec![]);
        let [again] = imported.as_slice() else { panic!("one sentence") };
        let got = after(&again.sentence, &again.edits);
        // A moved span can make a relation of a span with itself, which no edit can add: reported, not silent.
        let odd = annotation.triples.iter().any(|t| t.triple.head == t.triple.tail && !matches!(t.origin, Origin::Gold(_)));
        if odd {
            prop_assert_eq!(problems.iter().map(|p| p.kind).collect::<Vec<_>>(), [ProblemKind::NotRestored]);
        } else {
            prop_assert_eq!(&problems, &[]);
            prop_assert_eq!(sorted(got), sorted(annotation.clone()));
        }
        prop_assert_eq!(&again.sentence.text, &sentence.text);
        prop_assert_eq!(&again.sentence.tokens, &sentence.tokens);
        prop_assert_eq!((again.sentence.id, again.sentence.split), (sentence.id, sentence.split));
        prop_assert_eq!(&again.sentence.native_id, &sentence.native_id);
    }

    #[test]
    fn the_train_view_keeps_labels_negatives_and_masks((sentence, edits) in edited(false), predicted in proptest::collection::vec(any_triple(), 0..3)) {
        let annotation = after(&sentence, &edits);
        let prediction = prediction(&predicted);
        let odd = annotation.triples.iter().any(|t| t.triple.head == t.triple.tail && !matches!(t.origin, Origin::Gold(_)));
        prop_assume!(!odd);
        let record = record(&sentence, &annotation, Some(&prediction));
        let (_, imported, problems) = there_and_back(ExportFormat::Redress, View::Train, &record);
        prop_assert_eq!(&problems, &[]);
        let got = after(&imported[0].sentence, &imported[0].edits);
        prop_assert_eq!(standing(&got), standing(&annotation));
        for verdict in [Verdict::Reject, Verdict::Unsure] {
            let judged = |a: &Annotation| {
                let mut triples: Vec<Triple> = a.with_verdict(verdict).map(|t| t.triple).collect();
                triples.sort();
                triples
            };
            prop_assert_eq!(judged(&got), judged(&annotation));
        }
        prop_assert_eq!(got.note.as_str(), "");
    }

    #[test]
    fn spert_keeps_what_stands((sentence, edits) in edited(false)) {
        let annotation = after(&sentence, &edits);
        let record = record(&sentence, &annotation, None);
        let (_, imported, problems) = there_and_back(ExportFormat::Spert, View::Full, &record);
        prop_assert_eq!(&problems, &[]);
        let got = after(&imported[0].sentence, &imported[0].edits);
        prop_assert_eq!(standing(&got), standing(&annotation));
        let spans = |a: &Annotation| { let mut s: Vec<_> = a.entities.iter().map(|e| e.span).collect(); s.sort(); s };
        let mut wanted = spans(&annotation);
        wanted.extend(annotation.standing().flat_map(|t| [t.triple.head, t.triple.tail]));
        wanted.sort();
        wanted.dedup();
        prop_assert_eq!(spans(&got), wanted);
    }

    #[test]
    fn casrel_keeps_what_stands_where_words_are_distinct((sentence, edits) in edited(true)) {
        let annotation = after(&sentence, &edits);
        let record = record(&sentence, &annotation, None);
        let (report, imported, problems) = there_and_back(ExportFormat::CasRel, View::Full, &record);
        prop_assert_eq!(&problems, &[]);
        prop_assert_eq!(report.relations, standing(&annotation).len());
        let got = after(&imported[0].sentence, &imported[0].edits);
        prop_assert_eq!(standing(&got), standing(&annotation));
    }

    #[test]
    fn casrel_names_what_repeated_words_change((sentence, edits) in edited(false)) {
        let annotation = after(&sentence, &edits);
        let record = record(&sentence, &annotation, None);
        let (report, imported, _) = there_and_back(ExportFormat::CasRel, View::Full, &record);
        let got = after(&imported[0].sentence, &imported[0].edits);
        if standing(&got) != standing(&annotation) {
            let named = report.warnings.iter().any(|(what, n)| *n > 0 && (what.contains("stand earlier") || what.contains("word for word")));
            prop_assert!(named, "{:?}", report.warnings);
        }
    }
}

#[test]
fn every_loss_is_counted_once() {
    let span = |start, end| TokenSpan::new(start, end).unwrap();
    let triple = |head, relation, tail| Triple {
        head: span(head, head + 1),
        relation: RelationId(relation),
        tail: span(tail, tail + 1),
    };
    let text = "a b a  c";
    let tokens = [(0, 1), (2, 3), (4, 5), (7, 8)]
        .map(|(s, e)| ByteSpan::new(s, e).unwrap())
        .to_vec();
    let gold = [
        triple(0, 0, 1),
        triple(2, 0, 1),
        triple(1, 1, 3),
        triple(0, 2, 3),
    ]
    .map(|t| (t, 0));
    let sentence = sentence(
        text.into(),
        tokens,
        &gold,
        &[(span(2, 4), Some(redress::domain::EntityTypeId(0)))],
        None,
    );
    let edits = [
        Edit::Judge {
            triple: triple(1, 1, 3),
            verdict: Some(Verdict::Reject),
        },
        Edit::Judge {
            triple: triple(0, 2, 3),
            verdict: Some(Verdict::Unsure),
        },
        Edit::Note {
            text: "look".into(),
        },
        Edit::Done { done: true },
    ];
    let annotation = after(&sentence, &edits);
    let check = |format: ExportFormat, view: View, relations: usize, expected: &[(&str, usize)]| {
        let (report, ..) = there_and_back(format, view, &record(&sentence, &annotation, None));
        assert_eq!((report.sentences, report.relations), (1, relations));
        for (what, n) in expected {
            assert!(
                report
                    .warnings
                    .iter()
                    .any(|(w, m)| w.starts_with(what) && m == n),
                "{format:?} {what} {n}: {:?}",
                report.warnings
            );
        }
        assert_eq!(
            report.warnings.len(),
            expected.len(),
            "{format:?}: {:?}",
            report.warnings
        );
    };
    check(ExportFormat::Redress, View::Full, 4, &[]);
    check(
        ExportFormat::Redress,
        View::Train,
        4,
        &[("notes", 1), ("done marks", 1)],
    );
    let decisions = [
        ("rejected", 1),
        ("unsure", 1),
        ("notes", 1),
        ("done marks", 1),
        ("links", 1),
    ];
    let casrel = [
        ("entities without a relation", 2),
        ("entity types", 1),
        ("mentions whose words", 1),
        ("relations that another", 1),
    ];
    check(
        ExportFormat::CasRel,
        View::Full,
        1,
        &[&decisions[..], &casrel].concat(),
    );
    let spert = [
        ("entities without a type", 4),
        ("sentences whose own spacing", 1),
    ];
    check(
        ExportFormat::Spert,
        View::Full,
        2,
        &[&decisions[..], &spert].concat(),
    );
}
