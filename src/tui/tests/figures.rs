//! Made-up figures of the errors view: what a pass over a workspace would find.

use super::fixture::{span, triple};
use crate::analysis::{ChangedRow, Counts, EntityKinds, Interval, Side, Study, align};
use crate::domain::*;
use crate::workspace::compare::Compared;
use crate::workspace::runs::RunRow;
use crate::workspace::slices::{Slice, Sliced};

/// As if the engine had counted 1,000 sentences of two labels each, of six relations; judged ones differ from the original ones.
pub fn study() -> Study {
    let none = EntityKinds::default();
    let (mut curated, mut original) = (Side::default(), Side::default());
    for i in 0..1000u16 {
        let relation = i % 6;
        let (gold, other) = (triple((0, 1), relation, (2, 3)), triple((4, 5), 0, (6, 7)));
        let (mut right, mut score) = (gold, 0.6 + f32::from(i % 40) / 100.0);
        match i % 17 {
            // Another relation, reversed, other spans, nothing.
            0..3 => right.relation = RelationId((relation + 1) % 4),
            3 => right = gold.reversed(),
            4 => right.tail = span(2, 4),
            5 => score = 0.3,
            _ => {}
        }
        let mut predicted = vec![right];
        if score < 0.5 {
            predicted.clear();
        }
        if i % 5 == 0 {
            predicted.push(triple((8, 9), 1, (0, 1)));
        }
        let mut scored = vec![(right, score), (triple((8, 9), 1, (0, 1)), 0.55)];
        if i % 5 != 0 {
            scored[1].1 = 0.2;
        }
        let against = |labels: &[Triple]| align(labels, &none, &predicted, &none);
        curated.add(
            &against(&[gold, other][..1 + usize::from(i % 11 == 0)]),
            &scored,
        );
        original.add(&against(&[gold, other]), &scored);
    }
    Study {
        sentences: 1000,
        not_predicted: 23,
        kernel: true,
        curated: curated.measure(1000),
        original: original.measure(1000),
        tags: [(RelationId(0), [31, 4, 0, 0, 2, 0, 1])].into(),
    }
}

/// One slice of a curator's own, then two built in, the last of which is empty.
pub fn slices() -> Vec<Sliced> {
    let found = study().curated;
    let slice = |name: &str, query: &str, kept, sentences| Sliced {
        slice: Slice {
            name: name.into(),
            query: query.into(),
        },
        kept,
        sentences,
        counts: match sentences {
            0 => Default::default(),
            _ => found.total,
        },
        intervals: found.intervals,
    };
    vec![
        slice("politics", "senator or minister", true, 210),
        slice("all sentences", "", false, 1000),
        slice("over 40 words", "tokens>40", false, 0),
    ]
}

const NOW: RunId = RunId(0x3f2a_9c41_0000_0007);
const BEFORE: RunId = RunId(0x51b0_7dd2_0000_0005);
const FIRST: RunId = RunId(0xa4e0_11c3_0000_0004);
const GONE: RunId = RunId(0x7761_0a94_0000_0003);

/// The current run and three earlier ones, of the last of which nothing is kept.
pub fn runs() -> Vec<RunRow> {
    let row = |run: RunId, predicted| RunRow {
        run: run.to_string(),
        current: run == NOW,
        at_ms: 1_795_000_000_000 + 10_000_000 * (run.0 & 15) as i64,
        systems: "RIN emnlp K=2 + kernel + spans".into(),
        predicted,
        bytes: predicted * 700,
    };
    vec![
        row(NOW, 1000),
        row(BEFORE, 1000),
        row(FIRST, 900),
        row(GONE, 0),
    ]
}

/// The current run against the run of this name, else the one before: one relation gained, one lost, one is not told from chance.
pub fn compared(before: Option<String>) -> Result<Compared, String> {
    let before = match before {
        Some(name) if name == FIRST.to_string() => FIRST,
        _ => BEFORE,
    };
    let counts = |gold, predicted, correct| Counts {
        gold,
        predicted,
        correct,
    };
    let row = |gold, was: (u64, u64), is: (u64, u64), (fixed, broken), (low, high)| ChangedRow {
        before: counts(gold, was.0, was.1),
        after: counts(gold, is.0, is.1),
        fixed,
        broken,
        gain: Interval { low, high },
    };
    let none = ChangedRow {
        fixed: 2,
        ..Default::default()
    };
    Ok(Compared {
        before,
        after: NOW,
        sentences: 1000,
        all: row(600, (570, 360), (576, 388), (66, 29), (0.011, 0.052)),
        relations: vec![
            (
                RelationId(1),
                row(200, (190, 90), (205, 128), (44, 9), (0.08, 0.21)),
            ),
            (
                RelationId(0),
                row(210, (200, 150), (190, 139), (4, 16), (-0.06, -0.01)),
            ),
            (
                RelationId(2),
                row(190, (180, 120), (181, 121), (16, 4), (-0.02, 0.03)),
            ),
            (RelationId(5), none),
        ],
        notes: vec!["the thresholds of an older run were not kept".into()],
        decisions: Vec::new(),
        corrections: 12,
        identity: String::new(),
    })
}
