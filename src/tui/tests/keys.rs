//! Keys in, requests and screen out.

use super::*;
use crate::domain::*;
use crate::tui::keys_page;
use fixture::triple;

/// Requests that change something, in short.
pub fn changes(bench: &mut Bench) -> Vec<String> {
    let requests = bench.requests().into_iter();
    requests
        .filter_map(|r| match r {
            Request::Edit { id, edit } => Some(format!("{}: {}", id.0, brief(&edit))),
            Request::Search { .. }
            | Request::Open { .. }
            | Request::Explain { .. }
            | Request::Study { .. }
            | Request::Slices { .. }
            | Request::Compare { .. } => None,
            other => Some(format!("{other:?}")),
        })
        .collect()
}

fn spelled(t: Triple) -> String {
    let span = |s: TokenSpan| format!("{}-{}", s.start(), s.end());
    format!("{} r{} {}", span(t.head), t.relation.0, span(t.tail))
}

fn brief(edit: &Edit) -> String {
    match edit {
        Edit::Judge { triple, verdict } => format!("judge {} {:?}", spelled(*triple), verdict),
        Edit::Add { triple } => format!("add {}", spelled(*triple)),
        Edit::Relabel { triple, relation } => {
            format!("relabel {} to r{}", spelled(*triple), relation.0)
        }
        Edit::Reverse { triple } => format!("reverse {}", spelled(*triple)),
        Edit::Tag { triple, tag, set } => format!("tag {} {} {set}", spelled(*triple), tag.name()),
        other => format!("{other:?}"),
    }
}

#[test]
fn every_edit_has_its_keys() {
    let check = |keys: &str, expected: &[&str]| {
        let mut bench = Bench::new(120, 40);
        bench.press("enter").press(keys);
        assert_eq!(changes(&mut bench), expected, "{keys}\n{}", bench.text());
    };
    check("a", &["0: judge 0-2 r0 12-14 Some(Accept)"]);
    check("j x", &["0: judge 15-16 r1 12-14 Some(Reject)"]);
    check(
        "s -",
        &[
            "0: judge 0-2 r0 12-14 Some(Unsure)",
            "0: judge 0-2 r0 12-14 None",
        ],
    );
    check("-", &[]);
    check("a a", &["0: judge 0-2 r0 12-14 Some(Accept)"]);
    check("5", &["0: relabel 0-2 r0 12-14 to r4"]);
    check("c 2", &["0: relabel 0-2 r0 12-14 to r1"]);
    check("c b i r t h enter", &["0: relabel 0-2 r0 12-14 to r3"]);
    check("c b i esc", &[]);
    check("r", &["0: reverse 0-2 r0 12-14"]);
    // After a change the cursor is on the new triple.
    check("r a", &["0: reverse 0-2 r0 12-14"]);
    check(
        "r x",
        &[
            "0: reverse 0-2 r0 12-14",
            "0: judge 12-14 r0 0-2 Some(Reject)",
        ],
    );
    check("A a g 9", &["0: add 0-2 r8 18-20"]);
    check("+ a g f o u n d enter", &["0: add 0-2 r8 18-20"]);
    check("A a a esc", &[]);
    check("A a g esc", &[]);
    check(
        "m a l enter",
        &[
            "0: MoveSpan { from: TokenSpan { start: 0, end: 2 }, to: TokenSpan { start: 1, end: 2 } }",
        ],
    );
    check(
        "m a L L H enter",
        &[
            "0: MoveSpan { from: TokenSpan { start: 0, end: 2 }, to: TokenSpan { start: 0, end: 3 } }",
        ],
    );
    check("m a enter", &[]);
    check("m a L esc", &[]);
    check(
        "t s 3",
        &["0: SetType { span: TokenSpan { start: 7, end: 8 }, kind: Some(EntityTypeId(2)) }"],
    );
    check(
        "E s",
        &["0: RemoveEntity { span: TokenSpan { start: 7, end: 8 } }"],
    );
    check("E a", &[]);
    check("f 1", &["0: tag 0-2 r0 12-14 not_expressed true"]);
    check(
        "f 1 f 1",
        &[
            "0: tag 0-2 r0 12-14 not_expressed true",
            "0: tag 0-2 r0 12-14 not_expressed false",
        ],
    );
    // A mere prediction that is flagged is wrong.
    check(
        "G k f 1",
        &[
            "0: judge 0-2 r0 7-8 Some(Reject)",
            "0: tag 0-2 r0 7-8 not_expressed true",
        ],
    );
    check("w o k enter", &["0: Note { text: \"ok\" }"]);
    check("w o k esc", &[]);
    check("d", &["0: Done { done: true }"]);
    check(
        "D D",
        &["0: Done { done: true }", "0: Done { done: false }"],
    );
    check("u", &["Undo"]);
    check("U", &["Redo"]);
    check("p", &["Predict { ids: [SentenceId(0)] }"]);
}

#[test]
fn words_can_be_jumped_to_where_there_is_no_entity() {
    let mut bench = Bench::new(120, 40);
    bench.press("enter A tab");
    assert!(bench.sees("first word"), "{}", bench.text());
    // Labels have two letters here: more than 25 words are in sight. `aa` is the first, `as` the second.
    bench.press("a a a s");
    assert!(bench.sees("tail of the new triple"), "{}", bench.text());
    bench.press("d 1");
    assert_eq!(
        changes(&mut bench),
        Vec::<String>::new(),
        "gold says so already"
    );
    assert!(bench.sees("this triple is there already"));
    bench.press("e a d a d");
    assert!(bench.sees("type of the new entity"), "{}", bench.text());
    bench.press("1");
    assert_eq!(
        changes(&mut bench),
        ["0: AddEntity { span: TokenSpan { start: 3, end: 4 }, kind: Some(EntityTypeId(0)) }"]
    );
}

#[test]
fn saved_is_said_only_once_the_engine_has_said_so() {
    let mut bench = Bench::new(120, 40);
    bench.press("enter");
    bench.stall();
    bench.press("x j a");
    assert!(bench.sees("2 edits not saved yet"), "{}", bench.text());
    assert!(
        bench.sees("✗ reject…"),
        "the hoped-for verdict is marked\n{}",
        bench.text()
    );
    bench.press("ctrl-q");
    assert!(
        bench.sees("Leave now? 2 edits not on disk yet."),
        "{}",
        bench.text()
    );
    bench.press("esc");
    assert!(bench.effects.is_empty());
    bench.resume();
    assert!(
        bench.sees("✓ saved, 2 edits") && !bench.sees("reject…"),
        "{}",
        bench.text()
    );
    bench.press("ctrl-q");
    assert!(matches!(bench.effects[..], [Effect::Quit]));
}

#[test]
fn a_refused_edit_is_taken_off_the_screen() {
    let mut bench = Bench::new(120, 40);
    bench.press("enter");
    bench.stall();
    bench.press("x");
    bench.waiting = None;
    bench.reply(Reply::EditRefused {
        id: SentenceId(0),
        reason: "the disk is full".into(),
    });
    assert!(
        bench.sees("not saved: the disk is full") && !bench.sees("✗ reject"),
        "{}",
        bench.text()
    );
    assert!(bench.sees("nothing to save"), "{}", bench.text());
}

#[test]
fn undo_says_what_it_undid_and_the_sentence_follows() {
    let mut bench = Bench::new(120, 40);
    bench.press("enter x");
    assert!(bench.sees("✗ reject"));
    bench.press("u");
    assert!(
        bench.sees("undid: judge") && !bench.sees("✗ reject"),
        "{}",
        bench.text()
    );
    bench.press("u");
    assert!(bench.sees("nothing to undo"));
}

#[test]
fn the_next_sentence_is_there_before_the_engine_is_asked() {
    let mut bench = Bench::new(120, 40);
    bench.press("enter");
    bench.stall();
    bench.press("n");
    assert!(
        bench.sees("Ilse Brandt") && bench.sees("2 of 56,195"),
        "{}",
        bench.text()
    );
    bench.resume();
    bench.press("N N");
    assert!(bench.sees("first sentence of the list"), "{}", bench.text());
    bench.press("d");
    assert!(bench.sees("Ilse Brandt"), "done goes on");
    bench.press("q");
    assert!(
        bench.sees("▸ ○     2") && bench.sees("● "),
        "{}",
        bench.text()
    );
}

#[test]
fn query_and_position_survive_a_sentence() {
    let mut bench = Bench::new(120, 30);
    bench
        .press("/")
        .type_text("rel:contains")
        .press("enter 1 2 j enter q");
    assert!(
        bench.sees("/ rel:contains") && bench.sees("13 of 210 filtered"),
        "{}",
        bench.text()
    );
    bench.press("-");
    assert!(bench.sees("1 of 56,195"));
}

#[test]
fn pages_are_asked_for_as_they_come_into_sight() {
    let mut bench = Bench::new(120, 30);
    let offsets = |bench: &mut Bench| -> Vec<usize> {
        let requests = bench.requests().into_iter();
        requests
            .filter_map(|r| {
                if let Request::Search { offset, .. } = r {
                    Some(offset)
                } else {
                    None
                }
            })
            .collect()
    };
    assert_eq!(offsets(&mut bench), [0, 100]);
    bench.press("G");
    assert_eq!(offsets(&mut bench), [56_100, 56_000]);
    bench.press("g g");
    assert_eq!(offsets(&mut bench), [0, 100]);
    bench.stall();
    bench.press("5 0 0 j ctrl-d ctrl-d");
    let asked = offsets(&mut bench);
    assert!(
        !asked.is_empty() && asked.iter().all(|o| (400..=700).contains(o)),
        "{asked:?}"
    );
}

#[test]
fn a_bad_query_points_at_its_column() {
    let mut bench = Bench::new(100, 30);
    bench.press("/").type_text("born bad:x").press("enter");
    let text = bench.text();
    let lines: Vec<&str> = text.lines().collect();
    let column = |line: &str, c: char| line.chars().position(|x| x == c);
    assert_eq!(column(lines[2], '^').map(|x| x - 3), Some(5), "{text}");
    assert!(lines[2].contains("unknown field `bad`"), "{text}");
    bench.press("backspace backspace backspace backspace backspace enter");
    assert!(bench.sees("1 of 210 filtered"), "{}", bench.text());
    bench.press("/").type_text("bad:").press("enter esc");
    assert!(
        bench.sees("1 of 56,195"),
        "esc leaves a query that fails\n{}",
        bench.text()
    );
}

#[test]
fn a_relation_filters_the_list_and_errors_lead_into_it() {
    let mut bench = Bench::new(120, 30);
    bench.press("tab j enter");
    assert!(bench.sees("/ rel:contains"), "{}", bench.text());
    bench.press("enter");
    assert!(
        bench.sees("56,195 sentences"),
        "the same relation again takes the filter away\n{}",
        bench.text()
    );
    bench.press("] j enter");
    assert!(
        bench.sees("[corpus]") && bench.sees("/ fp:nationality"),
        "{}",
        bench.text()
    );
    bench.press("g e m");
    assert!(bench.sees("/ fn:nationality"), "{}", bench.text());
}

#[test]
fn each_page_of_errors_leads_into_the_list() {
    let check = |keys: &str, expected: &str| {
        let mut bench = Bench::new(120, 30);
        bench.press("]").press(keys);
        let query = format!("/ {expected}");
        assert!(
            bench.sees("[corpus]") && bench.sees(&query),
            "{keys}: {}",
            bench.text()
        );
    };
    check("l", "rel:contains");
    // The largest confusion, a neighbour, the diagonal, the margins.
    check("tab enter", "confused:\"place_lived>contains\"");
    check("tab l enter", "confused:\"place_lived>nationality\"");
    check("tab g g l enter", "spurious:nationality");
    check("tab j h h h h h h h enter", "missed:place_of_birth");
    check("tab tab j enter", "outcome:wrong-relation");
    check("tab tab G enter", "tag:guideline_gap");
    check("backtab backtab backtab backtab G k enter", "tag:duplicate");
    // Counted against the original labels, the list still goes by those that stand, and that is said.
    let mut bench = Bench::new(120, 30);
    bench.press("] o");
    assert!(bench.sees("vs original labels"), "{}", bench.text());
    assert!(bench.sees("1,000"), "{}", bench.text());
    bench.press("enter");
    assert!(bench.sees("labels that stand"), "{}", bench.text());
}

#[test]
fn pages_that_go_by_standing_labels_offer_no_others() {
    let mut bench = Bench::new(120, 30);
    bench.press("]");
    assert!(bench.sees("o against"), "{}", bench.text());
    for back in ["backtab", "backtab"] {
        bench.press(back);
        assert!(!bench.sees("o against"), "{}", bench.text());
        bench.press("o");
        assert!(
            bench.sees("this page goes by the labels that stand"),
            "{}",
            bench.text()
        );
    }
    bench.press("tab tab");
    assert!(bench.sees("vs standing labels"), "{}", bench.text());
    bench.press("o");
    assert!(bench.sees("vs original labels"), "{}", bench.text());
}

#[test]
fn slices_open_their_query_and_are_kept_and_dropped() {
    let mut bench = Bench::new(120, 30);
    bench.press("] backtab backtab").requests();
    bench.press("a").type_text("long ones = tokens>60");
    bench.press("enter a").type_text("born");
    bench.press("enter x j x");
    assert_eq!(
        changes(&mut bench),
        [
            "KeepSlice { slice: Slice { name: \"long ones\", query: \"tokens>60\" } }",
            "KeepSlice { slice: Slice { name: \"born\", query: \"born\" } }",
            "DropSlice { name: \"politics\" }",
        ]
    );
    assert!(bench.sees("built in"), "{}", bench.text());
    bench.press("j enter");
    assert!(bench.sees("/ tokens>40"), "{}", bench.text());
}

#[test]
fn what_a_run_changed_is_one_key_away() {
    let mut bench = Bench::new(120, 30);
    let check = |bench: &mut Bench, keys: &str, expected: &str| {
        bench.press(keys);
        assert!(bench.sees(expected), "{keys}: {}", bench.text());
    };
    check(&mut bench, "] backtab", "[runs]");
    check(&mut bench, "f", "/ queue:fixed");
    check(&mut bench, "] j enter", "/ queue:broken about:contains");
    // A relation in which nothing broke has no list.
    check(&mut bench, "] G enter", "nothing was broken here");
    // Another earlier run, none beyond those with predictions, and back.
    check(&mut bench, "h", "before a4e011c3");
    check(&mut bench, "h", "no other run");
    check(&mut bench, "l", "before 51b07dd2");
    check(&mut bench, "l", "no other run");
}

#[test]
fn a_list_says_how_far_its_ranking_is_and_why_there_is_none() {
    let mut bench = Bench::new(100, 30);
    bench.press("g w");
    let (ticket, done, total) = (u64::MAX, 400_000, 1_000_000);
    bench.reply(Reply::Ranking {
        ticket,
        done,
        total,
    });
    assert!(bench.sees("ranking… 40%"), "{}", bench.text());
    // One that is late changes nothing.
    bench.press("-");
    assert!(!bench.sees("ranking"), "{}", bench.text());
    let ticket = 0;
    bench.reply(Reply::Ranking {
        ticket,
        done,
        total,
    });
    assert!(!bench.sees("ranking"), "{}", bench.text());
    let reason = "only one run has predictions here".to_owned();
    let ticket = u64::MAX;
    bench.reply(Reply::NotListed { ticket, reason });
    assert!(!bench.sees("does not parse"), "{}", bench.text());
    assert!(
        bench.sees("only one run has predictions"),
        "{}",
        bench.text()
    );
    bench.press("esc");
    assert!(bench.sees("56,195 sentences"), "{}", bench.text());
}

#[test]
fn a_threshold_is_tried_then_kept_or_dropped() {
    let mut bench = Bench::new(120, 30);
    bench.press("] j tab tab tab");
    assert!(
        bench.sees("threshold 0.500 (the model's)"),
        "{}",
        bench.text()
    );
    bench.requests();
    bench.press("l l h L");
    assert!(bench.sees("trying 0.600"), "{}", bench.text());
    assert!(changes(&mut bench).is_empty(), "nothing is kept unasked");
    bench.press("x");
    assert!(!bench.sees("trying"), "{}", bench.text());
    bench.press("H w");
    assert_eq!(
        changes(&mut bench),
        ["SetThreshold { relation: RelationId(2), threshold: Some(0.4) }"]
    );
    let mut info = fixture::info(10);
    info.rule.own = vec![(RelationId(2), 0.4)];
    bench.reply(Reply::ThresholdSet {
        relation: RelationId(2),
        threshold: Some(0.4),
        info: std::sync::Arc::new(info),
    });
    assert!(bench.sees("threshold 0.400 (kept"), "{}", bench.text());
    // Another relation has the model's; this one gets it back.
    bench.press("j");
    assert!(
        bench.sees("threshold 0.500 (the model's)"),
        "{}",
        bench.text()
    );
    bench.press("w x k x");
    assert_eq!(
        changes(&mut bench),
        ["SetThreshold { relation: RelationId(2), threshold: None }"]
    );
    // What the model brings for a relation is the model's: there is nothing to take back.
    let mut info = fixture::info(10);
    info.rule.own = vec![(RelationId(2), 0.7)];
    info.model_thresholds = info.rule.own.clone();
    bench.reply(Reply::ThresholdSet {
        relation: RelationId(2),
        threshold: None,
        info: std::sync::Arc::new(info),
    });
    assert!(
        bench.sees("threshold 0.700 (the model's, for this relation)"),
        "{}",
        bench.text()
    );
    bench.press("x");
    assert_eq!(changes(&mut bench), Vec::<String>::new());
    // From one end to the other nothing breaks.
    bench.press("H H H H H H H H H H H H L L L L L L L L L L L L b");
    assert!(bench.sees("trying"), "{}", bench.text());
}

/// An answer to an older question is dropped; while a newer one is counted the older figures stay in sight.
#[test]
fn figures_are_counted_again_after_an_edit_and_old_answers_are_dropped() {
    let mut bench = Bench::new(120, 30);
    bench.press("]").requests();
    bench.stall();
    bench.press("[ enter a").resume();
    bench.stall();
    bench.press("g e");
    let ticket = match bench.requests().last() {
        Some(Request::Study { ticket }) => *ticket,
        other => panic!("{other:?}"),
    };
    bench.reply(Reply::Studying {
        ticket,
        done: 10,
        total: 40,
    });
    assert!(bench.sees("counting again, 25%"), "{}", bench.text());
    assert!(bench.sees("nationality"), "{}", bench.text());
    let mut old = figures::study();
    old.sentences = 77;
    let study = |ticket, study: &crate::analysis::Study| Reply::Studied {
        ticket,
        study: std::sync::Arc::new(study.clone()),
    };
    bench.reply(study(ticket - 1, &old));
    assert!(!bench.sees(" 77 sentences"), "{}", bench.text());
    bench.reply(study(ticket, &old));
    assert!(bench.sees(" 77 sentences"), "{}", bench.text());
}

#[test]
fn an_old_answer_does_not_replace_a_newer_one() {
    let mut bench = Bench::new(120, 30);
    bench.stall();
    bench
        .press("/")
        .type_text("rel:a")
        .press("enter /")
        .type_text("x")
        .press("backspace backspace")
        .type_text("b")
        .press("enter");
    let waiting = bench.waiting.take().unwrap();
    let replies: Vec<Reply> = waiting
        .iter()
        .flat_map(|r| bench.engine.answer(r))
        .collect();
    assert_eq!(replies.len(), 2);
    for reply in replies.into_iter().rev() {
        bench.reply(reply);
    }
    assert!(
        bench.sees("/ rel:b") && bench.sees("1 of 210"),
        "{}",
        bench.text()
    );
}

#[test]
fn escape_backs_out_one_step_at_a_time_and_asks_at_the_door() {
    let mut bench = Bench::new(100, 30);
    bench.press("enter A a esc esc");
    assert!(bench.sees("[corpus]"));
    bench.press("v esc tab esc q");
    assert!(
        bench.sees("Leave redress?") && bench.sees("Every edit is saved."),
        "{}",
        bench.text()
    );
    bench.press("esc");
    assert!(bench.effects.is_empty());
    bench.press("q enter");
    assert!(matches!(bench.effects[..], [Effect::Quit]));
}

#[test]
fn in_a_terminal_too_small_to_see_no_key_edits() {
    let mut bench = Bench::new(100, 30);
    bench.press("enter");
    bench.resize(59, 15);
    bench.press("a x 3 d");
    assert_eq!(changes(&mut bench), Vec::<String>::new());
    assert!(bench.sees("too small"));
    bench.press("ctrl-c");
    assert!(matches!(bench.effects[..], [Effect::Quit]));
}

#[test]
fn a_paste_is_text_or_nothing() {
    let mut bench = Bench::new(100, 30);
    bench.press("enter");
    bench.event(Event::Input(Input::Paste("xxddq".into())));
    assert_eq!(changes(&mut bench), Vec::<String>::new());
    bench.press("w");
    bench.event(Event::Input(Input::Paste("two\nlines\u{1b}[31m".into())));
    bench.press("enter");
    assert_eq!(changes(&mut bench), ["0: Note { text: \"two lines[31m\" }"]);
}

#[test]
fn a_click_selects_and_a_second_one_opens() {
    use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mut bench = Bench::new(120, 30);
    let mut click = |column, row| {
        let kind = MouseEventKind::Down(MouseButton::Left);
        let mouse = MouseEvent {
            kind,
            column,
            row,
            modifiers: KeyModifiers::NONE,
        };
        bench.event(Event::Input(Input::Mouse(mouse)));
        bench.text()
    };
    assert!(click(70, 5).contains("2 of 56,195"));
    assert!(click(70, 5).contains("[H Ilse Brandt]"));
    let mut bench = Bench::new(120, 30);
    let kind = MouseEventKind::Down(MouseButton::Left);
    bench.event(Event::Input(Input::Mouse(MouseEvent {
        kind,
        column: 5,
        row: 5,
        modifiers: KeyModifiers::NONE,
    })));
    assert!(bench.sees("/ rel:contains"), "{}", bench.text());
}

#[test]
fn the_cursor_follows_the_triple_that_an_edit_made() {
    let mut bench = Bench::new(120, 40);
    bench.press("enter 3 f 2");
    let expected = format!(
        "0: tag {} kb_incomplete true",
        spelled(triple((0, 2), 2, (12, 14)))
    );
    assert_eq!(
        changes(&mut bench).last(),
        Some(&expected),
        "{}",
        bench.text()
    );
}

#[test]
fn keys_page_is_current() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/keys.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, keys_page()).unwrap();
    }
    let page = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == keys_page(),
        "docs/keys.md is out of date: run UPDATE_DOCS=1 cargo test keys_page"
    );
}

#[test]
fn the_queues_are_one_key_away() {
    for (keys, query) in [("g w", "queue:wrong"), ("enter g a", "queue:missing")] {
        let mut bench = Bench::new(120, 40);
        bench.press(keys);
        let mut asked = bench.requests().into_iter().filter_map(|r| match r {
            Request::Search { query, .. } => Some(query),
            _ => None,
        });
        assert_eq!(asked.next_back().as_deref(), Some(query), "{keys}");
    }
}
