//! A cursor in a list longer than the screen.

use crate::tui::action::Nav;
use ratatui::layout::Rect;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scroll {
    pub cursor: usize,
    /// First row drawn.
    pub top: usize,
    height: usize,
}

impl Scroll {
    /// Moves the cursor by an action, `count` times, in a list of `len` rows.
    pub fn act(&mut self, nav: Nav, len: usize, count: usize) {
        let page = self.height.max(1);
        let half = (page / 2).max(1);
        let down = |by: usize| self.cursor.saturating_add(by.saturating_mul(count));
        let up = |by: usize| self.cursor.saturating_sub(by.saturating_mul(count));
        self.cursor = match nav {
            Nav::Down => down(1),
            Nav::Up => up(1),
            Nav::HalfDown => down(half),
            Nav::HalfUp => up(half),
            Nav::PageDown => down(page),
            Nav::PageUp => up(page),
            Nav::First => 0,
            Nav::Last => usize::MAX,
        }
        .min(len.saturating_sub(1));
    }

    /// Keeps the cursor in the list and in sight, with some context around it where there is room.
    pub fn fit(&mut self, len: usize, height: usize) {
        self.height = height;
        self.cursor = self.cursor.min(len.saturating_sub(1));
        let margin = (height / 4).min(3);
        let lowest = self.cursor.saturating_sub(margin);
        let highest = (self.cursor + margin + 1).saturating_sub(height);
        self.top = self.top.clamp(highest.min(lowest), lowest.max(highest));
        self.top = self.top.min(len.saturating_sub(height));
    }

    /// Moves the cursor to the row under the mouse in a list of `len` rows that is drawn in `area`. Whether it was there already.
    pub fn click(&mut self, area: Rect, (x, y): (u16, u16), len: usize) -> bool {
        if !area.contains((x, y).into()) {
            return false;
        }
        let at = self.top + (y - area.y) as usize;
        let again = at == self.cursor;
        if at < len {
            self.cursor = at;
        }
        again
    }

    /// Rows in sight.
    pub fn visible(&self, len: usize) -> std::ops::Range<usize> {
        self.top.min(len)..(self.top + self.height).min(len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_cursor_is_always_in_sight(
            steps in proptest::collection::vec((0usize..8, 0usize..40, 0usize..30, 1usize..9), 1..30)
        ) {
            let navs = [Nav::Down, Nav::Up, Nav::HalfDown, Nav::HalfUp, Nav::PageDown, Nav::PageUp, Nav::First, Nav::Last];
            let mut scroll = Scroll::default();
            for (nav, len, height, count) in steps {
                scroll.act(navs[nav], len, count);
                scroll.fit(len, height);
                if len > 0 && height > 0 {
                    prop_assert!(scroll.visible(len).contains(&scroll.cursor), "{scroll:?} {len} {height}");
                    prop_assert!(scroll.visible(len).len() == len.min(height));
                }
            }
        }
    }
}
