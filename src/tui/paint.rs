//! Writing cells: the only code that touches a buffer. Every string is cleaned and clipped here, so a view can
//! neither draw outside its area nor let a character of the corpus act on the terminal.

use super::clean::{clean, fit, lines, width};
use super::theme::{Role, Theme};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub struct Painter<'a> {
    buffer: &'a mut Buffer,
    theme: &'a Theme,
}

impl<'a> Painter<'a> {
    pub fn new(buffer: &'a mut Buffer, theme: &'a Theme) -> Self {
        Self { buffer, theme }
    }

    /// Draws `text` from `(x, y)` in at most `cells` cells, cut with an ellipsis; returns the column after it.
    pub fn text(&mut self, x: u16, y: u16, cells: u16, text: &str, role: Role) -> u16 {
        let area = self.buffer.area;
        if y < area.top() || y >= area.bottom() || x < area.left() || x >= area.right() {
            return x;
        }
        let cells = cells.min(area.right() - x);
        let text = fit(text, cells as usize);
        let style = self.theme.style(role);
        self.buffer.set_stringn(x, y, text, cells as usize, style).0
    }

    /// Draws `text` so that it ends at column `right` (exclusive), in at most `cells` cells.
    pub fn text_right(&mut self, right: u16, y: u16, cells: u16, text: &str, role: Role) {
        let text = fit(text, cells as usize);
        let w = width(&text) as u16;
        self.text(right.saturating_sub(w), y, w, &text, role);
    }

    /// Draws parts one after the other in the first row of `area`; returns the column after the last.
    pub fn parts<S: AsRef<str>>(&mut self, area: Rect, parts: &[(S, Role)]) -> u16 {
        let mut x = area.x;
        for (text, role) in parts {
            let left = area.right().saturating_sub(x);
            if left == 0 || area.height == 0 {
                break;
            }
            x = self.text(x, area.y, left, text.as_ref(), *role);
        }
        x
    }

    /// Blanks `area` in the style of `role`.
    pub fn clear(&mut self, area: Rect, role: Role) {
        self.fill(area, " ", role);
    }

    /// Fills `area` with one symbol of width 1.
    pub fn fill(&mut self, area: Rect, symbol: &str, role: Role) {
        let style = self.theme.style(role);
        let symbol = clean(symbol);
        let area = area.intersection(self.buffer.area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                let cell = &mut self.buffer[(x, y)];
                cell.reset();
                cell.set_symbol(&symbol).set_style(style);
            }
        }
    }

    /// Adds the style of `role` to what is drawn in `area`, as for the row under the cursor.
    pub fn restyle(&mut self, area: Rect, role: Role) {
        self.buffer.set_style(area, self.theme.style(role));
    }

    /// What stands where there is nothing to list: the first sentence says why, the others what to do. Broken between words.
    pub fn instead(&mut self, area: Rect, sentences: &[&str]) {
        let cells = usize::from(area.width);
        let roles = std::iter::once(Role::Text).chain(std::iter::repeat(Role::Dim));
        let lines = sentences.iter().zip(roles).flat_map(|(sentence, role)| {
            let lines = lines(sentence, cells).into_iter();
            lines.map(move |line| (line, role))
        });
        for (y, (line, role)) in (area.y..area.bottom()).zip(lines) {
            self.text(area.x, y, area.width, &line, role);
        }
    }

    pub fn horizontal(&mut self, area: Rect, role: Role) {
        self.fill(
            Rect {
                height: 1.min(area.height),
                ..area
            },
            "─",
            role,
        );
    }

    pub fn vertical(&mut self, x: u16, y: u16, height: u16, role: Role) {
        self.fill(Rect::new(x, y, 1, height), "│", role);
    }

    /// Blanks `area`, draws a frame with a title around it and returns the inside.
    pub fn frame(&mut self, area: Rect, title: &str, footer: &str) -> Rect {
        let area = area.intersection(self.buffer.area);
        self.clear(area, Role::Text);
        if area.width < 2 || area.height < 2 {
            return Rect {
                width: 0,
                height: 0,
                ..area
            };
        }
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        let span = area.width - 2;
        for y in [area.y, bottom] {
            self.fill(Rect::new(area.x + 1, y, span, 1), "─", Role::Border);
        }
        self.vertical(area.x, area.y + 1, area.height - 2, Role::Border);
        self.vertical(right, area.y + 1, area.height - 2, Role::Border);
        for (x, y, corner) in [
            (area.x, area.y, "╭"),
            (right, area.y, "╮"),
            (area.x, bottom, "╰"),
            (right, bottom, "╯"),
        ] {
            self.text(x, y, 1, corner, Role::Border);
        }
        if !title.is_empty() {
            self.text(
                area.x + 2,
                area.y,
                span.saturating_sub(2),
                &format!(" {title} "),
                Role::Title,
            );
        }
        if !footer.is_empty() {
            self.text(
                area.x + 2,
                bottom,
                span.saturating_sub(2),
                &format!(" {footer} "),
                Role::Dim,
            );
        }
        Rect::new(
            area.x + 2,
            area.y + 1,
            span.saturating_sub(2),
            area.height - 2,
        )
    }
}

/// What is drawn, as text: one line a row, without trailing spaces.
pub fn text_of(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut line = String::new();
        let mut covered = 0;
        for x in buffer.area.left()..buffer.area.right() {
            let symbol = buffer[(x, y)].symbol();
            if covered == 0 {
                line.push_str(symbol);
                // The cells behind a wide character are drawn by it.
                covered = width(symbol).saturating_sub(1);
            } else {
                covered -= 1;
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The row `index` of `area`; empty when outside.
pub fn row(area: Rect, index: u16) -> Rect {
    if index < area.height {
        Rect::new(area.x, area.y + index, area.width, 1)
    } else {
        Rect::new(area.x, area.y, 0, 0)
    }
}

/// `area` without its first `n` rows.
pub fn below(area: Rect, n: u16) -> Rect {
    let n = n.min(area.height);
    Rect::new(area.x, area.y + n, area.width, area.height - n)
}

/// Without two cells at the left, where a list has its cursor, and one at the right.
pub fn sides(area: Rect) -> Rect {
    let left = area.width.min(2);
    Rect {
        x: area.x + left,
        width: (area.width - left).saturating_sub(1),
        ..area
    }
}

/// A box of at most `width` x `height` in the middle of `area`.
pub fn centred(area: Rect, width: u16, height: u16) -> Rect {
    let (w, h) = (width.min(area.width), height.min(area.height));
    Rect::new(
        area.x + (area.width - w) / 2,
        area.y + (area.height - h) / 2,
        w,
        h,
    )
}
