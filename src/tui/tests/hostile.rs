//! Whatever is pressed, however the window is pulled, whatever a corpus holds: no panic, and nothing that a terminal
//! could obey in any cell.

use super::*;
use crate::domain::*;
use crate::workspace::messages::*;
use proptest::prelude::*;

const KEYS: &[&str] = &[
    "j",
    "k",
    "h",
    "l",
    "g",
    "G",
    "a",
    "x",
    "s",
    "d",
    "D",
    "n",
    "N",
    "A",
    "c",
    "r",
    "m",
    "t",
    "e",
    "E",
    "f",
    "w",
    "p",
    "P",
    "F",
    "u",
    "U",
    "v",
    "/",
    ":",
    "?",
    "[",
    "]",
    "q",
    "esc",
    "enter",
    "tab",
    "backtab",
    "space",
    "backspace",
    "z",
    "y",
    "1",
    "5",
    "9",
    "0",
    "-",
    "+",
    "H",
    "L",
    "up",
    "down",
    "left",
    "right",
    "home",
    "end",
    "pageup",
    "pagedown",
    "ctrl-d",
    "ctrl-u",
    "ctrl-x",
    "ctrl-l",
    "o",
    "b",
    "東",
];

#[derive(Clone, Debug)]
enum Step {
    Key(usize),
    Resize(u16, u16),
    Stall,
    Resume,
    Tick,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (0..KEYS.len()).prop_map(Step::Key),
        1 => (0u16..130, 0u16..45).prop_map(|(w, h)| Step::Resize(w, h)),
        1 => Just(Step::Stall),
        1 => Just(Step::Resume),
        1 => Just(Step::Tick),
    ];
    proptest::collection::vec(step, 1..60)
}

fn assert_harmless(buffer: &Buffer) {
    for cell in buffer.content() {
        for c in cell.symbol().chars() {
            assert!(!c.is_control(), "{:?}", cell.symbol());
            assert!(
                !matches!(c as u32, 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x2069 | 0xfeff),
                "{c:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_keys_and_no_size_can_break_the_screen(steps in steps()) {
        let mut bench = Bench::new(100, 30);
        for step in steps {
            match step {
                Step::Key(i) => {
                    bench.press(KEYS[i]);
                }
                Step::Resize(w, h) => bench.resize(w, h),
                Step::Stall => bench.stall(),
                Step::Resume => bench.resume(),
                Step::Tick => bench.event(Event::Tick),
            }
            assert_harmless(&bench.buffer());
        }
    }

    #[test]
    fn no_text_can_break_the_screen(texts in proptest::collection::vec(any::<String>(), 8), width in 60u16..120) {
        let mut bench = Bench::new(width, 30);
        bench.press("enter");
        bench.stall();
        let text = texts.join("\u{1b}[2J\u{9b}\u{202e}\r\n\t ");
        let mut detail = fixture::detail_of(0);
        let bytes = |from: usize, to: usize| ByteSpan::new(from, to);
        // Two words: all but the last character, and the last.
        let last = text.char_indices().next_back().map_or(0, |(i, _)| i);
        detail.sentence.tokens = [bytes(0, last), bytes(last, text.len())].into_iter().flatten().collect();
        detail.sentence.text = text.clone();
        detail.sentence.file = text.clone().into();
        detail.annotation.note = text.clone();
        detail.skipped_edits = vec![text.clone()];
        detail.ticket = u64::MAX;
        bench.reply(Reply::Detail(Box::new(detail)));
        bench.reply(Reply::Failed { what: text.clone() });
        assert_harmless(&bench.buffer());
        bench.reply(Reply::Explanation(Box::new(Explanation {
            ticket: 4,
            facts: texts.clone(),
            links: vec![(text.clone(), f32::NAN)],
            notes: texts.clone(),
            bag: vec![BagRow { id: SentenceId(1), snippet: text.clone(), weight: Some(2.0) }],
            heat: Some(Heat { rows: texts.clone(), columns: texts.clone(), p: vec![0.5], mean: f32::INFINITY }),
            rounds: vec![-1.0, f32::NAN],
            ..Explanation::default()
        })));
        for _ in 0..5 {
            bench.press("tab");
            assert_harmless(&bench.buffer());
        }
        bench.press("A g m");
        assert_harmless(&bench.buffer());
    }
}

#[test]
fn tiny_terminals_get_a_message_or_what_fits_of_it() {
    for (w, h) in [
        (0, 0),
        (1, 1),
        (0, 9),
        (9, 0),
        (2, 1),
        (1, 40),
        (59, 40),
        (200, 14),
    ] {
        let mut bench = Bench::new(w, h);
        bench.press("enter a ? j");
        assert_harmless(&bench.buffer());
    }
}

#[test]
fn ids_of_another_schema_do_no_harm() {
    let mut bench = Bench::new(100, 30);
    bench.press("enter");
    let mut detail = fixture::detail_of(0);
    detail.ticket = u64::MAX;
    detail.rows[0].triple.relation = RelationId(999);
    detail.rows[1].triple.head = TokenSpan::new(5_000, 5_001).unwrap();
    detail.annotation.entities[0].kind = Some(EntityTypeId(99));
    bench.stall();
    bench.reply(Reply::Detail(Box::new(detail)));
    assert!(bench.sees("(unknown relation)"), "{}", bench.text());
    bench.press("j a r c esc A a s esc m a l l l l l enter");
    bench.text();
}

#[test]
fn ten_thousand_words_open_at_once() {
    let mut bench = Bench::new(100, 30);
    bench.press("enter");
    bench.stall();
    let mut detail = fixture::detail_of(0);
    detail.ticket = u64::MAX;
    detail.sentence = fixture::sentence(0, &"word ".repeat(10_000), &[(9_998, 9_999)]);
    detail.annotation = Annotation::from_gold(&detail.sentence);
    detail.rows.truncate(1);
    detail.rows[0].triple.head = TokenSpan::new(9_998, 9_999).unwrap();
    detail.rows[0].triple.tail = TokenSpan::new(9_990, 9_991).unwrap();
    bench.reply(Reply::Detail(Box::new(detail)));
    assert!(
        bench.sees("[T word]") && bench.sees("[H word]"),
        "the focus is in sight\n{}",
        bench.text()
    );
    bench.press("A");
    assert_eq!(
        bench.text().matches('‹').count(),
        1,
        "one entity has a letter"
    );
    bench.press("tab");
    assert!(bench.text().matches('‹').count() > 40, "{}", bench.text());
}
