//! Choosing places of the sentence by letters: an entity, or any words from a first to a last.

use super::SentenceView;
use super::edit::{Mode, NOT_HERE, SpanMove};
use crate::domain::{Edit, TokenSpan};
use crate::tui::jump::{MAX_LABELS, labels};
use crate::tui::keymap::Key;
use crate::tui::overlay::Overlay;
use crate::tui::overlay::picker::{Picker, Purpose};
use crate::tui::state::{Intent, Shared};
use crossterm::event::{KeyCode, KeyModifiers};

/// What a jump is for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Goal {
    Head,
    Tail { head: TokenSpan },
    MoveSpan,
    Type,
    AddEntity,
    RemoveEntity,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Targets {
    Entities,
    /// Words, of which the first was chosen or not.
    Words {
        first: Option<usize>,
    },
}

/// Choosing a place by its letters.
#[derive(Clone, Debug, PartialEq)]
pub struct Jump {
    pub goal: Goal,
    pub targets: Targets,
    /// (label, span).
    pub labels: Vec<(String, TokenSpan)>,
    pub typed: String,
}

impl Jump {
    pub fn prompt(&self) -> String {
        let what = match self.goal {
            Goal::Head => "head of the new triple",
            Goal::Tail { .. } => "tail of the new triple",
            Goal::MoveSpan => "entity whose edges move",
            Goal::Type => "entity whose type to set",
            Goal::AddEntity => "new entity",
            Goal::RemoveEntity => "entity to remove",
        };
        let how = match self.targets {
            Targets::Entities => "its letter; tab for any words, esc back",
            Targets::Words { first: None } => "letters of its first word; esc back",
            Targets::Words { first: Some(_) } => "letters of its last word; esc back",
        };
        format!("{what}: type {how}")
    }
}

impl SentenceView {
    pub(super) fn jump(&mut self, goal: Goal, shared: &mut Shared) {
        if self.detail().is_none() {
            return shared.warn(NOT_HERE);
        }
        let words = goal == Goal::AddEntity || self.entities().is_empty();
        if words && matches!(goal, Goal::MoveSpan | Goal::Type | Goal::RemoveEntity) {
            return shared.warn("no entity here; e adds one");
        }
        let targets = if words {
            Targets::Words { first: None }
        } else {
            Targets::Entities
        };
        self.start_jump(Jump {
            goal,
            targets,
            labels: self.labelled(targets),
            typed: String::new(),
        });
    }

    /// The places that get labels: entities, or the words in sight.
    fn labelled(&self, targets: Targets) -> Vec<(String, TokenSpan)> {
        let spans: Vec<TokenSpan> = match targets {
            Targets::Entities => self
                .entities()
                .iter()
                .map(|e| e.span)
                .take(MAX_LABELS)
                .collect(),
            Targets::Words { .. } => self
                .words_in_sight()
                .filter(|i| self.is_word(*i))
                .filter_map(|i| TokenSpan::new(i, i + 1))
                .take(MAX_LABELS)
                .collect(),
        };
        labels(spans.len()).into_iter().zip(spans).collect()
    }

    /// A key while jump labels are shown.
    pub fn jump_key(&mut self, key: Key, shared: &mut Shared) {
        let Mode::Jump(jump) = &mut self.mode else {
            return;
        };
        match key {
            Key(KeyCode::Esc, _) => self.mode = Mode::Browse,
            Key(KeyCode::Backspace, _) => {
                jump.typed.pop();
            }
            Key(KeyCode::Tab, _) => {
                let targets = match jump.targets {
                    Targets::Entities => Targets::Words { first: None },
                    Targets::Words { .. } => Targets::Entities,
                };
                let goal = jump.goal;
                let words_allowed = matches!(goal, Goal::Head | Goal::Tail { .. });
                if words_allowed && !(targets == Targets::Entities && self.entities().is_empty()) {
                    self.start_jump(Jump {
                        goal,
                        targets,
                        labels: self.labelled(targets),
                        typed: String::new(),
                    });
                }
            }
            Key(KeyCode::Char(c), KeyModifiers::NONE) => {
                jump.typed.push(c);
                let typed = jump.typed.clone();
                let chosen = jump
                    .labels
                    .iter()
                    .find(|(label, _)| *label == typed)
                    .map(|(_, span)| *span);
                let hopeful = jump
                    .labels
                    .iter()
                    .any(|(label, _)| label.starts_with(&typed));
                if let Some(span) = chosen {
                    self.jumped(span, shared);
                } else if !hopeful {
                    jump.typed.clear();
                    shared.warn(format!("no place has the letter `{c}`; esc leaves"));
                }
            }
            _ => {}
        }
    }

    fn jumped(&mut self, span: TokenSpan, shared: &mut Shared) {
        let Mode::Jump(jump) = &self.mode else { return };
        let goal = jump.goal;
        let span = match jump.targets {
            Targets::Entities => span,
            Targets::Words { first: None } => {
                let targets = Targets::Words {
                    first: Some(span.start()),
                };
                let (labels, typed) = (jump.labels.clone(), String::new());
                return self.start_jump(Jump {
                    goal,
                    targets,
                    labels,
                    typed,
                });
            }
            Targets::Words { first: Some(first) } => {
                let (from, to) = (first.min(span.start()), first.max(span.start()));
                TokenSpan::new(from, to + 1).unwrap_or(span)
            }
        };
        self.mode = Mode::Browse;
        match goal {
            Goal::Head => self.jump(Goal::Tail { head: span }, shared),
            Goal::Tail { head } if head == span => {
                shared.warn("head and tail are the same span");
                self.jump(goal, shared);
            }
            Goal::Tail { head } => {
                let items = self.relation_items(head, span, shared);
                let picker = Picker::new(
                    "relation of the new triple",
                    items,
                    Purpose::AddTriple { head, tail: span },
                );
                shared.intents.push(Intent::Push(Overlay::Picker(picker)));
            }
            Goal::MoveSpan => {
                self.mode = Mode::Span(SpanMove {
                    from: span,
                    to: span,
                })
            }
            Goal::Type => self.pick_type("type of the entity", Purpose::SetType(span), shared),
            Goal::AddEntity if self.draft.entity(span).is_some() => {
                shared.warn("there is an entity at this span already")
            }
            Goal::AddEntity => {
                self.pick_type("type of the new entity", Purpose::AddEntity(span), shared)
            }
            Goal::RemoveEntity => self.edit(Edit::RemoveEntity { span }, shared),
        }
    }

    /// Punctuation alone needs no letter: an edge reaches it.
    fn is_word(&self, token: usize) -> bool {
        let text = self.detail().and_then(|d| {
            let range = d.sentence.tokens.get(token)?.range();
            d.sentence.text.get(range)
        });
        text.is_some_and(|t| t.chars().any(char::is_alphanumeric))
    }
}
