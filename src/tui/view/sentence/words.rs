//! The sentence as lines of words with marks: brackets around head and tail, labels to jump to. Every token is drawn
//! whole where it fits, marked spans keep their style across the gaps, and a word longer than the line is broken.

use crate::domain::{Sentence, TokenSpan};
use crate::tui::clean::{clean, fit, width};
use crate::tui::theme::Role;
use std::collections::BTreeMap;
use unicode_segmentation::UnicodeSegmentation;

/// Text between two tokens that is no space is shown up to this many cells.
const MAX_GAP: usize = 60;

/// What is marked, and how.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Markup {
    /// Later spans win where they overlap.
    pub spans: Vec<(TokenSpan, Role)>,
    /// Drawn before a token, outermost first.
    pub before: BTreeMap<usize, Vec<(String, Role)>>,
    /// Drawn after a token, innermost first.
    pub after: BTreeMap<usize, Vec<(String, Role)>>,
    /// The token to keep in sight.
    pub focus: Option<usize>,
}

impl Markup {
    pub fn style(&mut self, span: TokenSpan, role: Role) {
        self.spans.push((span, role));
    }

    /// Draws `open` and `close` around a span in the role of the span.
    pub fn bracket(&mut self, span: TokenSpan, open: &str, close: &str, role: Role) {
        self.before
            .entry(span.start())
            .or_default()
            .push((open.to_owned(), role));
        self.after
            .entry(span.last())
            .or_default()
            .insert(0, (close.to_owned(), role));
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub pieces: Vec<(String, Role)>,
    pub tokens: std::ops::Range<usize>,
}

/// A wrapped sentence, kept until its text, marks or width change: a long one is not wrapped anew at each key.
#[derive(Default)]
pub struct Text {
    key: Option<(u64, Markup, usize)>,
    pub lines: Vec<Line>,
    focus_moved: bool,
}

impl Text {
    pub fn follow_focus(&mut self) {
        self.focus_moved = true;
    }

    /// Wraps anew if anything changed.
    pub fn update(&mut self, sentence: &Sentence, markup: Markup, width: usize) {
        let key = (sentence.id.0, markup, width);
        if self.key.as_ref() == Some(&key) {
            return;
        }
        let other = self
            .key
            .as_ref()
            .is_none_or(|(id, old, w)| (*id, old.focus, *w) != (key.0, key.1.focus, key.2));
        self.focus_moved |= other;
        self.lines = wrap(sentence, &key.1, width);
        self.key = Some(key);
    }

    /// The first line to draw so that the focus is in sight if it moved, else `top` kept in range.
    pub fn top(&mut self, top: usize, height: usize) -> usize {
        let last = self.lines.len().saturating_sub(height);
        let focus = self.key.as_ref().and_then(|(_, markup, _)| markup.focus);
        if !std::mem::take(&mut self.focus_moved) {
            return top.min(last);
        }
        let line =
            focus.and_then(|token| self.lines.iter().position(|l| l.tokens.contains(&token)));
        match line {
            Some(line) if line < top || line >= top + height => {
                line.saturating_sub(height / 3).min(last)
            }
            _ => top.min(last),
        }
    }
}

/// `sentence` in lines of at most `cells` cells.
pub fn wrap(sentence: &Sentence, markup: &Markup, cells: usize) -> Vec<Line> {
    let n = sentence.tokens.len();
    let mut roles: Vec<(Role, u32)> = vec![(Role::Text, 0); n];
    for (i, (span, role)) in markup.spans.iter().enumerate() {
        for slot in roles.iter_mut().take(span.end()).skip(span.start()) {
            *slot = (*role, i as u32 + 1);
        }
    }
    let mut wrapper = Wrapper::new(cells);
    let mut end = 0;
    for (i, token) in sentence.tokens.iter().enumerate() {
        let same_span = i > 0 && roles[i].1 != 0 && roles[i].1 == roles[i - 1].1;
        let gap_role = if same_span { roles[i].0 } else { Role::Text };
        wrapper.gap(
            sentence.text.get(end..token.start()).unwrap_or(""),
            gap_role,
        );
        wrapper.token = i;
        for (text, role) in markup.before.get(&i).into_iter().flatten() {
            wrapper.add(text, *role);
        }
        let text = sentence.text.get(token.range()).unwrap_or("");
        wrapper.add(text, roles[i].0);
        for (text, role) in markup.after.get(&i).into_iter().flatten() {
            wrapper.add(text, *role);
        }
        end = token.end();
    }
    wrapper.gap(sentence.text.get(end..).unwrap_or(""), Role::Text);
    wrapper.finish()
}

struct Wrapper {
    cells: usize,
    lines: Vec<Line>,
    line: Line,
    x: usize,
    /// Pieces that must stay together, and the gap before them.
    unit: Vec<(String, Role)>,
    unit_tokens: std::ops::Range<usize>,
    space: Option<Role>,
    token: usize,
}

impl Wrapper {
    fn new(cells: usize) -> Self {
        Self {
            cells: cells.max(1),
            lines: Vec::new(),
            line: Line {
                pieces: Vec::new(),
                tokens: 0..0,
            },
            x: 0,
            unit: Vec::new(),
            unit_tokens: 0..0,
            space: None,
            token: 0,
        }
    }

    fn add(&mut self, text: &str, role: Role) {
        if self.unit.is_empty() {
            self.unit_tokens = self.token..self.token;
        }
        self.unit_tokens.end = self.token + 1;
        self.unit.push((clean(text).into_owned(), role));
    }

    /// What stands between two tokens: a place to break, and text if it is not all space.
    fn gap(&mut self, text: &str, role: Role) {
        if text.is_empty() {
            return;
        }
        let starts = text.starts_with(char::is_whitespace);
        let trimmed = text.trim();
        if trimmed.is_empty() {
            self.flush();
            self.space = (!self.lines.is_empty() || self.x > 0).then_some(role);
            return;
        }
        if starts {
            self.flush();
            self.space = Some(role);
        }
        self.add(&fit(trimmed, MAX_GAP), Role::Dim);
        if text.ends_with(char::is_whitespace) {
            self.flush();
            self.space = Some(role);
        }
    }

    /// Places the unit on this line or the next.
    fn flush(&mut self) {
        if self.unit.is_empty() {
            return;
        }
        let unit = std::mem::take(&mut self.unit);
        let tokens = self.unit_tokens.clone();
        let needs: usize = unit.iter().map(|(text, _)| width(text)).sum();
        let space = self.space.take().filter(|_| self.x > 0);
        if self.x > 0 && self.x + space.is_some() as usize + needs > self.cells {
            self.break_line(tokens.start);
        } else if let Some(role) = space {
            self.push(" ".to_owned(), role);
        }
        if self.line.pieces.is_empty() {
            self.line.tokens = tokens.start..tokens.start;
        }
        self.line.tokens.end = tokens.end;
        for (text, role) in unit {
            self.place(text, role, &tokens);
        }
    }

    fn place(&mut self, text: String, role: Role, tokens: &std::ops::Range<usize>) {
        let w = width(&text);
        if self.x + w <= self.cells {
            return self.push(text, role);
        }
        let mut part = String::new();
        let mut used = 0;
        for cluster in text.graphemes(true) {
            let w = width(cluster);
            if self.x + used + w > self.cells && self.x + used > 0 {
                self.push(std::mem::take(&mut part), role);
                used = 0;
                self.break_line(tokens.start);
                self.line.tokens.end = tokens.end;
            }
            part.push_str(cluster);
            used += w;
        }
        self.push(part, role);
    }

    fn push(&mut self, text: String, role: Role) {
        self.x += width(&text);
        match self.line.pieces.last_mut() {
            Some((last, same)) if *same == role => last.push_str(&text),
            _ => self.line.pieces.push((text, role)),
        }
    }

    fn break_line(&mut self, next: usize) {
        let fresh = Line {
            pieces: Vec::new(),
            tokens: next..next,
        };
        self.lines.push(std::mem::replace(&mut self.line, fresh));
        self.x = 0;
    }

    fn finish(mut self) -> Vec<Line> {
        self.flush();
        if !self.line.pieces.is_empty() || self.lines.is_empty() {
            self.lines.push(self.line);
        }
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::tests::fixture;

    fn text(lines: &[Line]) -> Vec<String> {
        let join = |l: &Line| l.pieces.iter().map(|(t, _)| t.as_str()).collect();
        lines.iter().map(join).collect()
    }

    #[test]
    fn words_wrap_and_punctuation_stays_with_its_word() {
        let check = |words: &str, cells, expected: &[&str]| {
            let sentence = fixture::sentence(1, words, &[]);
            assert_eq!(
                text(&wrap(&sentence, &Markup::default(), cells)),
                expected,
                "{words:?}"
            );
        };
        check("Barack Obama was born", 12, &["Barack Obama", "was born"]);
        check("in Honolulu_, Hawaii_.", 9, &["in", "Honolulu,", "Hawaii."]);
        check(
            "supercalifragilistic word",
            8,
            &["supercal", "ifragili", "stic", "word"],
        );
        check("東京都 は 広い", 6, &["東京都", "は", "広い"]);
        check("a\u{1b}[2J b", 10, &["a␛[2J b"]);
        check("", 10, &[""]);
    }

    #[test]
    fn marks_stand_around_their_span_and_nest() {
        let sentence = fixture::sentence(1, "The New York Times", &[]);
        let mut markup = Markup::default();
        let (outer, inner) = (TokenSpan::new(1, 4).unwrap(), TokenSpan::new(1, 3).unwrap());
        markup.bracket(outer, "[T ", "]", Role::Tail);
        markup.bracket(inner, "[H ", "]", Role::Head);
        assert_eq!(
            text(&wrap(&sentence, &markup, 40)),
            ["The [T [H New York] Times]"]
        );
    }

    #[test]
    fn a_line_never_exceeds_its_cells() {
        let sentence = fixture::sentence(1, &"word 東京 e\u{301}e\u{301} ".repeat(30), &[]);
        for cells in 2..30 {
            for line in text(&wrap(&sentence, &Markup::default(), cells)) {
                assert!(width(&line) <= cells, "{cells}: {line:?}");
            }
        }
    }
}
