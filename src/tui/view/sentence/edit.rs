//! What keys change in a sentence: judging, relabelling, moving edges, notes and flags. Where a place must be chosen
//! first, `jumping` does that.

use super::SentenceView;
use super::jumping::{Goal, Jump};
use crate::domain::{Edit, ErrorTag, RelationId, TokenSpan, Triple, Verdict};
use crate::tui::action::{Sentence, Span};
use crate::tui::effect::{Effect, MAX_CLIPBOARD};
use crate::tui::overlay::Overlay;
use crate::tui::overlay::bulk::Bulk;
use crate::tui::overlay::line::LineEditor;
use crate::tui::overlay::picker::{Choice, Item, Picker, Purpose};
use crate::tui::queries;
use crate::tui::state::{Intent, Shared, Step};
use crate::workspace::messages::Request;
use crate::workspace::noise::pairs::entity_key;
use crate::workspace::patterns::pattern_term;

/// Said to whom edits a sentence that is not on the screen.
pub(super) const NOT_HERE: &str = "the sentence is not here yet; nothing was changed";

/// Whether an action means something without the sentence it is meant for being here.
pub fn works_without_sentence(action: Sentence) -> bool {
    use Sentence as S;
    matches!(
        action,
        S::Next | S::Previous | S::Predict | S::NextPane | S::PreviousPane | S::Zoom
    )
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum Mode {
    #[default]
    Browse,
    Jump(Jump),
    Span(SpanMove),
}

/// An entity whose edges are being moved.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanMove {
    pub from: TokenSpan,
    pub to: TokenSpan,
}

impl SentenceView {
    pub fn act(&mut self, action: Sentence, shared: &mut Shared) {
        use Sentence as S;
        match action {
            S::Accept => self.judge(Some(Verdict::Accept), shared),
            S::Reject => self.judge(Some(Verdict::Reject), shared),
            S::Unsure => self.judge(Some(Verdict::Unsure), shared),
            S::Clear => self.judge(None, shared),
            S::Done => {
                if !self.draft.done {
                    self.edit(Edit::Done { done: true }, shared);
                }
                shared.intents.push(Intent::Step(Step::Next));
            }
            S::ToggleDone => self.edit(
                Edit::Done {
                    done: !self.draft.done,
                },
                shared,
            ),
            S::Next => self.go_on(shared),
            S::Previous => self.go_back(shared),
            S::Add => self.jump(Goal::Head, shared),
            S::Change => self.pick_relation(shared),
            S::Relation1 => self.relabel_to(0, shared),
            S::Relation2 => self.relabel_to(1, shared),
            S::Relation3 => self.relabel_to(2, shared),
            S::Relation4 => self.relabel_to(3, shared),
            S::Relation5 => self.relabel_to(4, shared),
            S::Relation6 => self.relabel_to(5, shared),
            S::Relation7 => self.relabel_to(6, shared),
            S::Relation8 => self.relabel_to(7, shared),
            S::Relation9 => self.relabel_to(8, shared),
            S::Reverse => {
                if let Some(triple) = self.triple_or_warn(shared) {
                    self.follow = Some(triple.reversed());
                    self.edit(Edit::Reverse { triple }, shared);
                }
            }
            S::MoveSpan => self.jump(Goal::MoveSpan, shared),
            S::Type => self.jump(Goal::Type, shared),
            S::AddEntity => self.jump(Goal::AddEntity, shared),
            S::RemoveEntity => self.jump(Goal::RemoveEntity, shared),
            S::SameFact => self.list_fact(shared),
            S::SamePattern => self.list_pattern(shared),
            S::SameVerdict => self.judge_duplicates(shared),
            S::Flag => self.pick_flag(shared),
            S::WriteNote if self.detail().is_none() => shared.warn(NOT_HERE),
            S::WriteNote => {
                let note =
                    LineEditor::new("note on this sentence", &self.draft.note, Purpose::Note);
                shared.intents.push(Intent::Push(Overlay::Line(note)));
            }
            S::Predict => {
                if let Some(id) = self.id {
                    shared.send(Request::Predict { ids: vec![id] });
                }
            }
            S::NextPane => (self.pane, self.pane_top) = (self.pane.step(1), 0),
            S::PreviousPane => (self.pane, self.pane_top) = (self.pane.step(3), 0),
            S::Zoom => self.zoomed = !self.zoomed,
            S::Yank => match self.detail().map(|d| d.sentence.text.clone()) {
                Some(text) if text.len() <= MAX_CLIPBOARD => {
                    shared.effects.push(Effect::Copy(text));
                    shared.good("copied the sentence");
                }
                Some(_) => shared.warn("the sentence is too long for a terminal's clipboard"),
                None => {}
            },
        }
    }

    /// Checks an edit against the draft and sends it; what the draft refuses is not sent.
    pub(super) fn edit(&mut self, edit: Edit, shared: &mut Shared) {
        let Some(id) = self.detail().map(|d| d.sentence.id) else {
            return shared.warn(NOT_HERE);
        };
        match self.draft.apply(&edit) {
            Ok(_) => {
                shared.edit(id, edit);
                self.refresh(shared);
            }
            Err(error) => shared.warn(error.to_string()),
        }
    }

    fn triple_or_warn(&self, shared: &mut Shared) -> Option<Triple> {
        let triple = self.focused().map(|s| s.row.triple);
        if self.detail().is_none() {
            shared.warn(NOT_HERE);
        } else if triple.is_none() {
            shared.warn("no triple here; A adds one");
        }
        triple
    }

    fn judge(&mut self, verdict: Option<Verdict>, shared: &mut Shared) {
        if let Some(triple) = self.triple_or_warn(shared) {
            self.edit(Edit::Judge { triple, verdict }, shared);
        }
    }

    fn relabel_to(&mut self, number: usize, shared: &mut Shared) {
        match shared.numbered().get(number).copied() {
            Some(relation) => self.relabel(relation, shared),
            None => shared.warn("no relation has this number"),
        }
    }

    fn relabel(&mut self, relation: RelationId, shared: &mut Shared) {
        if let Some(triple) = self.triple_or_warn(shared) {
            self.follow = Some(Triple { relation, ..triple });
            self.edit(Edit::Relabel { triple, relation }, shared);
        }
    }

    pub(super) fn relation_items(
        &self,
        head: TokenSpan,
        tail: TokenSpan,
        shared: &Shared,
    ) -> Vec<Item> {
        let relations = self.likely(head, tail, shared).into_iter();
        relations
            .map(|relation| Item {
                text: shared.relation(relation).to_owned(),
                detail: shared.info.schema.relations().get(relation.index()).map_or(
                    String::new(),
                    |r| {
                        if r.name == r.short {
                            String::new()
                        } else {
                            r.name.clone()
                        }
                    },
                ),
                number: shared
                    .numbered()
                    .iter()
                    .position(|r| *r == relation)
                    .map(|i| i + 1),
                choice: Choice::Relation(relation),
            })
            .collect()
    }

    fn pick_relation(&mut self, shared: &mut Shared) {
        let Some(triple) = self.triple_or_warn(shared) else {
            return;
        };
        let items = self.relation_items(triple.head, triple.tail, shared);
        let title = format!("change {} to", shared.relation(triple.relation));
        let picker = Picker::new(&title, items, Purpose::Relabel(triple));
        shared.intents.push(Intent::Push(Overlay::Picker(picker)));
    }

    fn list_fact(&self, shared: &mut Shared) {
        let Some(triple) = self.triple_or_warn(shared) else {
            return;
        };
        let Some(detail) = self.detail() else { return };
        let entity = |span| entity_key(&detail.annotation, &detail.sentence, span);
        let [head, tail] = [triple.head, triple.tail].map(entity);
        let relation = shared.relation(triple.relation).to_owned();
        let query = queries::by_fact(&relation, &head, &tail);
        let [head, tail] = [triple.head, triple.tail].map(|span| self.surface(span));
        // A link in the query says little to a reader.
        shared.good(format!(
            "labels of the same fact: {head} — {relation} → {tail}"
        ));
        shared.intents.push(Intent::Filter(query));
    }

    fn list_pattern(&self, shared: &mut Shared) {
        let Some(triple) = self.triple_or_warn(shared) else {
            return;
        };
        let Some(detail) = self.detail() else { return };
        let pattern = match pattern_term(&detail.sentence, triple) {
            Ok(pattern) => pattern,
            Err(why) => return shared.warn(why),
        };
        let stands = self.focused().is_some_and(|s| s.row.stands);
        let query = queries::by_pattern(shared.relation(triple.relation), stands, &pattern);
        shared.intents.push(Intent::Filter(query));
    }

    /// Has the engine count what the verdict would change in the sentence's duplicates; the curator decides then.
    fn judge_duplicates(&self, shared: &mut Shared) {
        let Some(triple) = self.triple_or_warn(shared) else {
            return;
        };
        let Some(detail) = self.detail() else { return };
        let Some(verdict) = self.focused().and_then(|s| s.row.verdict) else {
            return shared.warn("judge it here first; then this key judges its duplicates alike");
        };
        let [head, tail] = [triple.head, triple.tail].map(|span| detail.sentence.surface(span));
        let fact = format!("{head} — {} → {tail}", shared.relation(triple.relation));
        let bulk = Bulk::of_duplicates(verdict, &fact);
        shared.intents.push(Intent::Push(Overlay::Bulk(bulk)));
        shared.send(Request::PlanDuplicates {
            id: detail.sentence.id,
            triple,
            verdict,
        });
    }

    fn pick_flag(&mut self, shared: &mut Shared) {
        let Some(triple) = self.triple_or_warn(shared) else {
            return;
        };
        let set = self
            .focused()
            .map(|s| s.row.tags.clone())
            .unwrap_or_default();
        let items = ErrorTag::ALL.iter().enumerate().map(|(i, tag)| Item {
            text: tag.name().to_owned(),
            detail: if set.contains(tag) {
                format!("set; choose to clear. {}", tag_words(*tag))
            } else {
                tag_words(*tag).to_owned()
            },
            number: Some(i + 1),
            choice: Choice::Tag(*tag),
        });
        let picker = Picker::new(
            "what is wrong with it",
            items.collect(),
            Purpose::Flag(triple),
        );
        shared.intents.push(Intent::Push(Overlay::Picker(picker)));
    }

    pub(super) fn pick_type(&mut self, title: &str, purpose: Purpose, shared: &mut Shared) {
        let schema = &shared.info.schema;
        let none = Item {
            text: "(no type)".to_owned(),
            detail: String::new(),
            number: None,
            choice: Choice::Type(None),
        };
        let types = schema
            .entity_types()
            .iter()
            .enumerate()
            .map(|(i, name)| Item {
                text: name.clone(),
                detail: String::new(),
                number: (i < 9).then_some(i + 1),
                choice: Choice::Type(Some(crate::domain::EntityTypeId(i as u16))),
            });
        let items = types.chain([none]).collect();
        shared
            .intents
            .push(Intent::Push(Overlay::Picker(Picker::new(
                title, items, purpose,
            ))));
    }

    /// Carries out what was chosen in a picker.
    pub fn on_picked(&mut self, purpose: Purpose, choice: Choice, shared: &mut Shared) {
        match (purpose, choice) {
            (Purpose::Relabel(triple), Choice::Relation(relation)) => {
                self.follow = Some(Triple { relation, ..triple });
                self.edit(Edit::Relabel { triple, relation }, shared);
            }
            (Purpose::AddTriple { head, tail }, Choice::Relation(relation)) => {
                let triple = Triple {
                    head,
                    relation,
                    tail,
                };
                self.follow = Some(triple);
                self.edit(Edit::Add { triple }, shared);
            }
            (Purpose::Flag(triple), Choice::Tag(tag)) => self.flag(triple, tag, shared),
            (Purpose::SetType(span), Choice::Type(kind)) => {
                self.edit(Edit::SetType { span, kind }, shared)
            }
            (Purpose::AddEntity(span), Choice::Type(kind)) => {
                self.edit(Edit::AddEntity { span, kind }, shared)
            }
            _ => {}
        }
    }

    fn flag(&mut self, triple: Triple, tag: ErrorTag, shared: &mut Shared) {
        let here = self.shown.iter().find(|s| s.row.triple == triple);
        let set = !here.is_some_and(|s| s.row.tags.contains(&tag));
        // A tag belongs to a judged or labelled triple; of a mere prediction it says that it is wrong.
        if set && self.draft.find(triple).is_none() {
            self.edit(
                Edit::Judge {
                    triple,
                    verdict: Some(Verdict::Reject),
                },
                shared,
            );
        }
        self.edit(Edit::Tag { triple, tag, set }, shared);
    }

    pub fn on_note(&mut self, text: String, shared: &mut Shared) {
        if text != self.draft.note {
            self.edit(Edit::Note { text }, shared);
        }
    }

    /// A key while edges are moved.
    pub fn span_act(&mut self, action: Span, shared: &mut Shared) {
        let Mode::Span(SpanMove { from, to }) = &mut self.mode else {
            return;
        };
        let (start, end) = match action {
            Span::LeftEdgeLeft => (to.start().saturating_sub(1), to.end()),
            Span::LeftEdgeRight => (to.start() + 1, to.end()),
            Span::RightEdgeLeft => (to.start(), to.end() - 1),
            Span::RightEdgeRight => (to.start(), to.end() + 1),
            Span::Apply => {
                let (from, to) = (*from, *to);
                self.mode = Mode::Browse;
                if from != to {
                    self.edit(Edit::MoveSpan { from, to }, shared);
                }
                return;
            }
        };
        match TokenSpan::new(start, end).filter(|s| s.end() <= self.draft.n_tokens) {
            Some(span) => *to = span,
            None => shared.warn("the edge cannot go further"),
        }
    }
}

fn tag_words(tag: ErrorTag) -> &'static str {
    match tag {
        ErrorTag::NotExpressed => "true perhaps, but the sentence does not say it",
        ErrorTag::KbIncomplete => "the sentence says it, the knowledge base lacks it",
        ErrorTag::WrongSpan => "head or tail has the wrong words",
        ErrorTag::WrongType => "an entity has the wrong type",
        ErrorTag::Reversed => "head and tail are exchanged",
        ErrorTag::Duplicate => "says the same as another triple",
        ErrorTag::GuidelineGap => "the guidelines do not decide it",
    }
}
