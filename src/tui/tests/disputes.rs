//! The adjudicator's queue: one key a choice, and none lands on a dispute it was not meant for.

use super::*;
use crate::domain::{Triple, Verdict};
use crate::workspace::agreement::{Disputed, Side};

fn dispute(index: usize, verdicts: &[(&str, Verdict)]) -> Disputed {
    let detail = fixture::detail_of(index);
    Disputed {
        triple: detail.rows[0].triple,
        sides: verdicts
            .iter()
            .enumerate()
            .map(|(n, (by, verdict))| Side {
                by: (*by).to_owned(),
                at_ms: 1_764_251_100_000 + 3_600_000 * n as i64,
                verdict: *verdict,
                held: n > 0,
            })
            .collect(),
        note: String::new(),
        sentence: detail.sentence,
    }
}

fn rows() -> Vec<Disputed> {
    use Verdict::{Accept, Reject, Unsure};
    vec![
        dispute(0, &[("Ada", Accept), ("Bo", Reject)]),
        dispute(1, &[("Ada", Reject), ("Bo", Accept), ("Cy", Accept)]),
        Disputed {
            note: "see the \u{1b}[31mguidelines, 3.2".to_owned(),
            ..dispute(3, &[("Ada", Accept), ("Bo", Reject), ("Cy", Unsure)])
        },
    ]
}

/// With the answer to the latest question.
fn answer(bench: &mut Bench, rows: Vec<Disputed>) {
    let asked = bench.sent.iter().rev().find_map(|r| match r {
        Request::Disputes { ticket } => Some(*ticket),
        _ => None,
    });
    let (ticket, total) = (asked.unwrap(), rows.len());
    bench.reply(Reply::Disputes {
        ticket,
        rows,
        total,
    });
}

fn settled(bench: &Bench) -> Vec<(u64, Triple, Verdict)> {
    let all = bench.sent.iter().filter_map(|r| match r {
        Request::Settle {
            id,
            triple,
            verdict,
        } => Some((id.0, *triple, *verdict)),
        _ => None,
    });
    all.collect()
}

#[test]
fn one_key_chooses_a_side_and_the_next_dispute_comes() {
    let mut bench = Bench::new(100, 30);
    bench.press("g j");
    answer(&mut bench, rows());
    bench.stall();
    bench.press("h");
    // Until it is on disk the settled one must not come back, whatever else is read meanwhile.
    answer(&mut bench, rows());
    bench.press("l s");
    let expected: Vec<_> = rows()
        .iter()
        .zip([Verdict::Accept, Verdict::Accept, Verdict::Unsure])
        .map(|(r, verdict)| (r.sentence.id.0, r.triple, verdict))
        .collect();
    assert_eq!(settled(&bench), expected);
    assert!(
        bench.text().contains("Nobody disagrees"),
        "{}",
        bench.text()
    );
    bench.press("h");
    assert!(bench.text().contains("no dispute here"));
}

#[test]
fn after_an_undo_the_cursor_is_back_on_its_dispute() {
    let mut bench = Bench::new(100, 30);
    bench.press("g j");
    answer(&mut bench, rows());
    bench.press("j l");
    let id = rows()[1].sentence.id;
    let detail = Box::new(fixture::detail_of(1));
    let (_, triple, verdict) = settled(&bench)[0];
    bench.reply(Reply::Saved {
        correction: Box::new(crate::domain::Correction {
            seq: 1,
            at_ms: 0,
            by: "test".to_owned(),
            sentence: id,
            seen: None,
            change: crate::domain::annotation::Change::Edit(crate::domain::Edit::Judge {
                triple,
                verdict: Some(verdict),
            }),
            batch: None,
        }),
        detail,
    });
    let mut left = rows();
    left.remove(1);
    answer(&mut bench, left);
    bench.press("k u");
    bench.reply(Reply::Undone {
        what: "undid".to_owned(),
        ids: vec![id],
    });
    answer(&mut bench, rows());
    bench.press("h");
    assert_eq!(settled(&bench).last().map(|s| s.0), Some(id.0));
}

#[test]
fn pictures() {
    for (width, height, keys) in [(200, 50, ""), (100, 30, "j"), (80, 24, "j j"), (60, 15, "")] {
        let mut bench = Bench::new(width, height);
        bench.press("g j");
        answer(&mut bench, rows());
        bench.press(keys);
        insta::assert_snapshot!(format!("disputes_{width}x{height}"), bench.text());
    }
}
