//! Two workspaces of one corpus that exchange their corrections.

use super::to_writer;
use crate::domain::annotation::Change;
use crate::domain::{Annotation, Edit, SentenceId, TokenSpan, Triple, Verdict};
use crate::store::NewCorrection;
use crate::workspace::Workspace;
use crate::workspace::agreement::{disputed, measure, settle};
use crate::workspace::import::ImportOptions;
use crate::workspace::noise::apply::{ApplyOptions, ApplyReport, apply};
use proptest::prelude::*;
use std::collections::BTreeSet;

const N: usize = 2;

struct Desk {
    dir: tempfile::TempDir,
    workspace: Workspace,
    ids: Vec<SentenceId>,
    clock: i64,
}

/// What a curator does to a sentence.
#[derive(Clone, Debug)]
enum Act {
    Judge(usize, Option<Verdict>),
    Add(usize),
    Note(bool),
    Done(bool),
    Undo,
    Redo,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let line = |i: usize| {
            let text = format!("Ada Lum{i} of Tamm{i} left Korvath{i} .");
            let labels =
                serde_json::json!([[format!("Ada Lum{i}"), "/p/lived", format!("Tamm{i}")]]);
            serde_json::json!({"text": text, "triple_list": labels}).to_string() + "\n"
        };
        let file = dir.path().join("corpus.jsonl");
        std::fs::write(&file, (0..N).map(line).collect::<String>()).unwrap();
        let mut workspace = Workspace::open_or_create(&dir.path().join("ws")).unwrap();
        workspace
            .import(&[file], &ImportOptions::default(), &mut |_, _, _| {})
            .unwrap();
        let ids = workspace.read().ids(None).unwrap();
        Self {
            ids: ids.into_iter().map(|(_, id)| id).collect(),
            dir,
            workspace,
            clock: 1000,
        }
    }

    fn triple(&self, place: usize) -> Triple {
        let span = |at| TokenSpan::new(at, at + 1).unwrap();
        Triple {
            head: span(0),
            relation: self.workspace.schema().find_relation("/p/lived").unwrap(),
            tail: span(3 + place % 3),
        }
    }

    fn act(&mut self, by: &str, at: usize, act: &Act) {
        self.clock += 1;
        let id = self.ids[at % N];
        let edit = match act {
            Act::Judge(place, verdict) => Edit::Judge {
                triple: self.triple(*place),
                verdict: *verdict,
            },
            Act::Add(place) => Edit::Add {
                triple: self.triple(*place),
            },
            Act::Note(which) => Edit::Note {
                text: format!("note {which}"),
            },
            Act::Done(done) => Edit::Done { done: *done },
            Act::Undo | Act::Redo => {
                let step = match act {
                    Act::Undo => self.workspace.store.last_undoable(),
                    _ => self.workspace.store.last_redoable(),
                };
                let step = step.unwrap().map(|s| s.corrections(by, self.clock));
                let _ = self.workspace.append(&step.unwrap_or_default()).unwrap();
                return;
            }
        };
        if self.annotation(id).apply(&edit).is_ok() {
            let correction = NewCorrection {
                at_ms: self.clock,
                by: by.to_owned(),
                sentence: id,
                seen: None,
                change: Change::Edit(edit),
            };
            self.workspace.append(&[correction]).unwrap();
        }
    }

    fn annotation(&self, id: SentenceId) -> Annotation {
        let reader = self.workspace.read();
        let sentence = reader.sentence(id).unwrap();
        Annotation::fold(&sentence, &reader.corrections(id).unwrap()).annotation
    }

    fn annotations(&self) -> Vec<Annotation> {
        self.ids.iter().map(|id| self.annotation(*id)).collect()
    }

    fn export(&self) -> String {
        let mut out = Vec::new();
        to_writer(self.workspace.read(), None, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn set(&self) -> BTreeSet<String> {
        self.export().lines().map(str::to_owned).collect()
    }

    fn take(&mut self, lines: &str) -> ApplyReport {
        let file = self.dir.path().join("others.jsonl");
        std::fs::write(&file, lines).unwrap();
        let options = ApplyOptions {
            by: "merger".to_owned(),
            dry_run: false,
            overwrite: false,
        };
        let report = apply(&mut self.workspace, &file, &options).unwrap();
        assert_eq!(report.problems, 0, "{:?}", report.listed);
        report
    }

    fn verdict(&self, place: usize) -> Option<Verdict> {
        self.annotation(self.ids[0])
            .find(self.triple(place))?
            .verdict
    }
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let verdict = prop_oneof![
        Just(None),
        Just(Some(Verdict::Accept)),
        Just(Some(Verdict::Reject)),
        Just(Some(Verdict::Unsure))
    ];
    let act = prop_oneof![
        4 => (0..3usize, verdict).prop_map(|(place, v)| Act::Judge(place, v)),
        1 => (0..3usize).prop_map(Act::Add),
        1 => any::<bool>().prop_map(Act::Note),
        1 => any::<bool>().prop_map(Act::Done),
        1 => Just(Act::Undo),
        1 => Just(Act::Redo),
    ];
    proptest::collection::vec((0..N, act), 0..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Merging both ways gives both the same set, merging again changes nothing, and no decision of one's own is lost.
    #[test]
    fn exchanged_workspaces_hold_the_same_set(a in acts(), b in acts(), later in acts()) {
        let (mut ada, mut bo) = (Desk::new(), Desk::new());
        bo.clock = 1500;
        for (at, act) in &a {
            ada.act("Ada", *at, act);
        }
        for (at, act) in &b {
            bo.act("Bo", *at, act);
        }
        let all: BTreeSet<String> = ada.set().union(&bo.set()).cloned().collect();
        let (of_ada, of_bo) = (ada.export(), bo.export());
        ada.take(&of_bo);
        bo.take(&of_ada);
        prop_assert_eq!(&ada.set(), &all);
        prop_assert_eq!(&bo.set(), &all);
        let stood = ada.annotations();
        for lines in [of_bo, bo.export(), ada.export()] {
            let report = ada.take(&lines);
            prop_assert_eq!((report.n_applied(), report.held, report.conflicts), (0, 0, 0));
        }
        prop_assert_eq!(ada.annotations(), stood);
        // And on from there, with undos of what was merged.
        ada.clock = 3000;
        for (at, act) in &later {
            ada.act("Ada", *at, act);
        }
        bo.take(&ada.export());
        ada.take(&bo.export());
        prop_assert_eq!(ada.set(), bo.set());
    }
}

#[test]
fn a_conflict_is_held_listed_and_settled_by_an_adjudicator_for_all() {
    let (mut ada, mut bo) = (Desk::new(), Desk::new());
    bo.clock = 1500;
    ada.act("Ada", 0, &Act::Judge(0, Some(Verdict::Accept)));
    ada.act("Ada", 0, &Act::Judge(1, Some(Verdict::Accept)));
    bo.act("Bo", 0, &Act::Judge(0, Some(Verdict::Reject)));
    bo.act("Bo", 0, &Act::Judge(1, Some(Verdict::Accept)));
    bo.act("Bo", 0, &Act::Judge(2, Some(Verdict::Reject)));
    let report = ada.take(&bo.export());
    assert_eq!(
        (report.n_applied(), report.held, report.conflicts),
        (2, 1, 1)
    );
    let [conflict] = &report.disputed[..] else {
        panic!("{:?}", report.disputed)
    };
    assert_eq!(
        (
            conflict.stands.by.as_str(),
            conflict.stands.decision.as_str()
        ),
        ("Ada", "accept")
    );
    assert_eq!(
        (conflict.held.by.as_str(), conflict.held.decision.as_str()),
        ("Bo", "reject")
    );
    assert_eq!(ada.verdict(0), Some(Verdict::Accept));
    assert_eq!(ada.verdict(2), Some(Verdict::Reject));
    // Ada settles it; that is one correction, undoable like others, and it goes before both decisions everywhere.
    let (first, lived) = (ada.ids[0], ada.triple(0));
    let open = |desk: &Desk| disputed(desk.workspace.read(), 10).unwrap().1;
    assert_eq!(open(&ada), 1);
    settle(&mut ada.workspace, first, lived, Verdict::Reject, "Cy").unwrap();
    assert_eq!((open(&ada), ada.verdict(0)), (0, Some(Verdict::Reject)));
    assert!(settle(&mut ada.workspace, first, lived, Verdict::Accept, "Cy").is_err());
    ada.act("Cy", 0, &Act::Undo);
    assert_eq!((open(&ada), ada.verdict(0)), (1, Some(Verdict::Accept)));
    settle(&mut ada.workspace, first, lived, Verdict::Unsure, "Cy").unwrap();
    let report = bo.take(&ada.export());
    assert_eq!((open(&bo), bo.verdict(0)), (0, Some(Verdict::Unsure)));
    // Ada's own word came before it, in conflict with Bo's.
    assert_eq!(report.conflicts, 1);
    assert_eq!(bo.set(), ada.set());
    // A third workspace hears of all of it at once.
    let mut dan = Desk::new();
    dan.take(&bo.export());
    assert_eq!((open(&dan), dan.verdict(0)), (0, Some(Verdict::Unsure)));
    // What the curators said by themselves is measured all the same.
    let agreement = measure(dan.workspace.read()).unwrap();
    assert_eq!(
        (
            agreement.exact.overall.items,
            agreement.exact.overall.agreed
        ),
        (2, 1)
    );
    // The merge is one step to undo, and one to redo.
    ada.act("Cy", 0, &Act::Undo);
    ada.act("Ada", 0, &Act::Undo);
    assert_eq!(
        (ada.verdict(0), ada.verdict(2)),
        (Some(Verdict::Accept), None)
    );
    ada.act("Ada", 0, &Act::Redo);
    assert_eq!(ada.verdict(2), Some(Verdict::Reject));
}

#[test]
fn a_changed_line_is_refused_and_nothing_else_is_lost() {
    let (mut ada, mut bo) = (Desk::new(), Desk::new());
    ada.act("Ada", 0, &Act::Note(true));
    ada.act("Ada", 1, &Act::Done(true));
    let lines = ada.export().replace("note true", "note false");
    let file = bo.dir.path().join("changed.jsonl");
    std::fs::write(&file, lines).unwrap();
    let options = ApplyOptions {
        by: "x".to_owned(),
        dry_run: false,
        overwrite: false,
    };
    let report = apply(&mut bo.workspace, &file, &options).unwrap();
    assert_eq!((report.problems, report.n_applied()), (1, 1));
    assert!(
        report.listed[0].contains("was changed since"),
        "{:?}",
        report.listed
    );
    assert_eq!(bo.annotation(bo.ids[0]).note, "");
}
